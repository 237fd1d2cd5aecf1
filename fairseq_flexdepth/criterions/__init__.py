"""Training objectives. fairseq does not import this folder of a user directory; the package's ``__init__`` does."""

from fairseq_flexdepth.criterions import (  # noqa: F401  (registers them)
    ckd,
    cost_aware_depth_selection,
    depth_selection,
    multi_task_depth_cross_entropy,
    pkd,
    tied_multi_cross_entropy,
    word_kd,
)
