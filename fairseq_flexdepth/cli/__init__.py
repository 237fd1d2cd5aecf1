"""The sub-commands of ``fairseq-flexdepth``, one a file."""
