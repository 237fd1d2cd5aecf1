"""Compare the options of a checkpoint with those of the model that starts from it, where the weights do not show them.

With another number of attention heads, for example, all weights fit and the model computes something else. So does
Pre-LN in place of Post-LN, if the model has ``--no-decoder-final-norm``.
"""

from typing import Any, List

from fairseq.utils import safe_getattr

_OPTIONS = ("encoder_attention_heads", "decoder_attention_heads", "activation_fn")
_FLAGS = (
    "encoder_normalize_before", "decoder_normalize_before", "no_scale_embedding", "no_token_positional_embeddings",
    "cross_self_attention",
)  # fmt: skip


def check_same_function(cfg: Any, saved: Any) -> None:
    """Refuse options with which a model computes something else than the checkpoint's model with the same weights.

    Args:
        cfg: the options of the model.
        saved: the options of the checkpoint's model; one that it lacks is not compared.

    Raises:
        ValueError: an option has another value; the message names all of them.
    """
    differences = []
    for name in (*_layers(cfg), *_OPTIONS, *_FLAGS):
        own, trained = _value(cfg, name), _value(saved, name)
        if trained is None or own is None or str(own) == str(trained):
            continue
        option = f"--{name.replace('_', '-')}"
        if name in _FLAGS:
            differences.append(f"{option}: the checkpoint was trained {'with' if trained else 'without'} it")
        else:
            differences.append(f"{option} {own}: the checkpoint was trained with {trained}")
    if differences:
        raise ValueError("; ".join(differences))


def _layers(cfg: Any) -> List[str]:
    """The numbers of layers that the weights do not show: of fewer unique layers that positions share."""
    if safe_getattr(cfg, "layer_sharing", "none") == "none":
        return []
    sides = [side for side in ("encoder", "decoder") if not safe_getattr(safe_getattr(cfg, side), "layers_to_keep")]
    return [f"{side}_layers" for side in sides]


def _value(cfg: Any, name: str) -> Any:
    """The value of an option in flat or nested options, ``None`` if it is missing."""
    value = safe_getattr(cfg, name)
    if value is not None:
        return value
    side, _, rest = name.partition("_")
    return safe_getattr(safe_getattr(cfg, side), rest)
