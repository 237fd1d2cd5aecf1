"""The trials and failures of a campaign: a JSON file from which it resumes, and a table."""

import argparse
import datetime
import json
from pathlib import Path
from typing import Any, Dict, List, Sequence

from fairseq_flexdepth.cli.machine import describe_machine
from fairseq_flexdepth.files.outputs import write_whole


class Record:
    """The trials of a campaign.

    Args:
        path: the JSON file; an existing one is continued.
        settings: the options of the campaign, which must be the same to continue.

    Raises:
        ValueError: the file was written with other settings.
    """

    def __init__(self, path: Path, settings: Dict[str, Any]) -> None:
        self.path = path
        self.found: Dict[str, Any] = {"settings": settings, "trials": []}
        if path.exists():
            self.found = json.loads(path.read_text(encoding="utf-8"))
            if self.found["settings"] != settings:
                raise ValueError(f"--folder {path.parent}: holds a campaign with {self.found['settings']}")

    def add(self, **trial: Any) -> None:
        """Add a trial: ``subject`` names what was tried, ``lost`` the failure, if any."""
        self.found["trials"].append(trial)
        self._write()
        told = {key: f"{value:.3g}" if isinstance(value, float) else value for key, value in trial.items()}
        print(" ".join(f"{key}={value}" for key, value in told.items() if value not in (None, [], "")), flush=True)

    def of(self, subject: str, kind: str) -> List[Dict[str, Any]]:
        """The trials of a *kind* so far."""
        return [trial for trial in self.found["trials"] if (trial["subject"], trial["kind"]) == (subject, kind)]

    def forget(self, subject: str) -> None:
        """Remove the trials of a subject that must start again."""
        self.found["trials"] = [trial for trial in self.found["trials"] if trial["subject"] != subject]

    def finish(self) -> Dict[str, Any]:
        """Add machine and date; return the whole record."""
        self.found["machine"] = describe_machine(False)
        self.found["date"] = datetime.date.today().isoformat()
        self.found["lost"] = [trial for trial in self.found["trials"] if trial.get("lost")]
        self._write()
        return self.found

    def where_and_when(self) -> str:
        """The line under a campaign's table."""
        machine = self.found["machine"]
        versions = f"Python {machine['python']}, torch {machine['torch']}, {machine['fairseq']}"
        return f"{self.found['date']}, {machine['cpu']}, {machine['cores']} cores; {versions}."

    def _write(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(str(self.path), json.dumps(self.found, indent=1) + "\n")


def table(heads: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A Markdown table; its first column is left-aligned."""
    lines = [heads, [":--", *["--:"] * (len(heads) - 1)], *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def parser(description: str) -> argparse.ArgumentParser:
    """The options that all campaigns take."""
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--folder", type=Path, required=True, help="for all that is made; the same one goes on")
    return made
