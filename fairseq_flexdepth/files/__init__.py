"""Safe reading and writing of files: checkpoints, binarised data, labels, text, outputs."""
