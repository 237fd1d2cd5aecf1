"""Compare an update with ``word_kd`` with a vanilla one, and ``distill`` with ``fairseq-generate``.

    python -m recipes.benchmarks.distillation

The teacher's forward pass is measured alone, too. Each update runs in a process of its own. The whole commands run in
turns on invented text, start-up included. See recipes/benchmarks/README.md.
"""

import tempfile
from argparse import Namespace
from pathlib import Path
from statistics import median
from typing import Any, Callable, Dict, List, Tuple

from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion

from fairseq_flexdepth.criterions import distillation
from fairseq_flexdepth.criterions.word_kd import WordKDConfig, WordKDCriterion
from fairseq_flexdepth.models.teacher import Teacher
from recipes.benchmarks import build, commands, common
from recipes.benchmarks.update import FormGradients, add_repeat_options, measure_update, timed
from recipes.common.markdown import markdown_table

EPSILON = 0.1
KINDS = ("vanilla", "teacher", "word_kd", "commands")


def parse() -> Namespace:
    """Read the command line."""
    parser = common.benchmark_parser(__doc__ or "")
    build.add_size_options(parser)
    add_repeat_options(parser)
    parser.add_argument("--student-layers", type=int, default=2, help="the student's layers (--layers: the teacher's)")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--decoded", type=int, default=4000, help="sentences that the commands decode")
    parser.add_argument("--turns", type=int, default=3, help="turns of the commands; the median ratio is reported")
    return parser.parse_args()


def measure(kind: str, args: Namespace) -> Dict[str, Any]:
    """Measure one of KINDS."""
    return measure_commands(args) if kind == "commands" else measure_step(kind, args)


def measure_step(kind: str, args: Namespace) -> Dict[str, Any]:
    """Measure an update of the student, or the teacher's forward pass; the teacher's parameters do not count."""
    task, sample = build.translation_task(args.vocabulary), build.batch(args)
    teacher = Teacher([build.build_model(task, "transformer", args, args.layers, args.layers)])

    def make() -> Tuple[Any, FormGradients]:
        model = build.build_model(task, "transformer", args, args.student_layers, args.student_layers)
        if kind == "vanilla":
            criterion: Callable = LabelSmoothedCrossEntropyCriterion(task, sentence_avg=False, label_smoothing=EPSILON)
        else:
            distillation.load_teacher = lambda paths, task: teacher
            config = WordKDConfig(label_smoothing=EPSILON, sentence_avg=False, seed=args.seed, teacher_path="made up")
            criterion = WordKDCriterion(task, config)

        def gradients() -> float:
            loss = criterion(model, sample)[0] / sample["ntokens"]
            loss.backward()
            return loss.item()

        return model, gradients

    if kind == "teacher":
        net_input = sample["net_input"]
        return timed(kind, lambda: teacher(net_input, teacher.models[0]), args)
    return measure_update(kind, make, args)


def measure_commands(args: Namespace) -> Dict[str, Any]:
    """Time ``fairseq-generate`` and ``fairseq-flexdepth distill`` on the same sentences, in turns."""
    seconds: Dict[str, List[float]] = {"generate": [], "distill": []}
    loads: List[float] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        commands.write_data(folder, args.decoded, (args.length, args.length), 500, args.seed)
        sizes = ("--arch", "transformer_tiny", "--encoder-layers", 2, "--decoder-layers", 2)
        checkpoint = commands.write_checkpoint(folder, folder / "bin", args.device, *sizes)
        options: List[Any] = [
            folder / "bin", "--path", checkpoint, "--gen-subset", "train", "--beam", args.beam,
            "--max-tokens", 4000, "--match-source-len", *commands.cpu(args.device),
        ]  # fmt: skip  (random weights would never end a sentence)
        for turn in range(args.turns):
            runs = {
                "generate": commands.run("fairseq-generate", *options, "--user-dir", commands.PLUGIN),
                "distill": commands.run("fairseq-flexdepth", "distill", *options, "--dest", folder / f"bin{turn}"),
            }
            for name, run in runs.items():
                seconds[name].append(run.seconds)
                loads.append(run.other_load)
            common.progress(f"generate {seconds['generate'][-1]:.1f} s, distill {seconds['distill'][-1]:.1f} s")
    ratios = [generate / distill for generate, distill in zip(seconds["generate"], seconds["distill"])]
    return {"seconds": seconds, "ratio": median(ratios), "all_ratios": ratios, "other_load": loads}


def compare(measured: Dict[str, Dict[str, Any]], args: Namespace) -> Dict[str, float]:
    """Return the ratios that have targets."""
    vanilla, word_kd, teacher = (measured[kind] for kind in ("vanilla", "word_kd", "teacher"))
    chunk = args.sentences * args.length * args.vocabulary * 4 / common.MIB
    return {
        "teacher_forwards": (word_kd["seconds"] - vanilla["seconds"]) / teacher["seconds"],
        "extra_logits": (word_kd["peak_mib"] - vanilla["peak_mib"]) / chunk,
        "commands": measured["commands"]["ratio"],
    }


def table(measured: Dict[str, Dict[str, Any]], compared: Dict[str, float], args: Namespace) -> str:
    """Return the report as Markdown."""
    rows = [
        [name, f"{measured[kind]['seconds']:.2f}", f"{measured[kind]['peak_mib']:,.0f}" if kind != "teacher" else ""]
        for kind, name in (
            ("vanilla", "`label_smoothed_cross_entropy`"),
            ("teacher", "the teacher's forward pass alone"),
            ("word_kd", "`word_kd`"),
        )
    ]
    decoding = {name: median(seconds) for name, seconds in measured["commands"]["seconds"].items()}
    return common.page(
        f"Student of {args.student_layers}×{args.student_layers} layers, teacher of {args.layers}×{args.layers}, d "
        f"{args.embed_dim}, ffn {args.ffn_dim}, vocabulary {args.vocabulary:,}, {args.sentences} × {args.length} "
        f"target tokens, fp32; median of {args.repeats} updates.",
        markdown_table(["one update", "seconds", "peak MiB, without the teacher's parameters"], rows),
        [
            f"time beyond vanilla, in teacher forward passes: {common.reached(compared['teacher_forwards'], 1.1)}",
            f"memory beyond vanilla, in [tokens × V] of 4 bytes: {common.reached(compared['extra_logits'], 1.0)}",
            f"{args.decoded:,} sentences, beam {args.beam}: `fairseq-generate` {decoding['generate']:.1f} s, "
            f"`distill` {decoding['distill']:.1f} s, both with start-up; speed of distill, median of {args.turns} "
            f"turns: {common.reached(compared['commands'], 0.95, at_least=True)}",
            *common.load_finding(measured["commands"].get("other_load", [])),
        ],
    )


def conclude(measured: Dict[str, Any], args: Namespace) -> None:
    """Write the report."""
    compared = compare(measured, args)
    result = {**common.report(args), "measured": measured, "compared": compared}
    common.write_results(args.results, f"distillation-{args.device}", result, table(measured, compared, args))


def main() -> None:
    """Measure all KINDS and write the report."""
    common.run("recipes.benchmarks.distillation", parse(), KINDS, measure, conclude)


if __name__ == "__main__":
    main()
