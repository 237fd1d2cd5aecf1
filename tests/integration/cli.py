"""The real command lines, run on a tiny corpus."""

import json
import os
import random
import re
import socket
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Callable, Dict, List, Union

import torch
from fairseq import models
from fairseq.data import Dictionary
from fairseq.dataclass.configs import FairseqConfig
from omegaconf import OmegaConf

from fairseq_flexdepth.compat import FAST_PATH_NAMES, UNTRAINED_BUFFERS
from tests import tiny
from tests.integration import forked

REPOSITORY = Path(__file__).resolve().parents[2]
PLUGIN = REPOSITORY / "fairseq_flexdepth"
BIN = Path(sys.executable).parent


def run(command: str, *arguments: Any, fails: bool = False, stdin: str = "", **environment: str) -> str:
    """Run a command of this environment, check whether it succeeds as expected, and return its output.

    fairseq's commands run in forks of a process that has imported fairseq already.
    """
    words = [str(argument) for argument in arguments]
    if command in forked.COMMANDS:
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder, "output")
            status = forked.run(command, words, output, {"OMP_NUM_THREADS": "1", **environment}, stdin)
            text = output.read_text(encoding="utf-8")
        assert (status != 0) == fails, text
        return text
    finished = subprocess.run(
        [str(BIN / command), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        input=stdin,
        encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY), **environment},
    )
    assert (finished.returncode != 0) == fails, finished.stdout
    return finished.stdout


def write_reversal_corpus(folder: Path, sizes: Dict[str, int], words: int = 8, longest: int = 6) -> None:
    """Write parallel text whose target is the reversed source: SPLIT.src and SPLIT.tgt."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = random.Random(1)
    for split, size in sizes.items():
        sources = [
            [f"w{generator.randrange(words)}" for _ in range(generator.randint(1, longest))] for _ in range(size)
        ]
        (folder / f"{split}.src").write_text("".join(f"{' '.join(line)}\n" for line in sources))
        (folder / f"{split}.tgt").write_text("".join(f"{' '.join(line[::-1])}\n" for line in sources))


def binarise(text: Path, destination: Path) -> None:
    """Run fairseq-preprocess with a joined dictionary."""
    run(
        "fairseq-preprocess", "-s", "src", "-t", "tgt", "--joined-dictionary", "--destdir", destination,
        "--trainpref", text / "train", "--validpref", text / "valid", "--testpref", text / "test",
    )  # fmt: skip


def training(data: Path, save_dir: Path, *options: Any) -> List[Any]:
    """The command line that trains a tiny 3x2 tied-multi model; *options* override the defaults here."""
    return [
        "fairseq-train", data, "--user-dir", PLUGIN, "--save-dir", save_dir, "--cpu", "--seed", 1,
        "--arch", "tied_multi_transformer_tiny", "--encoder-layers", 3, "--decoder-layers", 2,
        "--encoder-embed-dim", 16, "--encoder-ffn-embed-dim", 16, "--encoder-attention-heads", 2,
        "--decoder-embed-dim", 16, "--decoder-ffn-embed-dim", 16, "--decoder-attention-heads", 2,
        "--criterion", "tied_multi_cross_entropy", "--label-smoothing", 0.1, "--dropout", 0.1,
        "--optimizer", "adam", "--lr", 0.005, "--max-tokens", 200, "--max-update", 6, "--num-workers", 0,
        "--no-epoch-checkpoints", "--log-format", "json", "--log-interval", 1, *options,
    ]  # fmt: skip


def train(data: Path, save_dir: Path, *options: Any, **run_options: Any) -> str:
    """Run ``training`` to its end."""
    return run(*training(data, save_dir, *options), **run_options)


def train_lstm(data: Path, save_dir: Path, *options: Any) -> str:
    """Train fairseq's own LSTM."""
    return run(
        "fairseq-train", data, "--user-dir", PLUGIN, "--save-dir", save_dir, "--cpu", "--seed", 1,
        "--arch", "lstm", "--encoder-embed-dim", 16, "--decoder-embed-dim", 16, "--decoder-out-embed-dim", 16,
        "--optimizer", "sgd", "--lr", 0.1, "--max-tokens", 200, "--num-workers", 0, "--no-epoch-checkpoints",
        "--log-format", "json", "--log-interval", 1, *options,
    )  # fmt: skip


