"""``--depth-selector`` in the real command lines: each sentence is translated as by a run at its depth pair."""

import re
import shutil
from pathlib import Path
from typing import Dict, List

import numpy
import pytest
import torch
from fairseq.data import Dictionary, data_utils
from omegaconf import DictConfig, OmegaConf

import fairseq_flexdepth
from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.decoding.selector_checkpoint import load_selector
from fairseq_flexdepth.depth.supported_depths import DepthPair
from fairseq_flexdepth.files.depth_labels import DepthLabels, labels_file, load_labels
from tests.integration import cli, selector_cli

PAIRS = [(n, m) for n in (1, 2, 3) for m in (1, 2)]
DECODING = ("--beam", 3, "--max-len-b", 10)


def by_number(output: str) -> Dict[int, str]:
    """The hypothesis of each sentence, by its number."""
    found = [line[2:].split("\t") for line in output.splitlines() if line.startswith("H-")]
    assert len({number for number, *_ in found}) == len(found)
    return {int(number): text for number, _, text in found}


def used(output: str) -> Dict[DepthPair, int]:
    """The number of sentences that the log reports per depth pair."""
    line = re.findall(r"depths of .* sentences by [^ ]*: (.*); choosing took", output)[-1]
    return {(int(n), int(m)): int(count) for n, m, count in re.findall(r"\((\d+), (\d+)\) (\d+)", line)}


def sentences(data: Path) -> List[torch.Tensor]:
    """The sources of the test set."""
    dictionary = Dictionary.load(str(data / "dict.src.txt"))
    dataset = data_utils.load_indexed_dataset(str(data / "test.src-tgt.src"), dictionary)
    return [dataset[index].long() for index in range(len(dataset))]


@pytest.fixture(scope="module")
def plain(data: Path, teacher: Path) -> Dict[DepthPair, Dict[int, str]]:
    """The test set translated by fairseq-generate at every depth pair."""
    return {
        (n, m): by_number(cli.generate(data, teacher, "--enc-layers", n, "--dec-layers", m)) for n, m in PAIRS
    }


