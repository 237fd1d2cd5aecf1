"""Measure the training speed of the systems in Table 1 of [takase2021], and the cost of sharing itself.

    python -m recipes.benchmarks.sharing

Each system runs in a process of its own. Then CYCLE (M = 6, N = 12) and an unshared model of 12 layers take turns in
one process, and the sizes of checkpoints are compared. See recipes/benchmarks/README.md.
"""

import io
from argparse import Namespace
from statistics import median
from typing import Any, Callable, Dict, Tuple

import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.optim.adam import Adam

from recipes.benchmarks import build, common
from recipes.benchmarks.update import add_repeat_options, timed
from recipes.common.dry_run import table_systems
from recipes.common.markdown import markdown_table

TABLE = table_systems("layer_sharing", "table1")
# by name: the row of the paper's table, and the training options of its system
SYSTEMS = {f"{row['method']} M={row['M']} N={row['N']}": (row, options) for row, options in TABLE}
UNSHARED = ["--arch", "tied_multi_transformer", "--encoder-layers", "12", "--decoder-layers", "12"]
CYCLE = ["--arch", "cycle_shared_transformer", "--layer-sharing", "cycle"]
SHARED_EMBEDDINGS = ["--share-all-embeddings"]


def parse() -> Namespace:
    """Read the command line."""
    parser = common.benchmark_parser(__doc__ or "")
    build.add_batch_options(parser, vocabulary=32_768)
    add_repeat_options(parser)
    return parser.parse_args()


def update_parts(model: Any, args: Namespace) -> Tuple[Callable[[], None], Callable[[], None]]:
    """Return the two parts of an update: forward and backward pass, and Adam's step."""
    task = build.translation_task(args.vocabulary)
    criterion = LabelSmoothedCrossEntropyCriterion(task, sentence_avg=False, label_smoothing=0.1)
    sample = build.batch(args)
    optimizer = Adam(model.parameters(), lr=1e-4)

    def gradients() -> None:
        optimizer.zero_grad()
        (criterion(model, sample)[0] / sample["ntokens"]).backward()

    return gradients, lambda: optimizer.step()


def measure(name: str, args: Namespace) -> Dict[str, Any]:
    """Measure a system, ``turns`` or ``files``."""
    others: Dict[str, Callable[[Namespace], Dict[str, Any]]] = {"turns": measure_turns, "files": measure_files}
    return others[name](args) if name in others else measure_system(name, args)


def measure_system(name: str, args: Namespace) -> Dict[str, Any]:
    """Measure the seconds per update and the target tokens per second of a system."""
    _, options = SYSTEMS[name]
    gradients, step = update_parts(build.training_model([*options, "--dropout", "0.1"], args), args)

    def update() -> None:
        gradients()
        step()

    result = timed(name, update, args)
    return {**result, "tokens_per_second": args.sentences * args.length / result["seconds"]}


def measure_turns(args: Namespace) -> Dict[str, Any]:
    """Update CYCLE and an unshared model with the same number of layers in turns."""
    parts = {
        name: update_parts(build.training_model([*options, *SHARED_EMBEDDINGS], args), args)
        for name, options in (("cycle", CYCLE), ("unshared", UNSHARED))
    }
    timers = {name: (common.Timer(args.device), common.Timer(args.device)) for name in parts}
    for turn in range(args.warm_up + 2 * args.repeats):
        for name, functions in parts.items():
            for timer, function in zip(timers[name], functions):
                timer(function)
        common.progress(f"turn {turn + 1} of {args.warm_up + 2 * args.repeats}")
    return {
        name: {
            "gradients": [round(value, 4) for value in first.seconds[args.warm_up :]],
            "optimizer": [round(value, 4) for value in second.seconds[args.warm_up :]],
            "other_load": first.other_load[args.warm_up :],
        }
        for name, (first, second) in timers.items()
    }


def measure_files(args: Namespace) -> Dict[str, int]:
    """Return the bytes of the saved weights of a tied-multi model of 6×6 layers and of a recurrently stacked one."""
    sizes = {}
    for arch in ("tied_multi_transformer", "recurrent_stacked_transformer"):
        file = io.BytesIO()
        torch.save(build.training_model(["--arch", arch, *SHARED_EMBEDDINGS], args).state_dict(), file)
        sizes[arch] = file.tell()
    return sizes


def compare(measured: Dict[str, Any]) -> Dict[str, float]:
    """Return the ratios that have targets."""
    shared, unshared = measured["turns"]["cycle"], measured["turns"]["unshared"]
    steps = [
        [sum(parts) for parts in zip(side["gradients"], side["optimizer"])] for side in (shared, unshared)
    ]
    files = measured["files"]
    return {
        "step_time_vs_unshared": median(ours / theirs for ours, theirs in zip(*steps)),
        "optimizer_time_vs_unshared": median(shared["optimizer"]) / median(unshared["optimizer"]),
        "file_size_vs_tied_multi": files["recurrent_stacked_transformer"] / files["tied_multi_transformer"],
    }


def table(measured: Dict[str, Any], compared: Dict[str, float], args: Namespace) -> str:
    """Return the report as Markdown."""
    universal = measured["systems"]["Universal M=1 N=6"]["tokens_per_second"]
    rows = [
        [name, f"{measured['systems'][name]['seconds']:.2f}", f"{measured['systems'][name]['tokens_per_second']:.0f}"]
        + [f"×{measured['systems'][name]['tokens_per_second'] / universal:.2f}", f"×{float(row['speed']):.2f}"]
        for name, (row, _) in SYSTEMS.items()
    ]
    return "\n".join(
        [
            f"Vocabulary {args.vocabulary:,}, {args.sentences} × {args.length} target tokens, fp32, dropout 0.1, "
            f"median of {args.repeats} updates.",
            "",
            markdown_table(["system", "seconds per update", "tokens/s", "× Universal", "paper"], rows),
            "",
            "CYCLE (M = 6, N = 12) against an unshared model of 12 layers, in turns:",
            "",
            f"- time per update: {common.reached(compared['step_time_vs_unshared'], 1.03)}",
            f"- time of Adam's step alone: {common.reached(compared['optimizer_time_vs_unshared'], 1.0)}",
            "",
            "Weights of the recurrently stacked model against those of the tied-multi model, 6×6 layers:",
            "",
            f"- size of the file: {common.reached(compared['file_size_vs_tied_multi'], 0.42)}",
        ]
    )


def conclude(results: Dict[str, Any], args: Namespace) -> None:
    """Write the report."""
    measured = {
        "systems": {name: results[name] for name in SYSTEMS},
        "turns": results["turns"],
        "files": results["files"],
    }
    compared = compare(measured)
    result = {**common.report(args), "measured": measured, "compared": compared}
    common.write_results(args.results, f"sharing-{args.device}", result, table(measured, compared, args))


def main() -> None:
    """Measure all systems, the turns and the files, and write the report."""
    common.run("recipes.benchmarks.sharing", parse(), [*SYSTEMS, "turns", "files"], measure, conclude)


if __name__ == "__main__":
    main()
