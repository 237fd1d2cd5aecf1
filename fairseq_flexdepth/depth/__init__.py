"""Pure ideas about depth, importing neither fairseq nor torch.

Layer positions count from 1 here, as in the papers.
"""
