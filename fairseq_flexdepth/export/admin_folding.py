"""Fold Admin's residual scales [liu2020] into the weights of a Post-LN Transformer without such scales.

With Admin a sub-layer f computes LN(f(x) + ω∘x). The layer norm below gives the output x' = ω∘x in place of x if its
gain and bias are multiplied by ω. The matrices inside f that read x have their columns divided by ω: f'(x') = f(x).
Then f'(x') + x' = f(x) + ω∘x, up to rounding. No residual reads the last output of a stack: it does not change, and
neither do the decoder's keys and values or the output projection.

There is no layer norm below the first sub-layer, unless ``--layernorm-embedding`` is used. Without it, the embeddings
and the positions are multiplied by ω. Matrices tied to the embeddings are then stored separately, and sinusoidal
positions become learned positions of the scaled values.
"""

from typing import Any, Dict, List, NamedTuple

from torch import Tensor

from fairseq_flexdepth.modules.admin import SCALE_SUFFIX

State = Dict[str, Tensor]
_ATTENTION = ("q_proj", "k_proj", "v_proj")


class _SubLayer(NamedTuple):
    """The parameters of a sub-layer f that the fold changes, by their names in the ``state_dict``."""

    scale: str  # ω
    readers: List[str]  # the linear maps that read x
    norm: str  # the layer norm above f


def cannot_fold(state: State, options: Dict[str, Any]) -> List[str]:
    """The reasons why the scales of *state* cannot be folded; none if they can or there are no scales.

    Args:
        state: the ``state_dict`` of the model.
        options: the options of the model.
    """
    scales = {key: scale for key, scale in state.items() if key.endswith(SCALE_SUFFIX)}
    if not scales:
        return []
    admin = "--residual-init admin"
    zeros = [key for key, scale in scales.items() if scale.eq(0).any()]
    reasons = [f"{admin}: {key} has a zero, and weights are divided by it" for key in zeros]
    refused = {
        "quant_noise_pq": "a linear map between the embeddings and the first residual",
        "quant_noise_scalar": "rounds weights to 8 bits, and scaled weights round differently",
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
    """Remove the residual scales from *state*, in place, so that the model without them computes the same.

    Args:
        state: the ``state_dict`` of a Post-LN model; entries are replaced, the tensors themselves do not change.
        options: the options of the model; changed in place where embeddings become untied, or positions learned.
        positions: the position embeddings of ``encoder`` and ``decoder``, positions × channels; a side without
            positions is left out.
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
    """The sub-layers of a stack (``encoder`` or ``decoder``) in the order in which they run."""
    found = []
    layer = 0
    while f"{side}.layers.{layer}.self_attn_{SCALE_SUFFIX}" in state:
        prefix = f"{side}.layers.{layer}"
        inputs = {
            "self_attn": [f"{prefix}.self_attn.{name}" for name in _ATTENTION],
            "encoder_attn": [f"{prefix}.encoder_attn.q_proj"],  # keys and values read the encoder's output
            "final": [f"{prefix}.fc1"],
        }
        for name, readers in inputs.items():
            scale = f"{prefix}.{name}_{SCALE_SUFFIX}"
            if scale in state:
                found.append(_SubLayer(scale, readers, f"{prefix}.{name}_layer_norm"))
        layer += 1
    return found


def _scale_norm(state: State, norm: str, scale: Tensor) -> None:
    """Multiply the output of a layer norm by *scale*, channels."""
    for name in ("weight", "bias"):
        state[f"{norm}.{name}"] = state[f"{norm}.{name}"] * scale


def _scale_embeddings(state: State, options: Dict[str, Any], side: str, scale: Tensor, positions: State) -> None:
    """Multiply the embeddings and the positions of a stack by *scale*, channels."""
    state[f"{side}.embed_tokens.weight"] = state[f"{side}.embed_tokens.weight"] * scale
    options["share_all_embeddings"] = False
    if side == "decoder":
        options["share_decoder_input_output_embed"] = False
    if side in positions:
        state[f"{side}.embed_positions.weight"] = positions[side] * scale
        options[f"{side}_learned_pos"] = True
