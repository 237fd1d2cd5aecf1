"""A long training and a long decoding process: memory and open files must not grow.

    python -m tests.campaigns.soak --folder FOLDER [--updates 2000] [--sentences 20000]

The quickstart's training (examples/quickstart/run.sh), then half of the sentences decoded in Python at a depth that
changes with every batch, half by a depth selector's rule. FOLDER/soak.json has the resident memory and the open files
over time, FOLDER/soak.png their curves. An interrupted training resumes; decoding starts again.
"""

import contextlib
import os
import random
import re
import subprocess
import time
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

import numpy
import torch

import fairseq_flexdepth
from recipes.common.figure import pyplot, save_figure
from tests.campaigns.jobs import end_with_campaign, kill_group
from tests.campaigns.record import Record, parser, table
from tests.integration.cli import BIN, REPOSITORY

WARM_UP = 0.3  # share of a part in which memory may grow, by caches and the first long batches
MOST_GROWTH = 3.0  # per cent of the memory, after that share
BATCH = 50
RULE = "length:6=1-1,9=2-1,12=2-2,3-3"


class Usage(NamedTuple):
    """The resources of a process."""

    kilobytes: int
    files: int


def usage(process: int) -> Usage:
    """The present resources of a process."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    resident = re.findall(r"^VmRSS:\s+(\d+) kB", status, re.MULTILINE)
    return Usage(int(resident[0]), len(os.listdir(f"/proc/{process}/fd")))


def parents_of(part: str, leader: int) -> Iterator[int]:
    """The processes of a group with *part* in their command line, without the children of such processes."""
    found: Dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()
            words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:  # it has just ended
            continue
        if int(fields[2]) == leader and any(word.endswith(part) for word in words):
            found[int(folder.name)] = int(fields[1])
    return (process for process, parent in found.items() if parent not in found)


def updates_so_far(log: Path) -> Optional[int]:
    """The number of updates in the last line of the training's log, which has a line every 100 updates."""
    found = re.findall(r"num_updates=(\d+)", log.read_text(encoding="utf-8")) if log.exists() else []
    return int(found[-1]) if found else None


def train(record: Record, folder: Path, updates: int) -> None:
    """Run the quickstart until its model is trained."""
    work = folder / "quickstart"
    if (work / "model" / ".done").exists():
        return
    settings = {"UPDATES": str(updates), "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    command = ["bash", str(REPOSITORY / "examples" / "quickstart" / "run.sh"), str(work)]
    log = folder / "quickstart.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, env={**os.environ, **settings}, stdout=output, stderr=output, start_new_session=True
        )
    end_with_campaign(process)
    seen = updates_so_far(work / "train.log")
    while process.poll() is None and not (work / "model" / ".done").exists():
        at = updates_so_far(work / "train.log")
        if at != seen:
            for trainer in parents_of("fairseq-train", process.pid):
                with contextlib.suppress(OSError, IndexError):  # it has just ended
                    _add(record, "training", at or 0, trainer)
            seen = at
        time.sleep(0.5)
    kill_group(process)  # the rest of the quickstart is not needed
    process.wait()
    assert (work / "model" / ".done").exists(), f"{log}: {log.read_text(encoding='utf-8')[-500:]}"


def decode(record: Record, name: str, work: Path, sentences: int, **options: str) -> None:
    """Translate so many sentences; without a depth selector, at a random depth per batch."""
    if record.of(name, "done"):
        return
    record.forget(name)
    torch.set_num_threads(1)
    vocabulary = str(next(iter((work / "bpe").glob("*.model"))))
    checkpoint = str(work / "model" / "checkpoint_last.pt")
    model = fairseq_flexdepth.load(
        checkpoint, data=str(work / "bin"), bpe="sentencepiece", sentencepiece_model=vocabulary, **options
    )
    lines = (work / "text" / "train.de").read_text(encoding="utf-8").splitlines()
    draw = random.Random(1)
    for start in range(0, sentences, BATCH):
        if not options:
            model.set_depth(*draw.choice(model.depths))
        batch = [lines[index % len(lines)] for index in range(start, min(start + BATCH, sentences))]
        assert len(model.translate(batch, beam=4)) == len(batch)
        if start * 40 // sentences != (start - BATCH) * 40 // sentences:
            _add(record, name, start, os.getpid())
    record.add(subject=name, kind="done", at=sentences)