def trained(state: Dict[str, torch.Tensor]) -> Dict[str, torch.Tensor]:
    """The trained tensors of a ``state_dict``."""
    never_trained = (*FAST_PATH_NAMES, *UNTRAINED_BUFFERS)
    return {key: value for key, value in state.items() if key.split(".")[-1] not in never_trained}


def parameters(folder: Path) -> Dict[str, torch.Tensor]:
    """The trained tensors in the last checkpoint of a --save-dir."""
    return trained(torch.load(str(folder / "checkpoint_last.pt"), map_location="cpu")["model"])


def largest_difference(first: Path, second: Path) -> float:
    """The largest difference between the parameters in the last checkpoints of two trainings."""
    a, b = parameters(first), parameters(second)
    assert a.keys() == b.keys()
    return max(float((a[key].float() - b[key].float()).abs().max()) for key in a)


def rank_options(ranks: int, backend: str = "legacy_ddp") -> List[List[Any]]:
    """The options with which fairseq-train runs as one of several processes of a training, for each process."""
    with socket.socket() as listener:
        listener.bind(("localhost", 0))
        port = listener.getsockname()[1]
    together = (
        "--distributed-world-size", ranks, "--distributed-init-method", f"tcp://localhost:{port}",
        "--distributed-no-spawn", "--distributed-backend", "gloo", "--ddp-backend", backend,
    )  # fmt: skip
    return [[*together, "--distributed-rank", number] for number in range(ranks)]


def on_ranks(training: Callable[..., str], ranks: int) -> None:
    """Run *training*, a function of further fairseq-train options, in several processes."""
    with ThreadPoolExecutor(ranks) as pool:
        list(pool.map(lambda options: training(*options), rank_options(ranks)))


def on_two_ranks(training: Callable[..., str]) -> None:
    """Run *training*, a function of further fairseq-train options, in two processes."""
    on_ranks(training, 2)


def train_on_two_ranks(data: Path, folder: Path, *options: Any) -> None:
    """Run ``train`` in two processes."""
    on_two_ranks(lambda *distributed: train(data, folder, *options, *distributed))


def generate(data: Path, checkpoint: Union[Path, str], *options: Any, **run_options: Any) -> str:
    """Run fairseq-generate on the test set; *checkpoint* may be an ensemble, a.pt:b.pt."""
    return run(
        "fairseq-generate", data, "--user-dir", PLUGIN, "--path", checkpoint, "--cpu", "--beam", 3,
        "--max-len-b", 10, "--num-workers", 0, *options, **run_options,
    )  # fmt: skip


def last_validation(output: str) -> Dict[str, Any]:
    """The numbers of the last validation that fairseq-train logs with --log-format json."""
    return json.loads(re.findall(r"\{.*\"valid_loss\".*\}", output)[-1])


def hypotheses(output: str) -> List[str]:
    """The H lines (with scores) of fairseq-generate, in the order of the data."""
    return sorted((line for line in output.splitlines() if line.startswith("H-")), key=lambda h: int(h[2:].split()[0]))


def save_model(path: Path, data: Path, arch: str, **options: object) -> Path:
    """Save a checkpoint of an untrained model with the dictionaries of *data*."""
    task = tiny.task(joined=True)
    task.source_dictionary = task.target_dictionary = Dictionary.load(str(data / "dict.src.txt"))
    torch.manual_seed(1)
    args = tiny.options(arch=arch, **options)
    models.ARCH_CONFIG_REGISTRY[arch](args)
    state = {"args": args, "model": models.build_model(args, task).state_dict()}
    history = [{"optimizer_name": "adam", "lr_scheduler_state": {}, "num_updates": 0}]
    torch.save({**state, "optimizer_history": history, "extra_state": {}}, str(path))
    return path


def save_model_with_cfg(path: Path, data: Path, arch: str, **options: object) -> Path:
    """Like ``save_model``, with the ``cfg`` that the checkpoint of a training has."""
    save_model(path, data, arch, **options)
    state = torch.load(str(path))
    model = {"_name": arch, **vars(state["args"])}
    task = {"_name": "translation", "data": str(data), "source_lang": "src", "target_lang": "tgt"}
    cfg = OmegaConf.to_container(OmegaConf.structured(FairseqConfig), enum_to_str=True)
    torch.save({**state, "args": None, "cfg": {**cfg, "model": model, "task": task}}, str(path))
    return path
