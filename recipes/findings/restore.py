"""Make a WORK folder of records, so that tables and verdicts read them as they read what a recipe wrote.

    python -m recipes.findings.restore RECORDS WORK

RECORDS is a folder of records, such as recipes/results/small/tied_multi/multi30k. Stale records, whose commands are no
longer the recipe's, are left out.
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any, Dict, List

from recipes.findings.commands import Lines, recipe_lines, stale_commands
from recipes.findings.texts import read_texts, references_file


def read_records(folder: Path) -> Dict[Path, Dict[str, Any]]:
    """Return the records of a paper and data set by their files.

    Raises:
        ValueError: a file is not a record.
    """
    found = {}
    for path in sorted(folder.glob("*/seed*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict) or "commands" not in record:
            raise ValueError(f"{path}: expected a record of recipes.findings.record")
        found[path] = record
    return found


def is_stale(record: Dict[str, Any], seeds: int) -> bool:
    """Return whether the recipes no longer make a system by the commands of its record.

    Args:
        record: the record.
        seeds: number of seeds with which the recipes are asked for their commands.
    """
    try:
        lines: Lines = tuple(
            line for name in record["recipes"] for line in recipe_lines(name, record["scale"], record["data"], seeds)
        )
    except (RuntimeError, OSError):  # the recipe no longer exists, or refuses this data
        return True
    return bool(stale_commands(record["commands"], lines))


def restore(folder: Path, work: Path) -> List[str]:
    """Write the results of the records into *work*, without the stale ones; return these, such as ``tied/seed1``."""
    found = read_records(folder)
    seeds = max((int(record["seed"][len("seed") :]) for record in found.values()), default=1)
    stale = []
    for path, record in found.items():
        if is_stale(record, seeds):
            stale.append(f"{record['system']}/{record['seed']}")
        else:
            _restore_one(path, record, work)
    return stale


def _restore_one(path: Path, record: Dict[str, Any], work: Path) -> None:
    place = work / record["system"] / record["seed"]
    for number, (kept, text) in enumerate(zip(record["texts"], read_texts(path.with_suffix(".texts.xz")))):
        file = place / kept["file"]
        file.parent.mkdir(parents=True, exist_ok=True)
        translations = file.with_name(f"{file.stem}-{number}.translations")
        _write_lines(translations, text)
        references = work / "references" / kept["references"]
        if not references.exists():
            references.parent.mkdir(parents=True, exist_ok=True)
            _write_lines(references, read_texts(references_file(path.parents[3], kept["references"]))[0])
        content = record["files"][kept["file"][: -len(".json")]]
        for entry in content if isinstance(content, list) else [content]:
            if [entry.get("enc_layers"), entry.get("dec_layers")] == kept["depth"]:
                entry.update(translations=translations.name, references=os.path.relpath(references, file.parent))
    for name, content in record["files"].items():
        file = place / f"{name}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content), encoding="utf-8")


def _write_lines(path: Path, lines: List[str]) -> None:
    path.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8"))


def main() -> None:
    """Restore the records and name the stale ones."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("records", type=Path, metavar="RECORDS")
    parser.add_argument("work", type=Path, metavar="WORK")
    args = parser.parse_args()
    for name in restore(args.records, args.work):
        print(f"{name}: stale, left out: its commands are no longer the recipe's")


if __name__ == "__main__":
    main()
