"""fairseq-train and fairseq-validate, run on hand-made labels of depth pairs."""

import json
import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from tests.integration import cli

PAPER = ("--criterion", "depth_selection", "--optimizer", "nag", "--momentum", 0.9, "--lr", 0.1)
COST_AWARE = ("--criterion", "cost_aware_depth_selection", "--optimizer", "adam", "--lr", 0.005)


def training(
    labels: Path, save_dir: Path, *options: Any, objective: Tuple[Any, ...] = PAPER, width: Optional[int] = 16
) -> List[Any]:
    """The command line that trains a tiny selector; *options* override the defaults here."""
    sizes = () if width is None else ("--encoder-embed-dim", width)
    return [
        "fairseq-train", labels, "--user-dir", cli.PLUGIN, "--save-dir", save_dir, "--cpu", "--seed", 1,
        "--task", "depth_selection", "--arch", "depth_selector", *sizes, "--encoder-ffn-embed-dim", 16,
        "--encoder-attention-heads", 2, *objective, "--batch-size", 16, "--max-update", 13, "--num-workers", 0,
        "--no-epoch-checkpoints", "--log-format", "json", "--log-interval", 1, *options,
    ]  # fmt: skip


def train(labels: Path, save_dir: Path, *options: Any, fails: bool = False, **changes: Any) -> str:
    """Run ``training`` to its end."""
    return cli.run(*training(labels, save_dir, *options, **changes), fails=fails)


def logged(output: str, kind: str) -> List[Dict[str, Any]]:
    """The logged metrics of each validation (``valid``) or group of updates (``train_inner``)."""
    return [json.loads(found) for found in re.findall(rf"\b{kind}\b\W*(\{{.*\}})$", output, re.MULTILINE)]


def validate(labels: Path, checkpoint: Path, *options: Any) -> Tuple[Dict[str, Any], str]:
    """The metrics that fairseq-validate logs for the ``valid`` split, and its whole output."""
    output = cli.run(
        "fairseq-validate", labels, "--user-dir", cli.PLUGIN, "--task", "depth_selection", "--path", checkpoint,
        "--cpu", "--batch-size", 16, "--num-workers", 0, "--log-format", "json", *options,
    )  # fmt: skip
    return logged(output, "valid")[-1], output
