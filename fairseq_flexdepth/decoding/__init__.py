"""Decoding at the depth asked for."""
