"""Distillation: an update of ``word_kd`` against a vanilla one and the teacher's forward pass; ``distill`` against
``fairseq-generate``.

    python -m recipes.benchmarks.distillation

Each update runs in a process of its own. The commands run in turns, on made-up text, whole, start-up included. See
recipes/benchmarks/README.md.
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from statistics import median
from typing import Any, Callable, Dict, List, Tuple

import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion

from fairseq_flexdepth.criterions import distillation
from fairseq_flexdepth.criterions.word_kd import WordKDConfig, WordKDCriterion
from fairseq_flexdepth.models.teacher import Teacher
from recipes.benchmarks import build, commands, common
from recipes.benchmarks.update import add_repeat_options, measure_update, timed

EPSILON = 0.1


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    common.add_common_options(parser)
    build.add_size_options(parser)
    add_repeat_options(parser)
    parser.add_argument("--student-layers", type=int, default=2, help="--layers is the teacher's number")
    parser.add_argument("--beam", type=int, default=5)
    parser.add_argument("--decoded", type=int, default=4000, help="sentences that the commands decode")
    parser.add_argument("--turns", type=int, default=3, help="of the commands, of whose ratios the median counts")
    return parser.parse_args()


def measure_step(kind: str, args: argparse.Namespace) -> Dict[str, Any]:
    """A student's update; what the teacher's parameters take does not count."""
    task, sample = build.translation_task(args.vocabulary), build.batch(args)
    teacher = Teacher([build.build_model(task, "transformer", args, args.layers, args.layers)])

    def make() -> Tuple[Any, Callable[[], float]]:
        model = build.build_model(task, "transformer", args, args.student_layers, args.student_layers)
        if kind == "vanilla":
            criterion: Any = LabelSmoothedCrossEntropyCriterion(task, sentence_avg=False, label_smoothing=EPSILON)
        else:
            distillation.load_teacher = lambda path, task: teacher
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


def measure_commands(args: argparse.Namespace) -> Dict[str, Any]:
    """Seconds of ``fairseq-generate`` and of ``fairseq-flexdepth distill`` on the same sentences, in turns."""
    seconds: Dict[str, List[float]] = {"generate": [], "distill": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        commands.write_data(folder, args.decoded, (args.length, args.length), 500, args.seed)
        sizes = ("--arch", "transformer_tiny", "--encoder-layers", 2, "--decoder-layers", 2)
        checkpoint = commands.write_checkpoint(folder, folder / "bin", args.device, *sizes)
        options: List[Any] = [
            folder / "bin", "--path", checkpoint, "--gen-subset", "train", "--beam", args.beam,
            "--max-tokens", 4000, "--match-source-len", *commands.cpu(args.device),
        ]  # fmt: skip  (random weights would never end a sentence)
        for turn in range(args.turns):
            whole, _ = commands.run("fairseq-generate", *options, "--user-dir", commands.PLUGIN)
            seconds["generate"].append(whole)
            whole, _ = commands.run("fairseq-flexdepth", "distill", *options, "--dest", folder / f"bin{turn}")
            seconds["distill"].append(whole)
            common.progress(f"generate {seconds['generate'][-1]:.1f} s, distill {seconds['distill'][-1]:.1f} s")
    ratios = [generate / distill for generate, distill in zip(seconds["generate"], seconds["distill"])]
    return {"seconds": seconds, "ratio": median(ratios), "all_ratios": ratios}


def compare(measured: Dict[str, Dict[str, Any]], args: argparse.Namespace) -> Dict[str, float]:
    vanilla, word_kd, teacher = (measured[kind] for kind in ("vanilla", "word_kd", "teacher"))
    chunk = args.sentences * args.length * args.vocabulary * 4 / common.MIB
    return {
        "teacher_forwards": (word_kd["seconds"] - vanilla["seconds"]) / teacher["seconds"],
        "extra_logits": (word_kd["peak_mib"] - vanilla["peak_mib"]) / chunk,
        "commands": measured["commands"]["ratio"],
    }


def table(measured: Dict[str, Dict[str, Any]], compared: Dict[str, float], args: argparse.Namespace) -> str:
    rows = [
        [name, f"{measured[kind]['seconds']:.2f}", f"{measured[kind]['peak_mib']:,.0f}" if kind != "teacher" else ""]
        for kind, name in (
            ("vanilla", "`label_smoothed_cross_entropy`"),
            ("teacher", "the teacher's forward pass alone"),
            ("word_kd", "`word_kd`"),
        )
    ]
    decoding = {name: median(seconds) for name, seconds in measured["commands"]["seconds"].items()}
    return "\n".join(
        [
            f"Student of {args.student_layers}×{args.student_layers} layers, teacher of {args.layers}×{args.layers}, d "
            f"{args.embed_dim}, ffn {args.ffn_dim}, vocabulary {args.vocabulary:,}, {args.sentences} × {args.length} "
            f"target tokens, fp32; median of {args.repeats} updates.",
            "",
            common.markdown_table(["one update", "seconds", "peak MiB, without the teacher's parameters"], rows),
            "",
            f"- time beyond vanilla, in teacher forward passes: {common.reached(compared['teacher_forwards'], 1.1)}",
            f"- memory beyond vanilla, in [tokens × V] of 4 bytes: {common.reached(compared['extra_logits'], 1.0)}",
            f"- {args.decoded:,} sentences, beam {args.beam}: `fairseq-generate` {decoding['generate']:.1f} s, "
            f"`distill` {decoding['distill']:.1f} s, both with start-up; speed of distill, median of {args.turns} "
            f"turns: {common.reached(compared['commands'], 0.95, at_least=True)}",
        ]
    )


def main() -> None:
    args = parse()
    torch.set_num_threads(args.threads)
    if args.measure:
        print(json.dumps(measure_commands(args) if args.measure == "commands" else measure_step(args.measure, args)))
        return
    measured = {
        kind: common.in_child("recipes.benchmarks.distillation", kind, sys.argv[1:])
        for kind in ("vanilla", "teacher", "word_kd", "commands")
    }
    compared = compare(measured, args)
    result = {**common.report(args), "measured": measured, "compared": compared}
    common.write_results(args.results, f"distillation-{args.device}", result, table(measured, compared, args))


if __name__ == "__main__":
    main()
