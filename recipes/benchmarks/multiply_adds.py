"""The multiply-adds of a forward pass through depth plans, by count: what an update must compute at least.

Attention that the runs of a plan share counts once, as in ``modules/shared_attention.py``. The source is as long as the
target. A backward pass takes twice as many again.
"""

from argparse import Namespace
from collections import Counter
from typing import Sequence

from fairseq_flexdepth.depth.plan import INPUT, DepthPlan, build_plan

Subnetworks = Sequence[Sequence[int]]  # the positions of each depth


def of_plans(args: Namespace, encoder: DepthPlan, decoder: DepthPlan) -> int:
    """The multiply-adds per target token of all depth pairs of two plans.

    Args:
        args: ``embed_dim``, ``ffn_dim``, ``length`` and ``vocabulary``.
        encoder: its exits are stacked on the batch axis.
        decoder: runs on the stack.
    """
    square, stacked = args.embed_dim**2, len(encoder.exits)
    attention = 4 * square + 2 * args.length * args.embed_dim  # four projections, scores and weighted sum
    feed_forward = 2 * args.embed_dim * args.ffn_dim
    runs_of_position = Counter(run.position for run in decoder.runs)
    known_keys = sum(runs - 1 for runs in runs_of_position.values()) * 2 * square * stacked
    on_input = sum(run.parent == INPUT for run in decoder.runs)
    known_queries = on_input * (stacked - 1) * (attention + square)  # self-attention and the queries after it
    return (
        len(encoder.runs) * (attention + feed_forward)
        + len(decoder.runs) * stacked * (2 * attention + feed_forward)
        - known_keys
        - known_queries
        + stacked * len(decoder.exits) * args.embed_dim * args.vocabulary
    )


def together(args: Namespace, encoder: Subnetworks, decoder: Subnetworks) -> int:
    """The multiply-adds per target token of all depth pairs, as this package computes them."""
    return of_plans(args, build_plan(encoder), build_plan(decoder))


def one_by_one(args: Namespace, encoder: Subnetworks, decoder: Subnetworks) -> int:
    """The multiply-adds per target token of all depth pairs, each in a pass of its own."""
    return sum(together(args, [of_source], [of_target]) for of_source in encoder for of_target in decoder)
