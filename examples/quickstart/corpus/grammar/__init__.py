"""Inflection, phrases and word order of both languages, without random choices."""
