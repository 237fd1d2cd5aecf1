"""Training objectives; fairseq does not import this folder of a user directory by itself."""

from fairseq_flexdepth.criterions import tied_multi_cross_entropy  # noqa: F401  (registers it)
