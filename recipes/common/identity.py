"""Refuse a step whose command has another result than the command that began it.

    python -m recipes.common.identity NAME COMMAND

NAME.command contains the earlier command. Hyper-parameters, tokens per update and checksums of data belong to the
identity of a step. The number of GPUs and of processes, half precision, the place that the original files of a corpus
came from, and the order of options do not.
"""

import argparse
import shlex
import sys
from pathlib import Path
from typing import Dict, List

MACHINE = ("--cpu", "--fp16", "--num-shards", "--num-workers", "--workers")
ORIGIN = ("SOURCE", "DOWNLOADS")
DATA = "checksum of the data"  # empty if the data were deleted
# the shell's functions that run a command, with the names of their own arguments; "" does not influence the result
WRAPPERS = {
    "run": (), "run_to": ("",), "log_to": ("",), "unless": ("",), "on_device": (), "in_shards": ("",), "env": (),
    "with_data": (DATA,), "fairseq_train": ("data", "folder", "tokens per update", ""),
}  # fmt: skip


def settings(command: str) -> Dict[str, str]:
    """Return what determines a command's result: values by option, by argument and by environment variable.

    Args:
        command: the command, quoted for a shell.
    """
    words = shlex.split(command)
    found: Dict[str, str] = {}
    while words:
        name, equals, value = words[0].partition("=")
        if words[0] in WRAPPERS:
            arguments = WRAPPERS[words.pop(0)]
            found.update(zip(arguments, words))
            del words[: len(arguments)]
        elif equals and name.isidentifier():
            found[name] = value
            del words[0]
        else:
            break
    option, values = "command", []
    for word in [*words, "--"]:
        if word.startswith("--"):
            found[option] = " ".join(values)
            option, values = word, []
        else:
            values.append(word)
    return {name: value for name, value in found.items() if name and name not in (*MACHINE, *ORIGIN)}


def differences(before: str, now: str) -> List[str]:
    """Return a line per setting that two commands do not share, with its old and its new value."""
    old, new = settings(before), settings(now)
    return [
        f"{name}: {_shown(old, name)} before, {_shown(new, name)} now"
        for name in {**old, **new}
        if old.get(name) != new.get(name) and not (name == DATA and "" in (old.get(name), new.get(name)))
    ]


def _shown(found: Dict[str, str], name: str) -> str:
    if name not in found:
        return "not given"
    return found[name] or "given"


def main() -> None:
    """Compare two commands; exit with status 1 if their results differ."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", metavar="NAME")
    parser.add_argument("command", metavar="COMMAND", help="quoted for a shell")
    args = parser.parse_args()
    found = differences(Path(f"{args.name}.command").read_text(encoding="utf-8"), args.command)
    if found:
        listed = "".join(f"\n  {line}" for line in found)
        print(
            f"error: {args.name} was begun with other settings: remove {Path(args.name).parent}, or set WORK to "
            f"another folder{listed}",
            file=sys.stderr,
        )
        sys.exit(1)


if __name__ == "__main__":
    main()
