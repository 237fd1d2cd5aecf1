"""Count the memory of one training update: its peak, and what holds it there.

    python -m recipes.benchmarks.peak

It counts the tensors that torch allocates on the CPU, so other processes make no difference. The process itself takes
more, because the C library keeps memory that is freed: train_step measures that. Each update runs in a process of its
own. See recipes/benchmarks/README.md.
"""

from argparse import Namespace
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import torch
from fairseq.optim.adam import Adam
from torch.profiler import ProfilerActivity, profile, record_function

from fairseq_flexdepth.modules.losses.chunks import rows_per_chunk
from recipes.benchmarks import build, common
from recipes.benchmarks.train_step import STEPS, model_and_loss
from recipes.common.markdown import markdown_table

RANGE = "layers of "  # begins the names under which the profiler sees layers run


class Recorded(NamedTuple):
    """What the profiler saw of an update; times are its own."""

    changes: List[Tuple[int, int]]  # when memory was allocated or (below 0) freed, and how many bytes; in order
    ranges: Dict[str, List[Tuple[int, int]]]  # by side: when each of its layers began and ended its forward pass


def parse() -> Namespace:
    """Read the command line."""
    parser = common.benchmark_parser(__doc__ or "")
    build.add_size_options(parser)
    args = parser.parse_args()
    if args.device != "cpu":
        parser.error(f"--device {args.device}: expected cpu; train_step prints the peak of a GPU's allocations")
    return args


def measure(kind: str, args: Namespace) -> Dict[str, Any]:
    """Count an update of one of STEPS.

    Returns:
        Bytes: ``held`` by the parameters and Adam's averages; ``peak``, with them; ``layers``, what each side's layers
        hold at the peak.
    """
    sample = build.batch(args)
    model, loss_of = model_and_loss(kind, sample, args)
    optimizer = Adam(model.parameters(), lr=1e-4)
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()  # allocates the averages
    optimizer.zero_grad()

    def update() -> None:
        loss_of().backward()
        optimizer.step()

    recorded = record(model, update)
    total, peak, at = 0, 0, 0
    for when, size in recorded.changes:
        total += size
        if total > peak:
            peak, at = total, when
    held = sum(3 * parameter.numel() * parameter.element_size() for parameter in model.parameters())
    layers = {
        side: sum(size for when, size in recorded.changes if any(a <= when <= min(b, at) for a, b in spans))
        for side, spans in recorded.ranges.items()
    }
    return {"held": held, "peak": held + peak, "layers": layers}


def record(model: Any, update: Callable[[], None]) -> Recorded:
    """Profile the memory of an update of *model*."""
    for side in ("encoder", "decoder"):
        for layer in getattr(model, side).layers.children():
            _name(layer, RANGE + side)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        update()
    changes, ranges = [], {"encoder": [], "decoder": []}  # type: ignore[var-annotated]
    for event in profiled.profiler.kineto_results.events():
        if event.name() == "[memory]":
            changes.append((event.start_ns(), event.nbytes()))
        elif event.name().startswith(RANGE):
            ranges[event.name()[len(RANGE) :]].append((event.start_ns(), event.start_ns() + event.duration_ns()))
    return Recorded(sorted(changes), ranges)


def _name(layer: Any, name: str) -> None:
    """Let the profiler see under *name* when *layer* runs forward."""
    running: List[Any] = []

    def enter(*_: Any) -> None:
        running.append(record_function(name))
        running[-1].__enter__()

    layer.register_forward_pre_hook(enter)
    layer.register_forward_hook(lambda *_: running.pop().__exit__(None, None, None))


def holders(ours: Dict[str, Any], args: Namespace) -> Dict[str, float]:
    """Return what holds the memory of our update at its peak, which is in the loss, in MiB; the rest comes last."""
    width, classes = 4 * args.embed_dim, args.vocabulary  # bytes of a row of features
    rows = args.layers**2 * args.sentences * args.length
    parts = {
        "parameters": ours["held"] / 3,
        "Adam's averages": 2 * ours["held"] / 3,
        "decoder layers, on the outputs of all encoder depths": ours["layers"]["decoder"],
        "encoder layers": ours["layers"]["encoder"],
        "a chunk of logits": 4 * classes * rows_per_chunk(rows, classes, torch.device("cpu")),
        "gradient of the output projection": classes * width,
        "features of all pairs": rows * width,
        "their gradient": rows * width,
    }
    found = {name: size / common.MIB for name, size in parts.items()}
    return {**found, "rest": ours["peak"] / common.MIB - sum(found.values())}


def table(measured: Dict[str, Dict[str, Any]], args: Namespace) -> str:
    """Return the report as Markdown."""
    vanilla, loop, ours = (measured[kind]["peak"] for kind in STEPS)
    rows = [
        [name, f"{measured[kind]['peak'] / common.MIB:,.0f}"]
        + [f"{measured[kind]['peak'] / vanilla:.2f}", f"{measured[kind]['peak'] / loop:.2f}"]
        for kind, name in STEPS.items()
    ]
    held = [[name, f"{size:,.0f}"] for name, size in holders(measured["ours"], args).items()]
    updates = markdown_table(["one update", "peak MiB", "× vanilla", "× loop"], rows)
    return common.page(
        f"{args.layers}×{args.layers} layers, d {args.embed_dim}, ffn {args.ffn_dim}, {args.heads} heads, vocabulary "
        f"{args.vocabulary:,}, {args.sentences} × {args.length} target tokens, fp32, dropout {args.dropout}; counted.",
        "\n\n".join([updates, markdown_table(["fairseq_flexdepth at its peak", "MiB"], held)]),
        [
            f"peak against vanilla: {common.reached(ours / vanilla, 1.6)}",
            f"peak against the double loop: {common.reached(ours / loop, 0.5)}",
        ],
    )


def conclude(measured: Dict[str, Any], args: Namespace) -> None:
    """Write the report."""
    result = {**common.report(args), "measured": measured}
    common.write_results(args.results, f"peak-{args.device}", result, table(measured, args))


def main() -> None:
    """Count all STEPS and write the report."""
    common.run("recipes.benchmarks.peak", parse(), list(STEPS), measure, conclude)


if __name__ == "__main__":
    main()