def _add(record: Record, name: str, at: int, process: int) -> None:
    kilobytes, files = usage(process)
    record.add(subject=name, kind="sample", at=at, process=process, kilobytes=kilobytes, files=files)


def growth(samples: List[Dict[str, Any]]) -> Dict[str, Any]:
    """The growth after the warm-up, from a linear fit."""
    last = [sample for sample in samples if sample["process"] == samples[-1]["process"]]
    kept = last[int(len(last) * WARM_UP) :]
    at = numpy.array([sample["at"] for sample in kept], dtype=float)
    memory = numpy.array([sample["kilobytes"] for sample in kept], dtype=float)
    slope = float(numpy.polyfit(at, memory, 1)[0]) if len(set(at)) > 1 else 0.0
    share = 100 * slope * float(at[-1] - at[0]) / float(memory.mean())
    half = len(kept) // 2
    # the median: between two epochs, the data loaders of both exist
    files = [int(numpy.median([sample["files"] for sample in part])) for part in (kept[:half] or kept, kept[half:])]
    lost = [f"memory grows by {share:.1f} %"] if share > MOST_GROWTH else []
    lost += [f"open files grow from {files[0]} to {files[1]}"] if files[1] > files[0] else []
    return {
        "from": int(at[0]), "to": int(at[-1]), "mebibytes": float(memory.mean()) / 1024,
        "slope_kilobytes_per_1000": 1000 * slope, "growth_per_cent": share, "files": files, "lost": lost,
    }  # fmt: skip


def draw(record: Record, names: List[str], path: Path) -> None:
    """Draw memory and open files of each part over time."""
    figure, panels = pyplot().subplots(1, len(names), squeeze=False, figsize=(4 * len(names), 3.2))
    for name, axes in zip(names, panels[0]):
        samples = record.of(name, "sample")
        at = [sample["at"] for sample in samples]
        axes.plot(at, [sample["kilobytes"] / 1024 for sample in samples])
        axes.set_ylim(bottom=0)
        axes.set_title(name)
        axes.set_xlabel("updates" if name == "training" else "sentences")
        axes.set_ylabel("resident memory, MiB")
        files = axes.twinx()
        files.plot(at, [sample["files"] for sample in samples], ":", color="grey")
        files.set_ylim(bottom=0)
        files.set_ylabel("open files (dotted)")
    save_figure(figure, path)


def report(record: Record, folder: Path) -> str:
    """Report the growth as Markdown, and draw it."""
    names = list(dict.fromkeys(trial["subject"] for trial in record.found["trials"] if trial["kind"] == "sample"))
    record.found["growth"] = {name: growth(record.of(name, "sample")) for name in names}
    record.finish()
    rows = [
        (
            name, f"{found['from']:,} to {found['to']:,}", f"{found['mebibytes']:.0f}",
            f"{found['slope_kilobytes_per_1000']:+.0f}", f"{found['growth_per_cent']:+.2f} %",
            " then ".join(map(str, found["files"])), ", ".join(found["lost"]) or "-",
        )
        for name, found in record.found["growth"].items()
    ]  # fmt: skip
    draw(record, names, folder / "soak.png")
    heads = ("", "updates or sentences", "MiB", "kB per 1,000", "growth", "open files, by halves", "lost")
    return f"{table(heads, rows)}\n\n{record.where_and_when()}"


def main() -> None:
    options = parser(__doc__ or "")
    options.add_argument("--updates", type=int, default=2000)
    options.add_argument("--sentences", type=int, default=20000)
    args = options.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    record = Record(args.folder / "soak.json", {"updates": args.updates, "sentences": args.sentences})
    train(record, args.folder, args.updates)
    work, half = args.folder / "quickstart", args.sentences // 2
    decode(record, "set_depth", work, half)
    decode(record, "depth selector", work, args.sentences - half, depth_selector=RULE)
    print(report(record, args.folder))


if __name__ == "__main__":
    main()
