"""Ideas about depth in pure Python, without fairseq or torch.

Layer positions count from 1 here, as in the papers.
"""
