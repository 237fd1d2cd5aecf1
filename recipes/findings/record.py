"""Keep what a recipe measured: one small record per system and seed.

    python -m recipes.findings.record WORK RECIPE... [--data DATA] [--scale small] [--results FOLDER]

WORK is the folder of a finished recipe, RECIPE the recipes that wrote it, such as tied_multi/table1. A record,
RESULTS/SCALE/PAPER/DATA/SYSTEM/seedN.json, contains the commands (recipes/findings/commands.py), the commit and the
machine, the updates, tokens and seconds of the training, its validation curve, and every JSON file that the recipe
wrote for the system, so that cells read the same values from a record as from WORK (recipes/findings/restore.py).
Beside it, seedN.texts.xz contains the test translations that a finding compares; SCALE/references contains each test
set's references once.
"""

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from fairseq_flexdepth.files.training_log import entries
from recipes.common import convergence
from recipes.common.cells import Measurements
from recipes.common.dry_run import RECIPES
from recipes.common.significance import read_texts, text_files
from recipes.findings.commands import (
    Lines,
    outputs_exist,
    recipe_lines,
    same_training,
    system_commands,
    trained_folders,
)
from recipes.findings.finding import Finding, all_findings
from recipes.findings.texts import keep_references, write_texts

RESULTS = RECIPES / "results"
LARGEST = 1_000_000  # bytes of a JSON file; a larger one is not a result that cells read


class Kept(NamedTuple):
    """A translation that a finding compares."""

    file: str  # with the scores, in the folder of the seed, such as "test/sweep.json"
    translations: List[str]
    references: List[str]
    depth: Tuple[Optional[int], Optional[int]]


def results_of(folder: Path) -> Dict[str, Any]:
    """Return the content of every JSON file in the folder of a system and seed, by its path without ending."""
    return {
        file.relative_to(folder).as_posix()[: -len(".json")]: json.loads(file.read_text(encoding="utf-8"))
        for file in sorted(folder.rglob("*.json"))
        if file.stat().st_size < LARGEST
    }


def training_of(folder: Path) -> Dict[str, Any]:
    """Return updates, tokens and seconds of a training, and its validation losses by update; nothing without a log."""
    log = folder / "train.log"
    if not log.is_file():
        return {}
    inner = [numbers for kind, numbers in entries(log) if kind == "train_inner"]
    updates = int(inner[-1]["num_updates"]) if inner else 0
    tokens = round(updates * sum(numbers["wpb"] for numbers in inner) / len(inner)) if inner else 0
    curve = convergence.validation_curve(log)
    file = folder / "train.json"
    minutes = json.loads(file.read_text(encoding="utf-8")).get("minutes") if file.is_file() else None
    seconds = None if minutes is None else round(60 * minutes)
    return {"updates": updates, "tokens": tokens, "seconds": seconds, "validation": curve}


def kept_texts(work: Path, findings: List[Finding], data: str) -> Dict[Tuple[str, str], List[Kept]]:
    """Return the translations that findings compare by bootstrap, by system and seed."""
    measurements = Measurements(work)
    found: Dict[Tuple[str, str], Dict[Any, Kept]] = {}
    for finding in findings:
        for part in finding.parts:
            for cell in part.cells if part.test == "bootstrap" else ():
                source = measurements.source(cell, {"data": data})
                for one in [one for seed in source.entries.values() for one in seed] if source else []:
                    files = text_files(one)
                    if not files or not all(file.is_file() for file in files):
                        continue
                    system, seed, *rest = one.file.relative_to(work).parts
                    depth = one.entry.get("enc_layers"), one.entry.get("dec_layers")
                    kept = Kept("/".join(rest), *read_texts(one), depth)
                    found.setdefault((system, seed), {})[files[0], depth] = kept
    return {key: list(kept.values()) for key, kept in found.items()}


def made_by() -> Dict[str, Any]:
    """Return the commit of this repository and the machine."""
    from fairseq_flexdepth.cli.machine import describe_machine  # slow to import

    git = ["git", "-C", str(RECIPES), "describe", "--always", "--dirty", "--abbrev=12", "--exclude", "*"]
    commit = subprocess.run(git, capture_output=True, text=True, check=False).stdout.strip()
    return {"commit": commit or None, "machine": describe_machine(False)}


def records(work: Path, recipes: List[str], scale: str, data: str) -> Iterator[Dict[str, Any]]:
    """Yield a record of every system and seed in *work* that the recipes make there.

    Raises:
        ValueError: a system was trained by another command than the recipe's, or nothing was found.
    """
    seeds = max((int(path.name[4:]) for path in work.glob("*/seed*") if path.name[4:].isdecimal()), default=1)
    lines: Lines = tuple(dict.fromkeys(one for name in recipes for one in recipe_lines(name, scale, data, seeds)))
    made, found = made_by(), False
    for system, seed in trained_folders(lines):
        folder = work / system / seed
        results = results_of(folder)
        if not results:
            continue
        commands = [one for one in system_commands(lines, system, seed) if outputs_exist(one, work)]
        same_training(folder, commands, work)
        found = True
        training = training_of(folder)
        if "train" in results:
            results["train"].setdefault(convergence.KEY, convergence.late_improvement(training.get("validation", {})))
        yield {
            **{"system": system, "seed": seed, "scale": scale, "data": data, "recipes": recipes, **made},
            **{"training": training, "commands": commands, "files": _without(results, work)},
        }
    if not found:
        raise ValueError(f"WORK {work}: nothing that {', '.join(recipes)} measure at SCALE={scale} was found")


def _without(content: Any, work: Path) -> Any:
    """Return the content of a JSON file with WORK in place of the folder."""
    return json.loads(json.dumps(content).replace(json.dumps(str(work))[1:-1], "WORK"))


def write(work: Path, recipes: List[str], scale: str, data: str, results: Path) -> List[Path]:
    """Write the records of *work*; return their files."""
    paper = recipes[0].partition("/")[0]
    kept = kept_texts(work, [one for one in all_findings() if one.paper == paper], data)
    written = []
    for record in records(work, recipes, scale, data):
        path = results / scale / paper / data / record["system"] / f"{record['seed']}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        texts = kept.get((record["system"], record["seed"]), [])
        references = {one.file: keep_references(results / scale, one.references) for one in texts}
        record["texts"] = [
            {"file": one.file, "depth": list(one.depth), "references": references[one.file]} for one in texts
        ]
        write_texts(path.with_suffix(".texts.xz"), [one.translations for one in texts])
        path.write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        written.append(path)
    return written


def main() -> None:
    """Write the records, and print how large each one is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path, metavar="WORK")
    parser.add_argument("recipes", nargs="+", metavar="RECIPE")
    parser.add_argument("--data", default="multi30k", help="the setting DATA of the recipes (default: multi30k)")
    parser.add_argument("--scale", default="small")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="FOLDER")
    args = parser.parse_args()
    recipes = [Path(name).with_suffix("").as_posix() for name in args.recipes]
    try:
        for path in write(args.work.resolve(), recipes, args.scale, args.data, args.results):
            texts = path.with_suffix(".texts.xz")
            print(f"{path}: {path.stat().st_size:,} bytes, {texts.stat().st_size if texts.exists() else 0:,} of texts")
    except ValueError as error:
        parser.exit(2, f"error: {error}\n")


if __name__ == "__main__":
    main()
