"""Magnitude pruning, and training a pruned model further while its zeros stay zero."""
