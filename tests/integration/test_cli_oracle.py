"""``fairseq-flexdepth oracle`` on tiny models, against fairseq-generate at every depth."""

import json
from pathlib import Path
from typing import Any, Dict, List

import numpy
import pytest
import sacrebleu
from fairseq.data import Dictionary, data_utils
from sacrebleu.metrics import BLEU, CHRF

from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.cli.report import heatmap
from fairseq_flexdepth.corpus.oracle import Oracle
from fairseq_flexdepth.depth.supported_depths import DepthPair
from fairseq_flexdepth.files.depth_labels import DepthLabels, load_labels
from tests.integration import cli
from tests.integration.interruption import interrupt_third_batch

DECODING = ("--cpu", "--beam", 3, "--max-len-b", 10, "--batch-size", 16, "--gen-subset", "valid")
PAIRS = [(n, m) for n in (1, 2, 3) for m in (1, 2)]


def oracle(*arguments: object) -> None:
    assert main(["oracle", *map(str, (*DECODING, *arguments))]) == 0


def labels(folder: Path, split: str = "valid") -> DepthLabels:
    return load_labels(str(folder), split, "--output")


def texts(data: Path, language: str) -> List[str]:
    dictionary = Dictionary.load(str(data / f"dict.{language}.txt"))
    sentences = data_utils.load_indexed_dataset(str(data / f"valid.src-tgt.{language}"), dictionary)
    return [dictionary.string(sentences[index]) for index in range(len(sentences))]


@pytest.fixture(scope="module")
def generated(data: Path, teacher: Path) -> Dict[DepthPair, List[str]]:
    """The translations of fairseq-generate at every depth pair."""
    found = {}
    for n, m in PAIRS:
        output = cli.generate(data, teacher, *DECODING, "--enc-layers", n, "--dec-layers", m)
        found[n, m] = [line.split("\t")[2] for line in cli.hypotheses(output)]
    return found


@pytest.mark.parametrize("metric", ["chrf", "bleu"])
def test_labels_equal_brute_force(
    data: Path, teacher: Path, generated: Dict[DepthPair, List[str]], tmp_path: Path, metric: str
) -> None:
    oracle(data, "--path", teacher, "--output", tmp_path, "--metric", metric)
    found, references = labels(tmp_path), texts(data, "tgt")
    judge: Any = CHRF() if metric == "chrf" else BLEU(effective_order=True, tokenize="none")
    expected = [
        [judge.sentence_score(generated[pair][index], [reference]).score for pair in PAIRS]
        for index, reference in enumerate(references)
    ]
    assert found.pairs == PAIRS
    numpy.testing.assert_array_equal(found.scores, expected)
    by_speed = sorted(PAIRS, key=lambda pair: (pair[1], pair[0]))
    chosen = [max(by_speed, key=lambda pair: row[PAIRS.index(pair)]) for row in expected]
    assert [PAIRS[column] for column in found.oracle] == chosen
    assert len(set(chosen)) > 1
    assert found.best.sum() > len(references)  # ties are kept

    report = json.loads((tmp_path / "valid.oracle.json").read_text())
    best = [generated[pair][index] for index, pair in enumerate(chosen)]
    assert report["oracle"]["bleu"] == pytest.approx(sacrebleu.corpus_bleu(best, [references]).score, abs=0.01)
    assert report["oracle"]["chrf"] == pytest.approx(sacrebleu.corpus_chrf(best, [references]).score, abs=0.01)
    deepest = sacrebleu.corpus_bleu(generated[3, 2], [references]).score
    assert report["deepest"]["bleu"] == pytest.approx(deepest, abs=0.01)
    assert [row["oracle"] for row in report["pairs"]] == [chosen.count(pair) for pair in PAIRS]
    assert sum(row["seconds"] for row in report["pairs"]) > report["deepest"]["seconds"] > 0
    assert all(found.seconds > 0)


def test_a_folder_holds_what_selectors_train_on(data: Path, teacher: Path, tmp_path: Path) -> None:
    folder = tmp_path / "labels"
    for split in ("valid", "test"):
        oracle(data, "--path", teacher, "--output", folder, "--gen-subset", split)
    assert {path.name for path in folder.iterdir()} == {
        "dict.src.txt",
        *(f"{split}.{rest}" for split in ("valid", "test") for rest in ("src.bin", "src.idx")),
        *(f"{split}.{rest}" for split in ("valid", "test") for rest in ("labels.npz", "oracle.json", "oracle.png")),
    }
    assert (folder / "valid.src.bin").read_bytes() == (data / "valid.src-tgt.src.bin").read_bytes()
    assert (folder / "dict.src.txt").read_bytes() == (data / "dict.src.txt").read_bytes()
    assert (folder / "valid.oracle.png").read_bytes().startswith(b"\x89PNG")


