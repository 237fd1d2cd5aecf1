"""Admin's residual scales folded into the parameters of a Post-LN Transformer that has none.

A sub-layer f computes LN(f(x) + ω∘x). Let the layer norm below give out x' = ω∘x in x's place, which its gain and bias
multiplied by ω do, and divide the columns of the matrices that read x, all inside f, by ω: f'(x') = f(x). Then
LN(f'(x') + x') is the same, its input included, but for rounding. A stack's last output has no residual and stays what
it is, so that the decoder's keys and values and the output projection do not change.

Below the first sub-layer there is no layer norm, unless ``--layernorm-embedding`` puts one there. The embeddings and
positions themselves are multiplied by ω then: what was tied to them is stored apart, and sinusoidal positions become
learned ones of the same values.
"""

from typing import Any, Dict, List, NamedTuple

from torch import Tensor

from fairseq_flexdepth.modules.admin import SCALE_SUFFIX

State = Dict[str, Tensor]
_ATTENTION = ("q_proj", "k_proj", "v_proj")


class _SubLayer(NamedTuple):
    """What of a sub-layer f the fold changes, named as in the ``state_dict``."""

    scale: str  # its ω
    readers: List[str]  # the linear maps that read x
    norm: str  # the layer norm above it


def cannot_fold(state: State, options: Dict[str, Any]) -> List[str]:
    """The reasons, if any, why the scales of *state* cannot be folded; see :func:`fold_residual_scales`."""
    scales = {key: scale for key, scale in state.items() if key.endswith(SCALE_SUFFIX)}
    if not scales:
        return []
    admin = "--residual-init admin"
    zeros = [key for key, scale in scales.items() if scale.eq(0).any()]
    reasons = [f"{admin}: {key} has a zero, by which no weight can be divided" for key in zeros]
    refused = {
        "quant_noise_pq": "a linear map between the embeddings and the first residual",
        "quant_noise_scalar": "weights rounded to 8 bits, which scaled ones are not in the same way",
        "cross_self_attention": "self-attention that reads the encoder's output, which has no scale",
        "adaptive_input": "embeddings of several widths",
        "merge_src_tgt_embed": "one dictionary made of two",
    }
    for option, reason in refused.items():
        if options.get(option):
            reasons.append(f"{admin} with --{option.replace('_', '-')} {options[option]}: {reason}")
    if options["decoder_input_dim"] != options["decoder_embed_dim"]:
        reasons.append(f"{admin} with --decoder-input-dim {options['decoder_input_dim']}: embeddings of another width")
    return reasons


def fold_residual_scales(state: State, options: Dict[str, Any], positions: State) -> None:
    """Take the residual scales out of *state*, in place, so that the model without them computes the same.

    Args:
        state: the ``state_dict`` of a Post-LN model with the layers that run; none of its tensors is changed.
        options: the model's options, which are changed where embeddings no longer are tied or sinusoidal.
        positions: the position embeddings of ``encoder`` and ``decoder``, positions × channels, where there are any.
    """
    for side in ("encoder", "decoder"):
        stack = _sub_layers(state, side)
        for sub_layer, below in zip(stack, [None, *stack]):
            scale = state.pop(sub_layer.scale)
            for reader in sub_layer.readers:
                state[f"{reader}.weight"] = state[f"{reader}.weight"] / scale
            if below is not None:
                _scale_norm(state, below.norm, scale)
            elif f"{side}.layernorm_embedding.weight" in state:
                _scale_norm(state, f"{side}.layernorm_embedding", scale)
            elif scale.ne(1).any():
                _scale_embeddings(state, options, side, scale, positions)


def _sub_layers(state: State, side: str) -> List[_SubLayer]:
    """The sub-layers of a stack in the order in which they run."""
    found = []
    layer = 0
    while f"{side}.layers.{layer}.self_attn_{SCALE_SUFFIX}" in state:
        prefix = f"{side}.layers.{layer}"
        inputs = {
            "self_attn": [f"{prefix}.self_attn.{name}" for name in _ATTENTION],
            "encoder_attn": [f"{prefix}.encoder_attn.q_proj"],  # keys and values are the encoder's output
            "final": [f"{prefix}.fc1"],
        }
        for name, readers in inputs.items():
            scale = f"{prefix}.{name}_{SCALE_SUFFIX}"
            if scale in state:
                found.append(_SubLayer(scale, readers, f"{prefix}.{name}_layer_norm"))
        layer += 1
    return found


def _scale_norm(state: State, norm: str, scale: Tensor) -> None:
    for name in ("weight", "bias"):
        state[f"{norm}.{name}"] = state[f"{norm}.{name}"] * scale


def _scale_embeddings(state: State, options: Dict[str, Any], side: str, scale: Tensor, positions: State) -> None:
    state[f"{side}.embed_tokens.weight"] = state[f"{side}.embed_tokens.weight"] * scale
    options["share_all_embeddings"] = False
    if side == "decoder":
        options["share_decoder_input_output_embed"] = False
    if side in positions:
        state[f"{side}.embed_positions.weight"] = positions[side] * scale
        options[f"{side}_learned_pos"] = True
