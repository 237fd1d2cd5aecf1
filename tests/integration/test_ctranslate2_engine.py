"""``--engine ctranslate2`` of ``sweep``, ``distill`` and ``oracle`` on tiny models, against fairseq's engine."""

import importlib.util
import json
import shutil
from argparse import Namespace
from pathlib import Path
from typing import Any, Dict, List

import numpy
import pytest
import torch

from fairseq_flexdepth.cli.engines import EngineChoice, check_engine
from fairseq_flexdepth.cli.fairseq_options import parse_generation_options
from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.corpus.hypothesis_filter import Target
from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.corpus.sweep import Sweep
from fairseq_flexdepth.files.depth_labels import load_labels
from tests.integration import cli
from tests.integration.interruption import interrupt_third_batch
from tests.integration.refusals import contents, ours

ctranslate2 = pytest.importorskip("ctranslate2", reason="CTranslate2 is not installed")

DECODING = ("--cpu", "--max-len-b", 40, "--num-workers", 0)
ENGINE = ("--engine", "ctranslate2")
PAIRS = [(n, m) for n in (1, 2, 3) for m in (1, 2)]


def run(command: str, *arguments: object) -> None:
    assert main([command, *map(str, (*arguments, *DECODING))]) == 0


@pytest.fixture
def model(teacher: Path, tmp_path: Path) -> Path:
    """The teacher in a folder without exported depths."""
    return Path(shutil.copy(teacher, tmp_path / "model.pt"))


def hypotheses(engine: str, data: Path, model: Path, beam: int, *options: object) -> Dict[int, List[Target]]:
    """The n-best lists of the test set."""
    args = Namespace(engine=engine, quantization=None, inter_threads=None, intra_threads=None)
    check_engine(args)
    given = (data, "--path", model, "--beam", beam, "--batch-size", 7, *DECODING, *options)
    config = parse_generation_options(list(map(str, given)), "distill")
    choice = EngineChoice(args, config)
    split = Split(config)
    teacher = choice.build_teacher(split, "all")
    found = [teacher.translate(number, batch) for number, batch in enumerate(split.batches())]
    every = {index: targets for of_batch in found for index, targets in of_batch.items()}
    if engine == "fairseq":
        return every
    for index, targets in every.items():
        for target in targets:
            if not target.cut_off:
                source = split.dataset[index]["source"]
                expected = log_probability(split.models[0], source, target.tokens, config.generation.min_len)
                assert target.log_probability == pytest.approx(expected, abs=1e-3)
    return every


@torch.no_grad()
def log_probability(model: Any, source: torch.Tensor, tokens: List[int], min_len: int) -> float:
    """The log-probability of *tokens*; the padding symbol, and an end symbol that is too early, have no share of it."""
    pad, end = 1, 2
    previous = torch.tensor([[end, *tokens[:-1]]])
    logits = model(source[None], torch.tensor([len(source)]), previous)[0][0]  # target length × words
    logits[:, pad] = -torch.inf
    logits[:min_len, end] = -torch.inf
    chosen = logits.log_softmax(dim=1).gather(1, torch.tensor(tokens)[:, None])  # target length × 1
    return float(chosen.sum())


EXACT: List[Any] = [
    (1, "--enc-layers", 2, "--dec-layers", 1, "--max-len-a", 0.3, "--max-len-b", 2),
    (4, "--unnormalized", "--min-len", 0),
]


@pytest.mark.parametrize("options", [*EXACT, (4, "--lenpen", 0.6)], ids=str)
def test_hypotheses_and_scores_are_fairseqs(options: Any, data: Path, teacher: Path) -> None:
    """With a length penalty, CTranslate2 may keep a better hypothesis than fairseq, from the last step."""
    expected = hypotheses("fairseq", data, teacher, *options)
    found = hypotheses("ctranslate2", data, teacher, *options)
    assert found.keys() == expected.keys()
    penalty = 1 if options in EXACT else options[2]
    same = []
    for index, targets in expected.items():
        assert len(found[index]) == len(targets)
        for rank, (target, theirs) in enumerate(zip(found[index], targets)):
            assert target.cut_off == theirs.cut_off
            same.append((rank, target.tokens == theirs.tokens))
            if options not in EXACT:
                scores = [given.log_probability / len(given.tokens) ** penalty for given in (target, theirs)]
                assert scores[0] > scores[1] - 1e-4
    best = [equal for rank, equal in same if rank == 0]
    assert len(best) - sum(best) <= 1  # a near tie
    assert options not in EXACT or sum(equal for _, equal in same) >= 0.97 * len(same)
    assert len({tuple(targets[0].tokens) for targets in expected.values()}) > 3


