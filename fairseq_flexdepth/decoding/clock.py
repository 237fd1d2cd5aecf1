"""The time of decoding."""

import time

import torch


def seconds_now(use_cuda: bool) -> float:
    """The time in seconds, once the GPU has finished its work."""
    if use_cuda:
        torch.cuda.synchronize()
    return time.perf_counter()
