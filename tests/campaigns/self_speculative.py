"""Greedy search with drafts against fairseq's greedy search, on thousands of sentences: no word may differ.

    python -m tests.campaigns.self_speculative --folder FOLDER [--sentences 5000] [--model CHECKPOINT DATA]...

First the test sets of trained models, at every drafting depth; then random models whose exits disagree, in single
precision: every kind of model, sources of 1 to 1,000 words, batches of 1 to 64, up to 16 drafted words, draft
vocabularies of 1 word to all. Each batch is decoded with three such settings. FOLDER/self_speculative.json has all
batches; an interrupted campaign goes on. Batches with near ties, which fairseq's search decodes, count apart.
"""

import random
from pathlib import Path
from typing import Any, Dict, List, Tuple

import torch

import fairseq_flexdepth
from fairseq_flexdepth.decoding.greedy_options import drafting_depths
from tests import drafts, tiny
from tests.campaigns.record import Record, parser, table

POSITIONS = 1200
SETTINGS = 3  # of drafts per batch
LONG_EVERY = 10  # random models: one has long sources
RANDOM = "random models"


def random_lengths(draw: random.Random, long: bool) -> List[int]:
    """The lengths of a batch's sources: mostly short ones, or of up to 1,000 words."""
    longest = 1000 if long else draw.choice([6, 20, 20, 50, 50, 200])
    size = min(draw.choice([1, 2, 5, 16, 64, 64]), max(1, 3000 // longest))
    return [draw.randint(1, longest) for _ in range(size)]


def random_settings(draw: random.Random, depths: List[int], words: int) -> Dict[str, Any]:
    """Options of drafts."""
    if draw.random() < 0.1:
        return {"fast_greedy": True}
    return {
        "draft_dec_layers": draw.choice(depths),
        "draft_tokens": draw.choice([1, 2, 3, 4, 6, 8, 16]),
        "draft_vocabulary": draw.choice([1, 5, words // 2, words]),
    }


def compare(
    record: Record, where: Tuple[str, str, int], model: Any, batch: Dict, search: Dict, settings: List[Dict[str, Any]]
) -> None:
    """Compare on a batch with each of *settings*, but those that an interrupted campaign has compared, and record it.

    *where*: subject, kind of model, number of the batch.
    """
    subject, kind, number = where
    known = sum(trial["batch"] == number for trial in record.of(subject, "batch"))
    if known == len(settings):
        return
    lengths = batch["net_input"]["src_lengths"].tolist()
    expected = drafts.greedy(model, batch, search)
    for options in settings[known:]:
        compared = drafts.compare(model, batch, search, expected, **options)
        counts = compared.report.counts
        record.add(
            subject=subject, kind="batch", model=kind, batch=number, sentences=len(lengths),
            again=compared.report.again, words=counts.words,
            drafted=counts.drafted, accepted=counts.accepted, largest=compared.largest,
            options=options, longest=max(lengths),
            lost=[f"sentence {differing} with {options}" for differing in compared.differing],
        )  # fmt: skip


@torch.no_grad()
def random_models(record: Record, sentences: int) -> None:
    """Compare on random models until our search has decoded so many distinct sentences, itself."""
    while True:
        done = record.of(RANDOM, "model")
        if sum(trial["sentences"] for trial in done) >= sentences:
            return
        seed = len(done)
        draw = random.Random(seed)
        words = draw.choice([21, 200, 1500])
        kind, changes = draw.choice(list(drafts.MODELS.items()))
        task = tiny.task(words, words)
        model = drafts.disagreeing_model(
            seed, draw.choice([0.0, 0.5, 0.9, 0.97]), task, encoder_embed_dim=16, max_source_positions=POSITIONS,
            max_target_positions=POSITIONS, **changes,
        )  # fmt: skip
        lengths = random_lengths(draw, long=seed % LONG_EVERY == 0)
        batch = tiny.sample(lengths, [3] * len(lengths), words, words, seed=seed)
        limits = {"max_len_a": draw.choice([0, 1, 1.2]), "max_len_b": draw.choice([10, 20])}
        search = {**limits, "min_len": draw.choice([0, 1, 5])}
        depths = list(drafting_depths(model))
        settings = [random_settings(draw, depths, words) for _ in range(SETTINGS)]
        compare(record, (RANDOM, kind, seed), model, batch, search, settings)
        ours = any(trial["batch"] == seed and not trial["again"] for trial in record.of(RANDOM, "batch"))
        record.add(subject=RANDOM, kind="model", seed=seed, sentences=len(lengths) if ours else 0)


def trained_model(record: Record, checkpoint: str, data: str) -> None:
    """Compare on the test set of a trained model, in batches of several sizes, at every depth that can draft."""
    name = str(Path(checkpoint).resolve())  # unique: folders of one name hold different models
    if record.of(name, "done"):
        return
    hub = fairseq_flexdepth.load(checkpoint, data=data)
    model, task = hub.models[0], hub.task
    task.load_dataset("test")
    dataset = task.dataset("test")
    depths = list(drafting_depths(model))
    draw = random.Random(1)
    start = index = 0
    while start < len(dataset):
        numbers = range(start, min(start + draw.choice([1, 2, 5, 16, 64]), len(dataset)))
        start = numbers[-1] + 1
        batch = dataset.collater([dataset[number] for number in numbers])
        settings = [random_settings(draw, depths, len(task.target_dictionary)) for _ in range(SETTINGS)]
        compare(record, (name, "trained", index), model, batch, {"max_len_a": 1.2, "max_len_b": 10}, settings)
        index += 1
    record.add(subject=name, kind="done")


def report(record: Record) -> str:
    """The table of all subjects."""
    found = record.finish()
    rows = []
    batches = [trial for trial in found["trials"] if trial["kind"] == "batch"]
    for subject, model in dict.fromkeys((trial["subject"], trial["model"]) for trial in batches):
        trials = [trial for trial in batches if (trial["subject"], trial["model"]) == (subject, model)]
        counted = ("sentences", "words", "drafted", "accepted", "again")
        total = {key: sum(trial[key] for trial in trials) for key in counted}
        distinct = sum({trial["batch"]: trial["sentences"] for trial in trials if not trial["again"]}.values())
        accepted = f"{total['accepted'] / total['drafted']:.0%}" if total["drafted"] else "-"
        rows.append(
            (
                f"torch {torch.__version__}", subject, model, f"{distinct:,}",
                max(trial["longest"] for trial in trials),
                len({str(trial["options"]) for trial in trials}), f"{total['sentences']:,}", f"{total['words']:,}",
                accepted,
                f"{total['again']:,}", f"{max(trial['largest'] for trial in trials):.0e}",
                sum(len(trial["lost"]) for trial in trials),
            )
        )  # fmt: skip
    heads = (
        "stack", "subject", "kind", "distinct sentences", "longest source", "settings", "sentences × settings", "words",
        "accepted", "near ties, by fairseq", "largest difference of scores", "differ",
    )  # fmt: skip
    return f"{table(heads, rows)}\n\n{record.where_and_when()}"


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--sentences", type=int, default=5000, help="of random models, without near ties")
    options.add_argument("--model", nargs=2, action="append", default=[], metavar=("CHECKPOINT", "DATA"))
    args = options.parse_args()
    torch.set_num_threads(1)
    record = Record(args.folder / "self_speculative.json", {"settings per batch": SETTINGS})
    for checkpoint, data in args.model:
        trained_model(record, checkpoint, data)
    random_models(record, args.sentences)
    print(report(record))


if __name__ == "__main__":
    main()