def test_shards_and_interruptions_leave_no_trace(
    data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (data, "--path", teacher, "--batch-size", 4, "--sampling", "--nbest", 3, "--output")
    oracle(*given, tmp_path / "whole")
    expected = labels(tmp_path / "whole")

    for shard in (1, 0):
        oracle(*given, tmp_path / "sharded", "--num-shards", 2, "--shard-id", shard)
        assert not list((tmp_path / "sharded").glob("valid.*.*"))
    oracle(*given, tmp_path / "sharded", "--num-shards", 2, "--merge")
    assert not list((tmp_path / "sharded").glob("*.work"))

    decoded = interrupt_third_batch(monkeypatch, Oracle, "score_batch")
    with pytest.raises(KeyboardInterrupt, match="now"):
        oracle(*given, tmp_path / "resumed")
    oracle(*given, tmp_path / "resumed")
    assert decoded == [0, 1, 2, 2, 3, 4]
    for folder in ("sharded", "resumed"):
        numpy.testing.assert_array_equal(labels(tmp_path / folder).scores, expected.scores)
        assert labels(tmp_path / folder).record == expected.record


def test_separately_trained_models_and_ensembles(data: Path, teacher: Path, checkpoint: Path, tmp_path: Path) -> None:
    sizes = {"share_all_embeddings": True, "encoder_ffn_embed_dim": 16}
    shallow, deep = (
        cli.save_model(tmp_path / f"{n}{m}.pt", data, "transformer", encoder_layers=n, decoder_layers=m, **sizes)
        for n, m in ((1, 1), (2, 1))
    )
    oracle(data, "--path", deep, "--path", shallow, "--output", tmp_path / "separate")
    found = labels(tmp_path / "separate")
    assert found.pairs == [(1, 1), (2, 1)]
    for column, path in enumerate((shallow, deep)):
        lines = cli.hypotheses(cli.generate(data, path, *DECODING))
        expected = [
            CHRF().sentence_score(line.split("\t")[2], [reference]).score
            for line, reference in zip(lines, texts(data, "tgt"))
        ]
        assert found.scores[:, column].tolist() == expected

    oracle(data, "--path", f"{teacher}:{checkpoint}", "--output", tmp_path / "ensemble")
    output = cli.generate(data, f"{teacher}:{checkpoint}", *DECODING, "--enc-layers", 2, "--dec-layers", 1)
    expected = [
        CHRF().sentence_score(line.split("\t")[2], [reference]).score
        for line, reference in zip(cli.hypotheses(output), texts(data, "tgt"))
    ]
    assert labels(tmp_path / "ensemble").scores[:, PAIRS.index((2, 1))].tolist() == expected


def test_sub_networks_that_are_no_prefixes(data: Path, tmp_path: Path) -> None:
    model = cli.save_model(
        tmp_path / "optimal.pt", data, "tied_multi_transformer", encoder_layers=6, subnetworks="optimal",
        encoder_depths="divisors", decoder_depths="2", encoder_normalize_before=True, share_all_embeddings=True,
    )  # fmt: skip
    oracle(data, "--path", model, "--output", tmp_path / "labels")
    found = labels(tmp_path / "labels")
    assert found.pairs == [(1, 2), (2, 2), (3, 2), (6, 2)]
    for column, (n, _) in enumerate(found.pairs):
        output = cli.hypotheses(cli.generate(data, model, *DECODING, "--enc-layers", n))
        expected = [
            CHRF().sentence_score(line.split("\t")[2], [reference]).score
            for line, reference in zip(output, texts(data, "tgt"))
        ]
        assert found.scores[:, column].tolist() == expected


def test_empty_sentences_have_no_labels(
    data: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    for name, lines in {"src": ["w1 w2", "", "w3", "w1"], "tgt": ["w2 w1", "w1", "", "w1"]}.items():
        (tmp_path / f"text.{name}").write_text("".join(f"{line}\n" for line in lines))
    cli.run(
        "fairseq-preprocess", "-s", "src", "-t", "tgt", "--srcdict", data / "dict.src.txt", "--joined-dictionary",
        "--destdir", tmp_path / "bin", "--validpref", tmp_path / "text",
    )  # fmt: skip
    oracle(tmp_path / "bin", "--path", teacher, "--output", tmp_path / "labels")
    found = labels(tmp_path / "labels")
    assert found.labelled.tolist() == [True, False, False, True]
    assert found.oracle.tolist()[1:3] == [PAIRS.index((3, 2))] * 2
    assert "2 empty sentences have no labels" in capsys.readouterr().out


def test_sentences_that_are_too_long(
    data: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    given = (data, "--path", teacher, "--output", tmp_path, "--max-source-positions", 4)
    assert main(["oracle", *map(str, (*DECODING, *given))]) == 2
    assert "error: valid: Size of sample" in capsys.readouterr().err
    oracle(*given, "--skip-invalid-size-inputs-valid-test")
    found, references = labels(tmp_path), texts(data, "tgt")
    assert found.labelled.tolist() == [len(reference.split()) < 4 for reference in references]
    assert f"{(~found.labelled).sum()} sentences that are too long have no labels" in capsys.readouterr().out
    report = json.loads((tmp_path / "valid.oracle.json").read_text())
    output = cli.generate(data, teacher, *DECODING, *given[-2:], "--skip-invalid-size-inputs-valid-test")
    expected = [line.split("\t")[2] for line in cli.hypotheses(output)]
    kept = [reference for reference, labelled in zip(references, found.labelled) if labelled]
    assert report["deepest"]["bleu"] == pytest.approx(sacrebleu.corpus_bleu(expected, [kept]).score, abs=0.01)


def test_an_interrupted_overwrite_leaves_nothing_half_new(
    data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (data, "--path", teacher, "--output", tmp_path)
    oracle(*given)

    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt("now")

    with monkeypatch.context() as patched:
        patched.setattr(heatmap, "draw_heatmap", interrupted)
        with pytest.raises(KeyboardInterrupt, match="now"):
            oracle(*given, "--metric", "bleu", "--overwrite")
    assert labels(tmp_path).record["metric"] == "chrf"
    oracle(*given, "--metric", "bleu", "--overwrite")
    assert labels(tmp_path).record["metric"] == "bleu"
    assert not list(tmp_path.glob("*.work"))


def test_mistakes_are_one_line_and_nothing_is_lost(
    data: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    def fails(message: str, *arguments: object) -> None:
        assert main(["oracle", *map(str, (*DECODING, *arguments))]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith(f"fairseq-flexdepth oracle: error: {message}"), line

    new, given = ("--output", tmp_path / "new"), (data, "--path", teacher)
    fails("--path: required", data, *new)
    fails(f"DATA {data}:{data}: expected one directory; decode each", f"{data}:{data}", "--path", teacher, *new)
    fails(f"--path {tmp_path / 'none.pt'}: no such file", *given, "--path", tmp_path / "none.pt", *new)
    twice = f"--path {teacher}: decodes at 1-1, which {teacher} does already; expected models of different depths"
    fails(twice, *given, "--path", teacher, *new)
    fails("--enc-layers 1: oracle decodes at every depth", *given, *new, "--enc-layers", 1)
    fails("--depth-selector oracle:x: oracle decodes at every depth", *given, *new, "--depth-selector", "oracle:x")
    fails("--shard-id 2: expected 0 to 1", *given, *new, "--num-shards", 2, "--shard-id", 2)
    fails(f"DATA {data}: no split none of src-tgt; it has test, train, valid", *given, *new, "--gen-subset", "none")
    monolingual = tmp_path / "mono"
    monolingual.mkdir()
    for path in data.iterdir():
        if path.name.startswith("dict.") or ".src-tgt.src." in path.name:
            (monolingual / path.name).write_bytes(path.read_bytes())
    fails("--gen-subset valid: expected references, oracle needs them", monolingual, "--path", teacher, *new)
    assert not (tmp_path / "new").exists()

    oracle(*given, *new)
    before = {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()}
    fails(f"--output {tmp_path / 'new'}: already has labels of valid; --overwrite", *given, *new)
    (tmp_path / "new" / "dict.src.txt").write_text("other 1\n")
    fails(f"--output {tmp_path / 'new'}: has labels for another source dictionary", *given, *new, "--overwrite")
    (tmp_path / "new" / "dict.src.txt").write_bytes(before["dict.src.txt"])
    assert {path.name: path.read_bytes() for path in (tmp_path / "new").iterdir()} == before
    oracle(*given, *new, "--overwrite")
