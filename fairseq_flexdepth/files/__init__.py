"""Reading and writing files safely: checkpoints, binarised data, text, outputs."""