def rows_of(folder: Path) -> List[Dict[str, Any]]:
    return json.loads((folder / "sweep.json").read_text())


def test_sweep_in_two_types_of_weights(
    data: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    given = ("sweep", data, "--path", model, "--batch-size", 1, "--beam", 1, "--output")
    run(*given, tmp_path / "fairseq")
    for row in rows_of(tmp_path / "fairseq"):
        assert row["latency_p50_ms"] > 0
        assert "quantization" not in row
    decoded = interrupt_third_batch(monkeypatch, Sweep, "decode")
    types = ("--quantization", "float32,int8")
    with pytest.raises(KeyboardInterrupt, match="now"):
        run(*given, tmp_path / "report", *ENGINE, *types)
    for other, reason in (((), "made with engine ctranslate2 "), ((*ENGINE,), "made with quantization ['float32', ")):
        assert main([*map(str, (*given, tmp_path / "report", *DECODING, *other))]) == 2
        assert reason in capsys.readouterr().err
    run(*given, tmp_path / "report", *ENGINE, *types)
    assert decoded == [0, 1, 2, *range(2, 20)]

    rows = rows_of(tmp_path / "report")
    expected = [(quantization, *pair) for quantization in ("float32", "int8") for pair in PAIRS]
    assert [(row["quantization"], row["enc_layers"], row["dec_layers"]) for row in rows] == expected
    assert [row["translations"] for row in (rows[0], rows[-1])] == ["e1d1-float32.txt", "e3d2-int8.txt"]
    baseline = rows[len(PAIRS) - 1]
    assert [row for row in rows if row["bleu_p_value"] is None] == [baseline]
    for row in rows:
        assert 0 < row["latency_p50_ms"] <= row["latency_p95_ms"] <= 1000 * row["seconds"] + 1
    for n, m in PAIRS:
        texts = [
            (tmp_path / name).read_text().splitlines()
            for name in (f"fairseq/e{n}d{m}.txt", f"report/e{n}d{m}-float32.txt")
        ]
        assert sum(theirs != found for theirs, found in zip(*texts)) <= 1  # a near tie
    facts = json.loads((tmp_path / "report" / "report.json").read_text())
    assert facts["engine"]["engine"] == f"ctranslate2 {ctranslate2.__version__}"
    assert facts["precision"] == "float32, int8"
    assert [model["name"].split()[-1] for model in facts["models"]] == ["float32", "int8"]
    assert facts["load"]["threads"] == facts["engine"]["intra_threads"] == torch.get_num_threads()
    page = (tmp_path / "report" / "index.html").read_text()
    assert "--format ctranslate2 --quantization int8 --output e3d2-int8" in page
    assert "p95, ms" in page
    assert (tmp_path / "report" / "heatmap-2.png").exists()


def test_depths_are_exported_once(data: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from fairseq_flexdepth.export import depth_cache

    exported: List[str] = []
    convert = depth_cache.convert

    def counted(loaded: Any, stock: Any, folder: str, quantization: str, limits: Any) -> None:
        exported.append(f"e{len(stock.positions[0])}d{len(stock.positions[1])} {quantization}")
        convert(loaded, stock, folder, quantization, limits)

    monkeypatch.setattr(depth_cache, "convert", counted)
    given = ("--path", model, *ENGINE, "--overwrite")
    sweep = ("sweep", data, *given, "--output", tmp_path / "report", "--depths")
    cache = model.with_name("model.pt.ctranslate2")
    run(*sweep, "3-2,2-1")
    before = contents(cache)
    run(*sweep, "2-1", "--beam", 2)
    run("distill", data, *given, "--dest", tmp_path / "kd", "--enc-layers", 2, "--dec-layers", 1)
    assert exported == ["e2d1 float32", "e3d2 float32"]
    assert contents(cache) == before

    state = torch.load(str(model))
    state["model"]["decoder.layers.1.fc2.weight"] *= -1  # of the second decoder layer
    torch.save(state, str(model))
    run(*sweep, "3-2", "--beam", 1)
    assert exported[2:] == ["e3d2 float32"]
    assert len(list(cache.iterdir())) == 2  # the former export of (3, 2) is removed
    former = (tmp_path / "report" / "e3d2.txt").read_text()
    run("sweep", data, "--path", model, "--output", tmp_path / "fairseq", "--depths", "3-2", "--beam", 1)
    assert (tmp_path / "fairseq" / "e3d2.txt").read_text() == former


def test_distill_in_shards(data: Path, model: Path, tmp_path: Path) -> None:
    given = ("distill", data, "--path", model, "--batch-size", 32, "--dest")
    greedy = ("--beam", 1, "--gen-subset", "valid")
    run(*given, tmp_path / "fairseq", *greedy)
    run(*given, tmp_path / "greedy", *greedy, *ENGINE)
    found, expected = (contents(tmp_path / name) for name in ("greedy", "fairseq"))
    records = [json.loads(files.pop("distill.json")) for files in (found, expected)]
    assert found == expected
    assert [record["settings"].get("quantization") for record in records] == [["float32"], None]

    every = ("--beam", 3, "--select", "all", *ENGINE)
    run(*given, tmp_path / "whole", *every, "--inter-threads", 2, "--intra-threads", 1)
    sharded = (*given, tmp_path / "sharded", *every, "--num-shards", 2)
    for shard in (1, 0):
        run(*sharded, "--shard-id", shard)
    run(*sharded, "--merge")
    assert contents(tmp_path / "sharded") == contents(tmp_path / "whole")
    weights = numpy.load(tmp_path / "whole" / "train.src-tgt.weights.npy")
    assert weights.sum() == pytest.approx(200, rel=1e-3)  # 1 for each source
    assert 400 < len(weights) <= 600


def test_oracle_finds_the_labels_of_fairseq(data: Path, model: Path, tmp_path: Path) -> None:
    given = ("oracle", data, "--path", model, "--gen-subset", "valid", "--beam", 1, "--output")
    run(*given, tmp_path / "fairseq")
    run(*given, tmp_path / "labels", *ENGINE)
    found, expected = (load_labels(str(tmp_path / name), "valid", "--output") for name in ("labels", "fairseq"))
    assert found.pairs == expected.pairs == PAIRS
    numpy.testing.assert_array_equal(found.scores, expected.scores)
    assert found.record["engine"].startswith("ctranslate2 ")
    assert found.record["models"] == expected.record["models"]


def test_options_that_ctranslate2_cannot_follow(data: Path, model: Path, tmp_path: Path) -> None:
    place, given = ("--output", tmp_path / "new"), (data, "--path", model, *DECODING)
    refused = ours(
        "sweep", data, "--path", f"{model}:{model}", *place, *ENGINE, "--sampling", "--sampling-topk", 5, "--unkpen", 1,
        "--min-len", 2, "--fp16", "--print-step",
    )  # fmt: skip
    assert refused == (
        "--sampling, --sampling-topk 5: CTranslate2 searches in another way, or not at all; --unkpen 1.0, --min-len 2: "
        "CTranslate2 applies it before the softmax, fairseq after it; --fp16: expected --quantization float16; "
        f"--print-step: not supported by sweep; --path {model}:{model}: CTranslate2 decodes with one model, not an "
        "ensemble; leave them out"
    )
    lstm = cli.save_model(
        tmp_path / "lstm.pt", data, "lstm", criterion="cross_entropy", encoder_layers=2, encoder_hidden_size=8,
        decoder_hidden_size=8,
    )  # fmt: skip
    assert ours("sweep", data, "--path", lstm, *DECODING, *place, *ENGINE) == (
        f"--path {lstm}: holds a LSTMModel; --engine ctranslate2 decodes with a Transformer"
    )
    assert ours("sweep", *given, *place, *ENGINE, "--max-len-b", 0).startswith("--max-len-b: allows 0 tokens; expected")
    refused = ours("sweep", *given, *place, *ENGINE, "--quantization", "float16,float32")
    assert refused.startswith("--quantization float16: not on this CPU; expected float32, int16, int8")
    assert not (tmp_path / "new").exists()


def test_without_ctranslate2(
    data: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["oracle", str(data), "--path", str(model), "--output", str(tmp_path / "new"), *ENGINE]) == 1
    assert "--engine ctranslate2: needs the package ctranslate2; pip install ctranslate2" in capsys.readouterr().err
