"""Compare fairseq's greedy search with ``--fast-greedy`` and with drafts (``--draft-dec-layers``).

    python -m recipes.benchmarks.self_speculative --model ckpt.pt --data DATA

All searches decode the same sentences with the same model in one process, in turns, for each number of threads. See
recipes/benchmarks/README.md.
"""

from argparse import Namespace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import torch

from fairseq_flexdepth.cli.fairseq_options import parse_generation_options
from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.decoding.draft_choice import DEFAULT_WORDS
from fairseq_flexdepth.decoding.draft_vocabulary import DEFAULT_SIZE
from fairseq_flexdepth.protocols import Sample
from fairseq_flexdepth.tasks.translation import FlexDepthTranslationConfig, FlexDepthTranslationTask
from recipes.benchmarks import build, commands, common
from recipes.benchmarks.agreeing_model import agreeing_model
from recipes.benchmarks.self_speculative_report import draw, table

FAIRSEQ, LEAN = "fairseq's `--beam 1`", "`--fast-greedy`"
Ways = Dict[str, Dict[str, Any]]  # the options of each search, by its name
# Sizes that the rows are told apart by, the ways to compare, the searches, the sentences
Comparison = Tuple[Dict[str, Any], Ways, "Searches", List[Sample]]
PLAIN: Ways = {FAIRSEQ: {}, LEAN: {"fast_greedy": True}}


def parse() -> Namespace:
    """Read the command line."""
    parser = common.benchmark_parser(__doc__ or "")
    build.add_size_options(parser)
    parser.set_defaults(sentences=2, length=20)
    parser.add_argument("--thread-counts", default="1 2", help="measure with each of these numbers of CPU threads")
    parser.add_argument("--max-len-b", type=int, default=30, help="words per hypothesis (random weights never end)")
    parser.add_argument("--shrink", type=float, default=0.01, help="of the upper layers' residual branches")
    parser.add_argument("--frequent-words", default="200 10", help="numbers of words that are about equally frequent")
    parser.add_argument("--depths", default="1 2", help="decoder depths that draft")
    parser.add_argument("--draft-tokens", default="2 4 5 8", help="numbers of words to draft")
    parser.add_argument("--batches", default="1 2 4 8 16 32", help="sentences per batch")
    parser.add_argument("--draft-vocabularies", default="512 1024 2048 4096 8192 16384 32000")
    parser.add_argument("--model", type=Path, help="a trained checkpoint, to be measured, too")
    parser.add_argument("--data", type=Path, help="its binarised data, as for fairseq-generate")
    parser.add_argument("--decoded", type=int, default=50, help="sentences of the data's test set to decode")
    parser.add_argument("--repeats", type=int, default=5, help="turns; the median is reported")
    return parser.parse_args()


def numbers(text: str) -> List[int]:
    """The numbers in an option's value."""
    return [int(word) for word in text.split()]


def drafted(depth: int, words: int, vocabulary: int) -> Tuple[str, Dict[str, Any]]:
    """The name and the options of a search with drafts."""
    options = {"draft_dec_layers": str(depth), "draft_tokens": words, "draft_vocabulary": vocabulary}
    return f"{words} words by {depth} layer{'s'[: depth != 1]}, of {vocabulary:,}", options


class Searches:
    """Searches with one model.

    Args:
        build_generator: fairseq's ``build_generator``, given the options that differ from fairseq's greedy search.
        model: the model.
        args: the options of the benchmark.
    """

    def __init__(self, build_generator: Callable[..., Any], model: Any, args: Namespace) -> None:
        self.build_generator, self.model, self.args = build_generator, model, args

    def compare(self, ways: Ways, batches: Sequence[Sample], name: str) -> List[Dict[str, Any]]:
        """Decode the batches in turns.

        Args:
            ways: the searches; the first one is fairseq's.
            batches: the sentences.
            name: for the progress messages.

        Returns:
            The measurements of each way.
        """
        generators = {way: self.build_generator(**options) for way, options in ways.items()}
        timers = {way: common.Timer(self.args.device) for way in ways}
        found: Dict[str, List[List[int]]] = {}
        for turn in range(self.args.repeats + 1):
            for way in ways if turn % 2 else reversed(ways):
                timer = timers[way] if turn else common.Timer(self.args.device)  # the first turn warms up
                found[way] = timer(partial(self._decode, generators[way], batches))
        sentences = sum(len(batch["id"]) for batch in batches)
        rows = []
        for way, options in ways.items():
            seconds, plain = timers[way].seconds, timers[FAIRSEQ].seconds
            rows.append({
                "way": way, **options, "seconds_per_sentence": median(seconds) / sentences,
                "speedup": median(theirs / ours for theirs, ours in zip(plain, seconds)),
                "all_seconds": seconds, "other_load": median(timers[way].other_load),
                **_covered(found[FAIRSEQ], options.get("draft_vocabulary")),
                "differing": sum(ours != theirs for ours, theirs in zip(found[way], found[FAIRSEQ])),
                **_counts(generators[way]),
            })  # fmt: skip
            common.progress(f"{name}, {way}: {rows[-1]['speedup']:.2f} × fairseq")
        return rows

    def _decode(self, generator: Any, batches: Sequence[Sample]) -> List[List[int]]:
        return [
            hypotheses[0]["tokens"].tolist()
            for batch in batches
            for hypotheses in generator.generate([self.model], batch)
        ]


