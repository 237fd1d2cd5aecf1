"""Kill a recipe at random moments until it finishes; its results must equal those of an uninterrupted run.

    python -m tests.campaigns.kill_recipe recipes/PAPER/TABLE.sh --folder FOLDER [--kills 10] [--seconds 60] [--seed 1]

It compares the tables in WORK/results, without columns of seconds, and the parameters of every model. It takes minutes
to an hour and is not part of the test suite.
"""

import argparse
import os
import random
import subprocess
from pathlib import Path
from typing import Dict, List

import torch

import fairseq_flexdepth  # noqa: F401  (what torch's safe loader may read)
from tests.campaigns.jobs import kill_group


def start(script: Path, work: Path) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "WORK": str(work), "SCALE": "smoke", "GPUS": "0"}
    with (work.parent / f"{work.name}.log").open("ab") as log:
        return subprocess.Popen(["bash", str(script)], env=environment, stdout=log, stderr=log, start_new_session=True)


def kill_after(process: "subprocess.Popen[bytes]", seconds: float) -> bool:
    """Kill a recipe and its children; return whether it was still running."""
    try:
        process.wait(timeout=seconds)
        return False
    except subprocess.TimeoutExpired:
        kill_group(process)
        process.wait()
        return True


def tables(work: Path) -> Dict[str, List[str]]:
    """The rows of the tables without the columns of seconds."""
    found = {}
    for path in sorted((work / "results").glob("*.md")):
        rows = [line.split("|")[1:-1] for line in path.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
        kept = [number for number, title in enumerate(rows[0]) if "second" not in title and "speed" not in title]
        found[path.name] = ["|".join(row[number] for number in kept) for row in rows]
    return found


def models(work: Path) -> Dict[str, float]:
    """A checksum of the parameters of every model that is decoded."""
    sums = {}
    for path in sorted(work.glob("*/seed*/*.pt")):
        if path.name in ("averaged.pt", "checkpoint_last.pt"):
            state = torch.load(str(path), map_location="cpu")["model"]
            values = [tensor.double() for tensor in state.values() if tensor.is_floating_point()]
            sums[str(path.relative_to(work))] = sum(float((value * value).sum() + value.sum()) for value in values)
    return sums


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("script", type=Path)
    parser.add_argument("--folder", type=Path, required=True, help="where both runs go")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=60, help="the longest that a run is left alone before a kill")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    alone, killed = args.folder / "alone", args.folder / "killed"
    assert start(args.script, alone).wait() == 0, f"the recipe fails by itself; {alone}.log"
    draw = random.Random(args.seed)
    kills = 0
    while kills < args.kills and kill_after(start(args.script, killed), draw.uniform(0, args.seconds)):
        kills += 1
    assert start(args.script, killed).wait() == 0, f"after {kills} kills; {killed}.log"
    assert tables(alone) == tables(killed), (tables(alone), tables(killed))
    assert models(alone) == models(killed), (models(alone), models(killed))
    print(f"{args.script}: {kills} kills, {len(models(alone))} models and {len(tables(alone))} tables are the same")


if __name__ == "__main__":
    main()
