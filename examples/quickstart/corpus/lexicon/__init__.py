"""What there is to say: words in both languages and their senses."""
