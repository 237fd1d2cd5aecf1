"""The commands that ``kill_training`` kills, trainings and long sub-commands, and the results that must be the same."""

import json
from pathlib import Path
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import numpy
import torch

from fairseq_flexdepth.files.depth_labels import load_labels
from tests.campaigns.inputs import LARGE, Inputs
from tests.integration import cli, selector_cli

SAVING = ("--save-interval-updates", 4, "--keep-interval-updates", 2)
UPDATES = 40
CHECKPOINT = "Preparing to save checkpoint"
VALIDATION = "begin validation on"


class Subject(NamedTuple):
    """A command to kill.

    Args:
        words: the command line that writes to a folder.
        results: the results that must be the same, by name.
        moments: lines of the log; the command is killed shortly after one.
    """

    words: Callable[[Path], List[Any]]
    results: Callable[[Path], Dict[str, Any]]
    moments: Tuple[str, ...] = (CHECKPOINT, VALIDATION)


def trained(folder: Path) -> Dict[str, Any]:
    """The contents of the last and the best checkpoint without times and the history of runs."""
    found = {}
    for name in ("last", "best"):
        state = torch.load(str(folder / f"checkpoint_{name}.pt"), map_location="cpu")
        kept = {key: state.get(key) for key in ("model", "criterion", "last_optimizer_state")}
        timed = ("metrics", "previous_training_time")
        extra = {key: value for key, value in state["extra_state"].items() if key not in timed}
        found[name] = {**kept, "extra": extra, "updates": state["optimizer_history"][-1]["num_updates"]}
    return found


def differences(first: Any, second: Any, name: str = "") -> List[str]:
    """The places at which two results differ, to the last bit."""
    if isinstance(first, dict) and isinstance(second, dict):
        keys = sorted({*first, *second}, key=str)
        return [d for key in keys for d in differences(first.get(key), second.get(key), f"{name}/{key}")]
    if isinstance(first, (list, tuple)) and isinstance(second, (list, tuple)) and len(first) == len(second):
        return [d for key, (a, b) in enumerate(zip(first, second)) for d in differences(a, b, f"{name}/{key}")]
    if torch.is_tensor(first) and torch.is_tensor(second):
        same = first.shape == second.shape and torch.equal(first, second)
    elif isinstance(first, numpy.ndarray):
        same = numpy.array_equal(first, second, equal_nan=first.dtype.kind == "f")
    else:
        same = first == second
    return [] if same else [name]


def distilled(folder: Path) -> Dict[str, Any]:
    """The bytes of every file."""
    return {**{path.name: path.read_bytes() for path in (folder / "kd").iterdir()}, **_left_over(folder, {"kd"})}


def judged(folder: Path) -> Dict[str, Any]:
    """Labels, sources, and the report without its seconds."""
    labels = load_labels(str(folder / "labels"), "train", "")
    kept = {name: getattr(labels, name) for name in ("pairs", "scores", "best", "oracle", "record")}
    files = {path.name: path.read_bytes() for path in (folder / "labels").glob("*.src.*")}
    report = json.loads((folder / "labels" / "train.oracle.json").read_text(encoding="utf-8"))
    names = sorted(path.name for path in (folder / "labels").iterdir())
    return {**kept, **files, "report": without_times(report), "names": names}


def swept(folder: Path) -> Dict[str, Any]:
    """Translations, and the table without its seconds."""
    texts = {path.name: path.read_bytes() for path in (folder / "sweep").glob("*.txt")}
    rows = json.loads((folder / "sweep" / "sweep.json").read_text(encoding="utf-8"))
    names = sorted(path.name for path in (folder / "sweep").iterdir())
    return {**texts, "rows": without_times(rows), "names": names}


def without_times(value: Any) -> Any:
    """A report without times and the values computed from them."""
    clock = ("second", "pareto", "speed", "time")
    if isinstance(value, dict):
        kept = {key: part for key, part in value.items() if not any(word in key for word in clock)}
        return {key: without_times(part) for key, part in kept.items()}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def _left_over(folder: Path, expected: set) -> Dict[str, Any]:
    return {"left over": sorted(path.name for path in folder.iterdir() if path.name not in expected)}


def subjects(inputs: Inputs) -> Dict[str, Subject]:
    """All subjects, by name."""

    def model(*options: Any) -> Subject:
        def words(folder: Path) -> List[Any]:
            return cli.training(inputs.corpus, folder, *LARGE, *SAVING, "--max-update", UPDATES, *options)

        return Subject(words, trained)

    def selector(folder: Path) -> List[Any]:
        return selector_cli.training(inputs.labels, folder, *SAVING, "--max-update", UPDATES)

    def tool(name: str, where: str, folder_name: str, results: Callable[[Path], Dict[str, Any]]) -> Subject:
        decoding = ("--path", inputs.teacher, "--cpu", "--beam", 3, "--max-len-b", 10, "--batch-size", 4)

        def words(folder: Path) -> List[Any]:
            output = (where, folder / folder_name, "--gen-subset", "train")
            return ["fairseq-flexdepth", name, inputs.corpus, *decoding, *output]

        return Subject(words, results, ())

    ckd = ("--criterion", "ckd", "--teacher-path", inputs.teacher, "--ckd-mapping", "1:1+2,2:2+3,3:3")
    stacked = ("--arch", "recurrent_stacked_transformer_tiny", "--residual-init", "admin", "--store-ema")
    retrained = ("--finetune-from-model", inputs.pruned, "--keep-pruned", "--store-ema")
    return {
        "tied-multi": model(),
        "sampled flexible depth": model(
            "--criterion", "multi_task_depth_cross_entropy", "--subnetworks", "optimal",
            "--sample-encoder-depths", 2, "--sample-decoder-depths", 1,
        ),  # fmt: skip
        "CKD": model(*ckd),
        "Admin": model(*stacked),
        "pruned": model(*retrained),
        "selector": Subject(selector, trained),
        "distill": tool("distill", "--dest", "kd", distilled),
        "oracle": tool("oracle", "--output", "labels", judged),
        "sweep": tool("sweep", "--output", "sweep", swept),
    }
