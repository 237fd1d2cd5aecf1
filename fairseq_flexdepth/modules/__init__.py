"""Building blocks that know tensors but no model."""
