"""Measure one training update in this process: time, peak memory, and the loss and gradients without dropout."""

import argparse
from statistics import median
from typing import Any, Callable, Dict, Tuple

import torch
from fairseq.modules import FairseqDropout
from fairseq.optim.adam import Adam

from recipes.benchmarks import common

# Computes the loss of a batch, adds its gradients to those of the parameters, and returns the loss.
FormGradients = Callable[[], float]


def add_repeat_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `timed`."""
    parser.add_argument("--repeats", type=int, default=5, help="timed updates; the median is reported")
    parser.add_argument("--warm-up", type=int, default=1, help="updates before the timed ones")


def measure_update(
    name: str, make: Callable[[], Tuple[Any, FormGradients]], args: argparse.Namespace, updates: int = 1
) -> Dict[str, Any]:
    """Measure an update: forward pass, backward pass and Adam.

    Args:
        name: for the progress messages.
        make: builds the model, whose memory counts, and returns it with the function of its gradients.
        args: device, dropout, repeats and warm-up.
        updates: how many are timed together, where they differ; the seconds are of one.

    Returns:
        Loss and gradient norm without dropout, seconds, and peak memory in MiB: ``peak_mib`` without the memory that
        the process held before *make*, ``raw_peak_mib`` with it.
    """
    before = common.memory(args.device)
    model, gradients = make()
    dropouts = [module for module in model.modules() if isinstance(module, FairseqDropout)]
    for dropout in dropouts:
        dropout.p = 0.0
    loss = gradients()
    norm = torch.stack([parameter.grad.norm() for parameter in model.parameters()]).norm()
    for dropout in dropouts:
        dropout.p = args.dropout
    optimizer = Adam(model.parameters(), lr=1e-4)

    def several_updates() -> None:
        for _ in range(updates):
            optimizer.zero_grad()
            gradients()
            optimizer.step()

    result = timed(name, several_updates, args)
    result["seconds"] /= updates
    result["all_seconds"] = [seconds / updates for seconds in result["all_seconds"]]
    peak = common.memory(args.device, peak=True)
    return {
        "loss": loss,
        "gradient_norm": norm.item(),
        **result,
        "peak_mib": (peak - before) / common.MIB,
        "raw_peak_mib": peak / common.MIB,
    }


def timed(name: str, function: Callable[[], Any], args: argparse.Namespace) -> Dict[str, Any]:
    """Time undisturbed calls of *function*: their median, all of them, and the load by other processes."""
    timer = common.Timer(args.device)
    seconds = timer.quiet_seconds(function, args.warm_up, args.repeats, name)
    return {"seconds": median(seconds), "all_seconds": seconds, "other_load": timer.other_load}
