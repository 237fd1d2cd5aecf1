"""Whole splits: every depth of a split, the oracle, distillation, shards."""
