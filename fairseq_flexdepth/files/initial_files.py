"""Clear the options that name the files a training started from.

A checkpoint has all weights: it is read, averaged and resumed without these files. Options that also determine the
architecture, such as ``--w2v-path`` and ``--pretrained-mlm-checkpoint``, are kept.
"""

from typing import Any, Dict

from fairseq.utils import safe_getattr
from omegaconf import OmegaConf

# These options of all models of fairseq and of this package.
INITIAL_FILES = (
    *("encoder_embed_path", "decoder_embed_path"),
    "embed_path",  # in nested options: encoder.embed_path, decoder.embed_path
    *("load_pretrained_encoder_from", "load_pretrained_decoder_from", "load_pretrained_aux_decoder_from"),
    "init_embeddings_from",
)


def forget_initial_files(state: Dict[str, Any]) -> None:
    """Set these options to ``None`` in the contents *state* of a checkpoint, in its ``args`` and in its ``cfg``."""
    clear_initial_files(state.get("args"))
    clear_initial_files((state.get("cfg") or {}).get("model"))


def clear_initial_files(options: Any) -> None:
    """Set these options of a model, a ``Namespace`` or an omegaconf object, to ``None``."""
    for name in INITIAL_FILES:
        if safe_getattr(options, name) is not None:
            setattr(options, name, None)
    for side in ("encoder", "decoder"):
        nested = safe_getattr(options, side)
        if OmegaConf.is_config(nested):
            clear_initial_files(nested)
