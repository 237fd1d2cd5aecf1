"""``fairseq-flexdepth translate``: standard input at several depth pairs."""

import io
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, List, Tuple

import pytest
import torch

import fairseq_flexdepth
from fairseq_flexdepth.cli import translate
from fairseq_flexdepth.cli.main import build_parser, main

SENTENCES = ["w1 w2 w3", "w4 w5"]


@pytest.fixture
def run(teacher: Path, data: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    def run_on(text: bytes, *options: Any) -> int:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        return main(["translate", "--path", str(teacher), "--data", str(data), *map(str, options)])

    return run_on


def test_sentences_at_several_depths(run: Any, teacher: Path, data: Path, capsys: pytest.CaptureFixture) -> None:
    pairs = [(1, 1), (3, 2)]
    text = "\ufeff{}\r\n\n  {}".format(*SENTENCES).encode()
    assert run(text, "--beam", 2, "--depths", "3-2,1-1", "--json") == 0
    result = json.loads(capsys.readouterr().out)
    hub = fairseq_flexdepth.load(str(teacher), data=str(data))
    assert [found["source"] for found in result["sentences"]] == SENTENCES
    for index, pair in enumerate(pairs):
        hub.set_depth(*pair)
        for found, expected in zip(result["sentences"], hub.translate(SENTENCES, beam=2)):
            translation = found["translations"][index]
            assert (translation["enc_layers"], translation["dec_layers"]) == pair
            assert translation["translation"] == expected
            assert translation["milliseconds"] > 0


def test_a_line_per_depth() -> None:
    set_to: List[Tuple[int, int]] = []
    hub: Any = SimpleNamespace(
        device=torch.device("cpu"),
        encode=str.split,
        set_depth=lambda *pair: set_to.append(pair),
        generate=lambda sentences, beam: [[{"tokens": f"{sentences[0]} {set_to[-1]} {beam}"}]],
        decode=str,
    )
    found = translate.translate(hub, "a b", [(1, 1), (3, 12)], beam=4)
    assert set_to == [(1, 1), (1, 1), (3, 12)]  # the first one is the warm-up
    times = [f"{translation.milliseconds:8.1f}" for translation in found]
    assert translate._text("a b", found).splitlines() == [
        "a b", f"  1-1  {times[0]} ms  ['a', 'b'] (1, 1) 4", f" 3-12  {times[1]} ms  ['a', 'b'] (3, 12) 4",
    ]  # fmt: skip


def test_subwords_and_tokenizer_reach_the_model(teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "codes").write_text("#version: 0.2\nw 1\n")
    options = ["--path", str(teacher), "--tokenizer", "moses", "--bpe-codes", str(tmp_path / "codes"), "--cpu"]
    interface = translate._load(build_parser().parse_args(["translate", *options]))
    assert interface.apply_bpe(interface.tokenize("w1, w2")) == "w@@ 1 , w@@ 2"
    assert interface.detokenize(interface.remove_bpe("w@@ 1 , w2")) == "w1, w2"
    monkeypatch.setattr("fairseq_flexdepth.decoding.hub.load", lambda *given, **overrides: (given, overrides))
    given = translate._load(
        build_parser().parse_args(["translate", "--path", "x", "--data", "y", "--sentencepiece", "z", "--cpu"])
    )
    assert given == (("x", "y"), {"bpe": "sentencepiece", "sentencepiece_model": "z"})


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (b"w1", ["--depths", "7-1"], "--depths 7-1: {path} supports 1-1, 1-2, 2-1, 2-2, 3-1, 3-2"),
        (b" \n", [], "standard input: expected sentences, one per line"),
        (b"\xff", [], "standard input: expected text in UTF-8"),
        (b"w1", ["--beam", 0], "--beam 0: expected 1 or more"),
        (b"w1", ["--sentencepiece", "absent"], "--sentencepiece absent: no such file"),
        (b"w1", ["--data", "absent"], "--data absent: no such folder"),
        (b"w1 " * 2000, ["--depths", "1-1"], "input: "),
    ],
)
def test_mistakes(run: Any, text: bytes, options: Any, message: str, teacher: Path, capsys: Any) -> None:
    assert run(text, *options) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith(f"fairseq-flexdepth translate: error: {message.format(path=teacher)}")
    assert output.err.count("\n") == 1
