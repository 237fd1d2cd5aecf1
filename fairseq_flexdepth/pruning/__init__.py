"""Magnitude pruning, and training on with the zeros kept."""
