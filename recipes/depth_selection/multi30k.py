"""Write the table and the picture of multi30k.sh: quality and time of every method of choosing the depth pair.

    python -m recipes.depth_selection.multi30k WORK_DIR
"""

import argparse
from pathlib import Path
from typing import Dict, List, NamedTuple, Optional, Tuple

from fairseq_flexdepth.corpus.scores import corpus_scores
from fairseq_flexdepth.files.depth_labels import load_labels
from recipes.common.figure import pyplot, save_plot
from recipes.common.generate_log import Generated, read_generate_log
from recipes.common.markdown import markdown_table

KINDS = {"always": "o-", "oracle": "*", "paper": "s", "cost": "^", "length": "x"}
BASELINE = "always-3-3"


class System(NamedTuple):
    """A method of choosing the depth pair, and its results."""

    name: str  # such as cost-3-tuned
    bleu: float
    chrf: float
    one_by_one: Optional[Generated]  # batch size 1
    batches: Optional[Generated]  # full batches

    @property
    def title(self) -> str:
        """The method in words."""
        kind, *rest = self.name.split("-")
        tuned = ", fine-tuned on dev" if rest[-1:] == ["tuned"] else ""
        value = rest[0] if rest and rest[0] != "tuned" else ""
        return {
            "always": f"always ({', '.join(rest)})",
            "oracle": "oracle",
            "paper": f"classifier of the paper{tuned}",
            "cost": f"cost-aware, c = {value}{tuned}",
            "length": f"rule of lengths, c = {value}",
        }[kind]


def measured(work: Path) -> Dict[str, System]:
    """Return all systems that were decoded, by name, ordered by kind."""
    logs: Dict[str, Dict[str, Generated]] = {}
    for path in (work / "decoded").glob("*.log"):
        name, _, batch = path.stem.rpartition("-")
        logs.setdefault(name, {})[batch] = read_generate_log(path)
    found = {}
    for name, batches in logs.items():
        one, full = batches.get("1"), batches.get("full")
        log = one or full
        assert log is not None
        scores = corpus_scores(log.hypotheses, log.references)
        found[name] = System(name, scores["bleu"], scores["chrf"], one, full)
    return {name: found[name] for name in sorted(found, key=lambda name: (list(KINDS).index(name.split("-")[0]), name))}


def relative_time(system: System, times: Dict[Tuple[int, int], float]) -> float:
    """Return the decoding time relative to the deepest pair: the mean of *times* over the pairs used."""
    log = system.one_by_one or system.batches
    assert log is not None
    if not log.used:
        _, n, m = system.name.split("-")
        return times[int(n), int(m)]
    return sum(times[pair] * count for pair, count in log.used.items()) / len(log.hypotheses)


def table(systems: Dict[str, System], times: Dict[Tuple[int, int], float]) -> str:
    """Return a Markdown table with one row per system.

    Seconds include choosing; in brackets they are relative to the baseline, the deepest pair.

    Args:
        systems: the systems by name.
        times: the decoding time of each depth pair relative to the deepest, as oracle measured it.
    """
    base = systems[BASELINE]
    heads = ["depth", "BLEU", "chrF", "relative time of its depths", "seconds, batch size 1", "seconds, full batches"]
    rows = []
    for system in systems.values():
        seconds = [
            f"{log.seconds:.1f} ({log.seconds / reference.seconds:.2f})" if log and reference else ""
            for log, reference in ((system.one_by_one, base.one_by_one), (system.batches, base.batches))
        ]
        log = system.one_by_one or system.batches
        assert log is not None
        most = sorted(log.used.items(), key=lambda item: -item[1])[:3]
        used = ", ".join(f"({n}, {m}) {100 * count / len(log.hypotheses):.0f} %" for (n, m), count in most)
        choosing = f"{log.choosing:.2f}" if log.used else ""
        relative = f"{relative_time(system, times):.2f}"
        rows.append([system.title, f"{system.bleu:.1f}", f"{system.chrf:.1f}", relative, *seconds, choosing, used])
    return markdown_table([*heads, "choosing, seconds", "most used"], rows, "lrrrrrrl")


def draw(systems: Dict[str, System], times: Dict[Tuple[int, int], float], path: Path) -> None:
    """Draw chrF against the relative time of the depth pairs used; * means fine-tuned.

    The oracle, far above the others, is only named in the title.
    """
    figure, axes = pyplot().subplots(figsize=(8, 5))
    for kind, marker in KINDS.items():
        points: List[System] = [system for system in systems.values() if system.name.split("-")[0] == kind]
        if not points or kind == "oracle":
            continue
        points.sort(key=lambda system: relative_time(system, times))
        relative = [relative_time(point, times) for point in points]
        axes.plot(relative, [point.chrf for point in points], marker, label=kind, alpha=0.8)
        for time, point in zip(relative, points):
            text = point.name[len(kind) :].replace("-tuned", "*").strip("-")
            axes.annotate(text, (time, point.chrf), fontsize=7, xytext=(4, 3), textcoords="offset points")
    oracle = systems.get("oracle")
    if oracle is not None:
        axes.set_title(f"oracle, not drawn: {oracle.chrf:.1f} chrF at {relative_time(oracle, times):.2f}", fontsize=10)
    save_plot(figure, axes, path, "relative time of the depths used, without choosing", "chrF")


def main() -> None:
    """Write the table and the picture, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK_DIR")
    work = parser.parse_args().work
    systems = measured(work)
    labels = load_labels(str(work / "labels"), "test", "WORK_DIR")
    times = dict(zip(labels.pairs, labels.relative_seconds.tolist()))
    text = table(systems, times) + "\n"
    draw(systems, times, work / "selection.png")
    (work / "selection.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
