"""How it is said: inflection, phrases and word order, without any choice."""
