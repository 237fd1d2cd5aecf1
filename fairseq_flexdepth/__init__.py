"""fairseq_flexdepth: train one Transformer, decode it at any encoder and decoder depth.

Importing this package registers its architectures, criterions and tasks with fairseq, which is all that
``--user-dir fairseq_flexdepth`` needs.
"""

import os
import sys
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from fairseq_flexdepth.decoding.hub import FlexDepthHubInterface

__version__ = "0.1.0"


def register() -> None:
    """Register everything with fairseq; a second call changes nothing."""
    from fairseq_flexdepth import compat, criterions  # noqa: F401
    from fairseq_flexdepth.files import checkpoints, safe_loader
    from fairseq_flexdepth.models import architectures, built_models, depth_selector, typed_options  # noqa: F401
    from fairseq_flexdepth.tasks import (  # noqa: F401
        best_metric,
        depth_selection,
        multilingual_translation,
        resuming,
        speech_to_text,
        tensorboard_groups,
        translation,
        translation_from_pretrained_bart,
        translation_multi_simple_epoch,
    )

    safe_loader.allow_safe_checkpoints()
    checkpoints.guard_checkpoints()
    compat.keep_last_batch()
    built_models.note_built_models()
    typed_options.guard_types()
    best_metric.check_before_training()
    tensorboard_groups.group_depth_pairs()
    resuming.copy_whole()
    resuming.end_stalled_jobs()


def load(path: str, data: Optional[str] = None, **overrides: Any) -> "FlexDepthHubInterface":
    """Load a checkpoint for use in Python; see :func:`fairseq_flexdepth.decoding.hub.load`."""
    from fairseq_flexdepth.decoding import hub

    return hub.load(path, data, **overrides)


# The console script starts in a fraction of a second: its sub-commands import fairseq only where they need it.
if os.path.basename(sys.argv[0] if sys.argv else "") != "fairseq-flexdepth":
    register()