def _covered(hypotheses: Sequence[Sequence[int]], size: Optional[int]) -> Dict[str, float]:
    """The share of the words that are among the first *size* ones."""
    words = [word for hypothesis in hypotheses for word in hypothesis]
    return {} if size is None else {"covered": sum(word < size for word in words) / len(words)}


def _counts(generator: Any) -> Dict[str, Any]:
    """What a generator of ours reports, over all turns."""
    drafting = getattr(generator, "drafting", None)
    if drafting is None:
        return {}
    counts, report = drafting.report.counts, drafting.report
    found: Dict[str, Any] = {"near_ties": report.again / report.sentences}
    if counts.drafted:
        found["acceptance"] = counts.accepted / counts.drafted
        found["words_per_check"] = counts.words_per_check
    return found


def constructed(args: Namespace, frequent: Optional[int] = None) -> Searches:
    """Searches with a model whose exits agree (*frequent*: by default the first of ``--frequent-words``)."""
    frequent = frequent or numbers(args.frequent_words)[0]
    words = build.translation_task(args.vocabulary).source_dictionary
    config = FlexDepthTranslationConfig(source_lang="a", target_lang="b")
    task, model = FlexDepthTranslationTask(config, words, words), agreeing_model(args, args.shrink, frequent)

    def build_generator(**options: Any) -> Any:
        return task.build_generator([model], Namespace(beam=1, max_len_b=args.max_len_b, **options))

    return Searches(build_generator, model, args)


def invented(args: Namespace, size: int) -> List[Sample]:
    """At least ``--sentences`` sentences of invented words in batches of *size*."""
    count = max(1, args.sentences // size)
    return [build.batch(Namespace(**{**vars(args), "sentences": size, "seed": seed})) for seed in range(count)]


def grid(args: Namespace, words: int) -> Ways:
    """Searches with drafts by every depth, of every number of words, with the default draft vocabulary."""
    size = min(DEFAULT_SIZE, words)
    return dict(drafted(m, k, size) for m in numbers(args.depths) for k in numbers(args.draft_tokens))


def standard(words: int) -> Ways:
    """The search with drafts by one layer and defaults."""
    return dict([drafted(1, DEFAULT_WORDS, min(DEFAULT_SIZE, words))])


def grid_part(args: Namespace) -> Iterator[Comparison]:
    """One sentence at a time, all ways to draft."""
    searches = constructed(args)
    yield {"batch": 1}, {**PLAIN, **grid(args, args.vocabulary)}, searches, invented(args, 1)


def batches_part(args: Namespace) -> Iterator[Comparison]:
    """Batches of several sizes."""
    searches = constructed(args)
    for size in numbers(args.batches):
        yield {"batch": size}, {**PLAIN, **standard(args.vocabulary)}, searches, invented(args, size)


def vocabulary_part(args: Namespace) -> Iterator[Comparison]:
    """One sentence at a time, draft vocabularies of several sizes, two distributions of words."""
    ways = dict(drafted(1, DEFAULT_WORDS, size) for size in numbers(args.draft_vocabularies) if size <= args.vocabulary)
    for frequent in numbers(args.frequent_words):
        yield {"frequent": frequent}, {FAIRSEQ: {}, **ways}, constructed(args, frequent), invented(args, 1)


def trained_part(args: Namespace) -> Iterator[Comparison]:
    """The test set of a trained model: all ways to draft for single sentences, one way for batches."""
    options = (args.data, "--path", args.model, "--gen-subset", "test", "--beam", 1, *commands.cpu(args.device))
    split = Split(parse_generation_options(list(map(str, options))))
    words = len(split.task.target_dictionary)
    order = [index for batch in split.batches() for index in batch]  # by length, as fairseq-generate decodes
    step = max(1, len(order) // args.decoded)
    chosen = order[step // 2 :: step][: args.decoded]
    searches = Searches(split.build_generator, split.models[0], args)
    for size in numbers(args.batches):
        batches = [split.sample(chosen[start : start + size]) for start in range(0, len(chosen), size)]
        yield {"batch": size}, {**PLAIN, **(grid(args, words) if size == 1 else standard(words))}, searches, batches


PARTS = {"grid": grid_part, "batches": batches_part, "vocabulary": vocabulary_part, "trained": trained_part}


def measure(name: str, args: Namespace) -> List[Dict[str, Any]]:
    """Measure one part, ``PART THREADS``."""
    part, threads = name.split()
    torch.set_num_threads(int(threads))
    measured: List[Dict[str, Any]] = []
    for sizes, ways, searches, batches in PARTS[part](args):
        found = searches.compare(ways, batches, f"{name}, {sizes}")
        measured += [{**sizes, **row} for row in found]
    return measured


def conclude(results: Dict[str, Any], args: Namespace) -> None:
    """Write the report and the picture.

    Raises:
        SystemExit: a search gave other words than fairseq's.
    """
    args.model, args.data = (None if path is None else path.name for path in (args.model, args.data))
    name = f"self_speculative-{args.device}"
    common.write_results(args.results, name, {**common.report(args), "measured": results}, table(results, args))
    draw(results, args.results / f"{name}.png")
    if any(row["differing"] for rows in results.values() for row in rows):
        raise SystemExit("hypotheses differ")


def main() -> None:
    """Measure every part with every number of threads and write the report."""
    args = parse()
    parts = [part for part in PARTS if part != "trained" or args.model is not None]
    names = [f"{part} {threads}" for threads in numbers(args.thread_counts) for part in parts]
    common.run("recipes.benchmarks.self_speculative", args, names, measure, conclude)


if __name__ == "__main__":
    main()
