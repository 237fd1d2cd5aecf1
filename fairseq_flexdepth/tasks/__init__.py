"""fairseq's tasks with the depth options."""
