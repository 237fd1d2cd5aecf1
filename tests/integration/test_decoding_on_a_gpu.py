"""Every way of decoding on a pretended GPU: no mixed devices, the same translations as on the CPU, few waits."""

import sys
from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Callable, Dict, List

import pytest
import torch
from fairseq import models
from fairseq.data import Dictionary
from fairseq_cli import generate

import fairseq_flexdepth
from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.files.depth_labels import load_labels
from tests.integration import cli
from tests.labels import labels_of, sentences, write_checkpoint
from tests.pretended_gpu import pretended_gpu

DECODING = ("--max-len-b", "3", "--batch-size", "16")
SAMPLING = ("--sampling", "--beam", "1", "--seed", "3")


@pytest.fixture(scope="module")
def model(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained 2x2 model."""
    path = tmp_path_factory.mktemp("gpu") / "model.pt"
    return cli.save_model(path, data, "tied_multi_transformer", encoder_layers=2)


@pytest.fixture(scope="module")
def selector(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained selector for the depths of ``model``."""
    task = SimpleNamespace(source_dictionary=Dictionary.load(str(data / "dict.src.txt")))
    task.labels = labels_of(sentences(3, seed=1))
    torch.manual_seed(2)
    options = {"encoder_embed_dim": 12, "encoder_ffn_embed_dim": 14, "encoder_attention_heads": 2}
    model = models.build_model(Namespace(arch="depth_selector", max_source_positions=64, **options), task)
    path = tmp_path_factory.mktemp("selector") / "selector.pt"
    return Path(write_checkpoint(path, model, "depth_selector", max_source_positions=64, **options))


def on_both(work: Callable[[str, List[str]], Any]) -> Any:
    """The results of *work* on the pretended GPU and on the CPU; it takes a name and further options."""
    expected = work("cpu", ["--cpu"])
    with pretended_gpu() as watch:
        assert work("gpu", []) == expected
    assert watch.kernels
    return watch


def generated(data: Path, folder: Path, options: List[str], monkeypatch: pytest.MonkeyPatch) -> List[str]:
    """The translations of the test set by fairseq-generate, without the scores, which differ by rounding."""
    common = ["--user-dir", str(cli.PLUGIN), "--num-workers", "0", "--results-path", str(folder), *DECODING]
    monkeypatch.setattr(sys, "argv", ["fairseq-generate", str(data), *common, *options])
    generate.cli_main()
    lines = (folder / "generate-test.txt").read_text().splitlines()
    return ["\t".join(line.split("\t")[::2]) for line in lines if line.startswith("H-")]


@pytest.mark.parametrize(
    "options",
    [
        ("--enc-layers", "1", "--dec-layers", "2", "--beam", "2"),
        ("--enc-layers", "1", *SAMPLING),
        ("--depth-selector", "length:4=1-1,2-2"),
        ("--depth-selector", "SELECTOR"),
    ],
    ids=["beam", "sampling", "rule", "selector"],
)
def test_generate(
    options: Any, data: Path, model: Path, selector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = [str(selector) if option == "SELECTOR" else option for option in options]
    on_both(lambda name, more: generated(data, tmp_path / name, ["--path", str(model), *given, *more], monkeypatch))


def read_texts(folder: Path) -> Dict[str, str]:
    return {path.name: path.read_text() for path in folder.glob("e?d?.txt")}


def test_sweep(data: Path, model: Path, tmp_path: Path) -> None:
    def sweep(name: str, more: List[str]) -> Any:
        arguments = ["--path", str(model), "--output", str(tmp_path / name), "--beam", "2", *DECODING, *more]
        assert main(["sweep", str(data), *arguments]) == 0
        return read_texts(tmp_path / name)

    watch = on_both(sweep)
    fetched = sum(count for (_, line), count in watch.waits.items() if "flexdepth.corpus.every_depth" in line)
    copied = sum(count for (_, line), count in watch.waits.items() if "flexdepth.modules.device_copies" in line)
    decoded = 1 + 4 * 2  # the first sentence at the deepest pair, then 4 pairs of 2 batches
    assert copied == decoded  # not per sentence
    assert fetched <= 2 * decoded + 2 * 2 + 3  # for the clock, and for the sentences' numbers


def test_oracle(data: Path, model: Path, tmp_path: Path) -> None:
    def oracle(name: str, more: List[str]) -> Any:
        arguments = ["--path", str(model), "--output", str(tmp_path / name), "--gen-subset", "valid", *DECODING, *more]
        assert main(["oracle", str(data), *arguments]) == 0
        return load_labels(str(tmp_path / name), "valid", "--output").scores.tolist()

    on_both(oracle)


def test_distill(data: Path, model: Path, tmp_path: Path) -> None:
    def distill(name: str, more: List[str]) -> Any:
        folder, split = tmp_path / name, ("--gen-subset", "valid")
        arguments = ["--path", str(model), "--dest", str(folder), "--select", "all", *split, *DECODING, *more]
        assert main(["distill", str(data), *arguments]) == 0
        return [path.read_bytes() for path in sorted(folder.glob("valid.src-tgt.*.bin"))]

    on_both(distill)


def test_translate_in_python(data: Path, model: Path) -> None:
    def translate(name: str, more: List[str]) -> Any:
        hub = fairseq_flexdepth.load(str(model), str(data))
        hub = hub if more else hub.cuda()
        found = []
        for pair in hub.depths:
            hub.set_depth(*pair)
            found.append(hub.translate(["w1 w2 w3", "w4"], beam=2, max_len_b=8))
        return found

    on_both(translate)
