"""The words of both languages and their senses."""
