"""Whole splits: decoding at every depth, scores, the oracle, distillation, shards."""
