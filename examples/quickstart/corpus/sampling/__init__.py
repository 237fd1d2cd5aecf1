"""Drawing random phrases and clauses."""
