"""Choosing what to say: random phrases and clauses."""
