"""Options that name the files a training starts from.

The checkpoint has all weights: to read it, to average or to continue it takes none of these files. Not among them are
those that also say what the model consists of, such as ``--w2v-path`` and ``--pretrained-mlm-checkpoint``.
"""

from typing import Any, Dict

from fairseq.utils import safe_getattr
from omegaconf import OmegaConf

# Of all models of fairseq's and of this package.
INITIAL_FILES = (
    *("encoder_embed_path", "decoder_embed_path"),
    "embed_path",  # the same where options are nested: encoder.embed_path
    *("load_pretrained_encoder_from", "load_pretrained_decoder_from", "load_pretrained_aux_decoder_from"),
    "init_embeddings_from",
)


def forget_initial_files(state: Dict[str, Any]) -> None:
    """Set these options to ``None`` in the checkpoint *state*, whatever form its options have."""
    clear_initial_files(state.get("args"))
    clear_initial_files((state.get("cfg") or {}).get("model"))


def clear_initial_files(options: Any) -> None:
    """Set these options of a model, in a ``Namespace`` or as omegaconf has them, to ``None``."""
    for name in INITIAL_FILES:
        if safe_getattr(options, name) is not None:
            setattr(options, name, None)
    for side in ("encoder", "decoder"):
        nested = safe_getattr(options, side)
        if OmegaConf.is_config(nested):
            clear_initial_files(nested)