@pytest.fixture(scope="module")
def labels(data: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The labels of all splits, made by ``oracle``."""
    folder = tmp_path_factory.mktemp("oracle") / "labels"
    for split in ("train", "valid", "test"):
        options = (data, "--path", teacher, "--output", folder, "--gen-subset", split, "--cpu", *DECODING)
        assert main(["oracle", *map(str, options)]) == 0
    return folder


@pytest.fixture(scope="module")
def selector(labels: Path, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A selector that has learned to choose other depths for short sentences than for long ones."""
    folder = tmp_path_factory.mktemp("selector")
    shutil.copytree(labels, folder / "labels")
    for split in ("train", "valid"):
        found = load_labels(str(labels), split, "")
        sources = data_utils.load_indexed_dataset(str(labels / f"{split}.src"), None)
        best = [PAIRS.index((1, 1) if len(source) < 4 else (2, 1) if len(source) < 6 else (3, 2)) for source in sources]
        rule = DepthLabels(PAIRS, 50.0 * numpy.eye(len(PAIRS))[best], numpy.ones(len(PAIRS)), found.record)
        rule.save(labels_file(str(folder / "labels"), split))
    options = ("--init-embeddings-from", teacher, "--max-update", 60, "--encoder-layers", 1)
    selector_cli.train(folder / "labels", folder, *options, objective=selector_cli.COST_AWARE, width=None)
    return folder / "checkpoint_last.pt"


def test_the_oracle_decodes_as_plain_runs_at_its_pairs(
    data: Path, teacher: Path, labels: Path, plain: Dict[DepthPair, Dict[int, str]]
) -> None:
    output = cli.generate(data, teacher, "--depth-selector", f"oracle:{labels}", "--batch-size", 4)
    test = load_labels(str(labels), "test", "")
    pairs = [test.pairs[column] for column in test.oracle]
    assert by_number(output) == {index: plain[pair][index] for index, pair in enumerate(pairs)}
    assert used(output) == {pair: pairs.count(pair) for pair in PAIRS if pair in pairs}
    assert len(set(pairs)) > 1
    assert f"decoding each sentence at the depth chosen by oracle:{labels}" in output
    assert re.search(r"% (less|more) than all sentences at the deepest pair, by the times that oracle measured", output)

    halves = [
        cli.generate(
            data, teacher, "--depth-selector", f"oracle:{labels}", "--batch-size", 4, "--distributed-world-size", 2,
            "--distributed-rank", rank,
        )
        for rank in (0, 1)
    ]  # fmt: skip
    assert all(0 < len(by_number(half)) < 20 and sum(used(half).values()) == len(by_number(half)) for half in halves)
    assert {**by_number(halves[0]), **by_number(halves[1])} == by_number(output)


def test_a_selector_decodes_as_plain_runs_at_its_pairs(
    data: Path, teacher: Path, selector: Path, plain: Dict[DepthPair, Dict[int, str]]
) -> None:
    model, threshold = load_selector(str(selector), Dictionary.load(str(data / "dict.src.txt")))
    with torch.no_grad():
        logits = [model(source[None], torch.tensor([len(source)])) for source in sentences(data)]
    pairs = [model.pairs[model.choose(model.probabilities(each), threshold)[0]] for each in logits]
    assert len(set(pairs)) > 1
    for size in (1, 3, 20):
        output = cli.generate(data, teacher, "--depth-selector", selector, "--batch-size", size)
        assert by_number(output) == {index: plain[pair][index] for index, pair in enumerate(pairs)}
        assert used(output) == {pair: pairs.count(pair) for pair in PAIRS if pair in pairs}

    deepest = cli.generate(data, teacher, "--depth-selector", selector, "--selector-threshold", 1)
    assert used(deepest) == {(3, 2): 20}
    assert by_number(deepest) == plain[3, 2]


def test_interactive_and_python_choose_as_generate_does(
    data: Path, teacher: Path, selector: Path, tmp_path: Path
) -> None:
    output = cli.generate(data, teacher, "--depth-selector", selector)
    sources = [
        line.split("\t")[1]
        for line in sorted(
            (line for line in output.splitlines() if line.startswith("S-")), key=lambda line: int(line[2:].split()[0])
        )
    ]
    interactive = cli.run(
        "fairseq-interactive", data, "--user-dir", cli.PLUGIN, "--path", teacher, "--cpu", *DECODING,
        "--depth-selector", selector, "--buffer-size", 15, "--batch-size", 4, stdin="".join(f"{s}\n" for s in sources),
    )  # fmt: skip
    assert list(by_number(interactive)) == list(range(20))
    assert by_number(interactive) == by_number(output)
    assert used(interactive) == used(output)  # once, of all that was read
    assert interactive.count("; choosing took") == 1

    state = torch.load(str(teacher), map_location="cpu")  # as it was before these options
    if isinstance(state["cfg"], DictConfig):
        OmegaConf.set_struct(state["cfg"], False)
    del state["cfg"]["task"]["depth_selector"], state["cfg"]["task"]["selector_threshold"]
    torch.save(state, str(tmp_path / "old.pt"))
    for path in (teacher, tmp_path / "old.pt"):
        model = fairseq_flexdepth.load(str(path), data=str(data), depth_selector=str(selector))
        assert model.translate(sources, beam=3, max_len_b=10) == [by_number(output)[index] for index in range(20)]
    with pytest.raises(ValueError, match=r"set_depth\(1, 1\): depth_selector .* chooses each sentence's depth"):
        model.set_depth(1, 1)


def test_interactive_takes_any_line(data: Path, teacher: Path) -> None:
    lines = ["w1 <pad> w2", "", "w3", "w1 w2 w3 w4", "w3"]
    outputs = [
        cli.run(
            "fairseq-interactive", data, "--user-dir", cli.PLUGIN, "--path", teacher, "--cpu", *DECODING, *options,
            stdin="".join(f"{line}\n" for line in lines),
        )
        for options in (("--depth-selector", "length:3-2"), ("--buffer-size", 2))
    ]  # fmt: skip
    assert by_number(outputs[0]) == by_number(outputs[1])
    assert list(by_number(outputs[0])) == list(range(5))


def test_a_rule_of_lengths(
    data: Path, teacher: Path, plain: Dict[DepthPair, Dict[int, str]], tmp_path: Path
) -> None:
    output = cli.generate(data, teacher, "--depth-selector", "length:2=1-1,4=2-1,3-2")
    sources = {
        int(line[2:].split("\t")[0]): line.split("\t")[1] for line in output.splitlines() if line.startswith("S-")
    }
    for index, source in sources.items():
        length = len(source.split())
        pair = (1, 1) if length <= 2 else (2, 1) if length <= 4 else (3, 2)
        assert by_number(output)[index] == plain[pair][index]
    assert sum(used(output).values()) == 20

    cli.run(
        "fairseq-preprocess", "-s", "src", "-t", "tgt", "--srcdict", data / "dict.src.txt", "--joined-dictionary",
        "--destdir", tmp_path, "--testpref", data.parent / "text" / "test", "--dataset-impl", "cached",
    )  # fmt: skip
    cached = ("--dataset-impl", "cached", "--depth-selector", "length:2=1-1,4=2-1,3-2")
    assert by_number(cli.generate(tmp_path, teacher, *cached)) == by_number(output)


def test_distill_translates_as_generate_does(data: Path, teacher: Path, labels: Path, tmp_path: Path) -> None:
    options = (data, "--path", teacher, "--depth-selector", f"oracle:{labels}", "--gen-subset", "test", "--cpu")
    assert main(["distill", *map(str, (*options, *DECODING, "--dest", tmp_path / "kd", "--save-text"))]) == 0
    expected = by_number(cli.generate(data, teacher, "--depth-selector", f"oracle:{labels}"))
    kept = [text for _, text in sorted(expected.items()) if text]
    assert (tmp_path / "kd" / "test.tgt").read_text().splitlines() == kept


def test_mistakes_are_one_line(
    data: Path, teacher: Path, labels: Path, selector: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    def fails(message: str, given: object, *options: object, path: Path = teacher) -> None:
        output = cli.generate(data, path, "--depth-selector", given, *options, fails=True)
        assert output.splitlines()[-1].startswith(f"ValueError: {message}"), output[-500:]

    oracle = f"oracle:{labels}"
    fails("--depth-selector length:4=1-1,5-5: chooses from depths (1,1) (5,5); the model has", "length:4=1-1,5-5")
    fails(f"--depth-selector {oracle}: chooses each sentence's depth; leave out", oracle, "--enc-layers", 1)
    threshold = cli.generate(data, teacher, "--selector-threshold", 0.5, fails=True)
    assert "--selector-threshold 0.5: expected a --depth-selector, too" in threshold.splitlines()[-1]

    stock = cli.save_model(tmp_path / "stock.pt", data, "transformer", share_all_embeddings=True)
    fails(f"--depth-selector {oracle}: the checkpoint's TransformerModel always runs all", oracle, path=stock)
    options = {"encoder_layers": 2, "decoder_layers": 2, "share_all_embeddings": True}
    smaller = cli.save_model(tmp_path / "smaller.pt", data, "tied_multi_transformer", **options)
    for given in (oracle, selector):
        fails(f"--depth-selector {given}: chooses from depths (1,1)", given, path=smaller)

    (labels / "valid.labels.npz").rename(tmp_path / "valid.labels.npz")
    fails(f"--depth-selector {oracle}: {labels / 'valid.labels.npz'}: no such file", oracle, "--gen-subset", "valid")
    (labels / "valid.labels.npz").write_bytes((labels / "test.labels.npz").read_bytes())
    others = f"{labels / 'valid.labels.npz'}: made for source sentences that differ from DATA's"
    fails(others, oracle, "--gen-subset", "valid")
    (tmp_path / "valid.labels.npz").rename(labels / "valid.labels.npz")
    interactive = cli.run(
        "fairseq-interactive", data, "--user-dir", cli.PLUGIN, "--path", teacher, "--cpu", "--depth-selector", oracle,
        stdin="w1\n", fails=True,
    )  # fmt: skip
    only = "has labels only for splits of the data, not for typed input; expected a trained selector"
    assert only in interactive.splitlines()[-1]
    sweep = ["sweep", str(data), "--path", str(teacher), "--output", str(tmp_path), "--depth-selector", oracle]
    assert main(sweep) == 2
    assert f"--depth-selector {oracle}: sweep decodes at every depth; leave it out" in capsys.readouterr().err
    training = cli.train(data, tmp_path / "model", "--depth-selector", oracle, fails=True)
    assert f"ValueError: --depth-selector {oracle}: chooses depths for decoding" in training
