"""Losses and the tensor functions they consist of."""
