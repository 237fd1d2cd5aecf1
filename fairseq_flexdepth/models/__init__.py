"""Models that can be trained and decoded at many depths."""
