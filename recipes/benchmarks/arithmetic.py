"""Count the arithmetic of one training update, and compute the time that GPUs need for it at least.

    python -m recipes.benchmarks.arithmetic

It counts on a CPU, so other processes make no difference, and measures no time; how often the host waits for the device
is counted on the pretended GPU of the tests. ``train_step --device cuda`` measures the same updates. Each update runs
in a process of its own. See recipes/benchmarks/README.md.
"""

from argparse import Namespace
from pathlib import Path
from typing import Any, Dict
from unittest import mock

from fairseq.optim.adam import Adam

from fairseq_flexdepth.modules.losses import chunks
from recipes.benchmarks import build, common
from recipes.benchmarks.operations import Device, Operations
from recipes.benchmarks.train_step import ALL_STEPS, add_draw_option, model_and_loss
from recipes.common.figure import pyplot, save_figure
from recipes.common.markdown import markdown_table

UPDATES = {**ALL_STEPS, "accumulated": "fairseq_flexdepth, `--accumulate-depths`"}
# From NVIDIA's data sheets: dense matrix products, A100 80GB SXM and H100 SXM.
GPUS = {
    "A100": Device(19.5e12, 2.039e12),
    "A100, TF32": Device(156e12, 2.039e12),
    "H100": Device(67e12, 3.35e12),
    "H100, TF32": Device(494.7e12, 3.35e12),
}
NARROW = {"embed_dim": 16, "ffn_dim": 16, "heads": 2, "vocabulary": 50, "sentences": 2, "length": 5}
MEASURED_BY = "python -m recipes.benchmarks.train_step --device cuda"


def parse() -> Namespace:
    """Read the command line."""
    parser = common.benchmark_parser(__doc__ or "")
    build.add_size_options(parser)
    add_draw_option(parser)
    args = parser.parse_args()
    if args.device != "cpu":
        parser.error(f"--device {args.device}: expected cpu, which counts; measure by {MEASURED_BY}")
    return args


def measure(kind: str, args: Namespace) -> Dict[str, Any]:
    """Count one of UPDATES: forward pass, backward pass and Adam; where depths are drawn, the mean of all draws.

    Returns:
        FLOP of the matrix products, bytes moved, kernels, waits, and the seconds by each of GPUS.
    """
    from torch.nn.attention import SDPBackend, sdpa_kernel

    sample = build.batch(args)
    model, loss_of = model_and_loss(kind, sample, args)
    optimizer = Adam(model.parameters(), lr=1e-4)

    def update(number: int) -> None:
        model.set_num_updates(number)
        optimizer.zero_grad()
        loss_of().backward()
        optimizer.step()

    draws = args.draws if kind == "sampled" else 1
    update(0)  # allocates Adam's averages
    chunks_of_gpu = mock.patch.object(chunks, "CHUNK_ELEMENTS", chunks.CHUNK_ELEMENTS_ON_GPU)
    # Attention by the operations that torch counts.
    with chunks_of_gpu, sdpa_kernel(SDPBackend.MATH), Operations(GPUS) as counted:
        for number in range(draws):
            update(number)
    figures = {"flop": counted.flop, "bytes": counted.moved, "kernels": counted.kernels}
    return {
        **{name: figure / draws for name, figure in figures.items()},
        "waits": waits(kind, args),
        "seconds": {name: seconds / draws for name, seconds in counted.seconds.items()},
    }


def waits(kind: str, args: Namespace) -> int:
    """How often the host waits for the device in the forward and backward pass of a narrow model of as many layers.

    The first pass, which also copies tensors that stay on the device, does not count.
    """
    from tests.pretended_gpu import pretended_gpu, to_gpu

    narrow = Namespace(**{**vars(args), **NARROW})
    with pretended_gpu() as watch:
        model, loss_of = model_and_loss(kind, to_gpu(build.batch(narrow)), narrow)
        to_gpu(model)
        loss_of().backward()
        watch.forget()
        loss_of().backward()
    return sum(watch.waits.values())


def table(measured: Dict[str, Dict[str, Any]], args: Namespace) -> str:
    """Return the report as Markdown."""
    vanilla, ours, loop = (measured[kind] for kind in ("vanilla", "ours", "double_loop"))
    counts, times = [], []
    for kind, name in UPDATES.items():
        found = measured[kind]
        counts.append(
            [name, f"{found['flop'] / 1e12:.2f}", f"{found['flop'] / vanilla['flop']:.2f}"]
            + [f"{found['bytes'] / 1e9:,.0f}", f"{found['bytes'] / vanilla['bytes']:.2f}"]
            + [f"{found['kernels']:,.0f}", f"{found['waits']:.0f}"]
        )
        seconds = ((found["seconds"][gpu], vanilla["seconds"][gpu]) for gpu in GPUS)
        times.append([name, *(f"{1000 * own:.0f} ({own / other:.1f} ×)" for own, other in seconds)])
    header = ["counted, one update", "TFLOP", "× vanilla", "GB moved", "× vanilla", "kernels", "waits"]
    computed = ["computed, ms (× vanilla)", *GPUS]
    ratios = (
        f"{gpu} {ours['seconds'][gpu] / vanilla['seconds'][gpu]:.1f} × vanilla and "
        f"{ours['seconds'][gpu] / loop['seconds'][gpu]:.2f} × the double loop"
        for gpu in GPUS
    )
    return common.page(
        f"{args.layers}×{args.layers} layers, d {args.embed_dim}, ffn {args.ffn_dim}, {args.heads} heads, vocabulary "
        f"{args.vocabulary:,}, {args.sentences} × {args.length} target tokens, fp32, dropout {args.dropout}. Nothing "
        "was measured on a GPU.",
        "\n\n".join([markdown_table(header, counts), markdown_table(computed, times)]),
        [
            "the times are computed: per kernel the larger of FLOP and bytes at the peaks of NVIDIA's data sheets, "
            "without the time to start kernels and to wait",
            "waits are those of the forward and the backward pass; fairseq's trainer adds its own. On a GPU dropout is "
            "one kernel, here three",
            f"computed time of all pairs: {'; '.join(ratios)}",
            f"to measure it: `{MEASURED_BY}`, for TF32 with `TORCH_ALLOW_TF32_CUBLAS_OVERRIDE=1`",
        ],
    )


def draw(measured: Dict[str, Dict[str, Any]], path: Path) -> None:
    """Draw the computed milliseconds of each update on each GPU to a PNG file."""
    figure, axes = pyplot().subplots(figsize=(9, 4))
    for number, gpu in enumerate(GPUS):
        places = [place + (number - 1.5) * 0.2 for place in range(len(UPDATES))]
        axes.bar(places, [1000 * measured[kind]["seconds"][gpu] for kind in UPDATES], 0.19, label=gpu)
    axes.set_xticks(range(len(UPDATES)))
    axes.set_xticklabels([name.replace("fairseq_flexdepth, ", "").replace("`", "") for name in UPDATES.values()])
    axes.set_yscale("log")
    axes.set_ylabel("computed ms per update, at least")
    axes.legend()
    save_figure(figure, path)


def conclude(measured: Dict[str, Any], args: Namespace) -> None:
    """Write the report."""
    result = {**common.report(args), "measured": measured}
    common.write_results(args.results, f"arithmetic-{args.device}", result, table(measured, args))
    draw(measured, args.results / f"arithmetic-{args.device}.png")


def main() -> None:
    """Count all UPDATES and write the report."""
    common.run("recipes.benchmarks.arithmetic", parse(), list(UPDATES), measure, conclude)


if __name__ == "__main__":
    main()
