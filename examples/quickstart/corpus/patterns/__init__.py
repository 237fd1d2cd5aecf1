"""Kinds of sentences, each a function of a sampler."""
