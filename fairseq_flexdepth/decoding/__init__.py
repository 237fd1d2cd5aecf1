"""Live decoding: one depth for all sentences, a depth pair per sentence, and the Python interface."""
