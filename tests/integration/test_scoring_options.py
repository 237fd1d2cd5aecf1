"""``--scoring sacrebleu``, ``--diverse-beam-groups`` and ``--retain-dropout`` in sweep and oracle."""

import json
from pathlib import Path
from typing import Any, Sequence, Tuple

import pytest
from sacrebleu.metrics import BLEU

from fairseq_flexdepth.cli.fairseq_options import parse_generation_options
from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.corpus.every_depth import EveryDepth
from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.files.depth_labels import load_labels
from tests.integration import cli

DECODING = ("--cpu", "--beam", 3, "--max-len-b", 10, "--num-workers", 0, "--no-progress-bar")
JOINED = ("--post-process", "sentencepiece")  # writes no spaces
CHINESE = {"w0": "我", "w1": "们", "w2": "吃W", "w3": "。", "w4": "Apfel", "w5": "饭", "w6": "x", "w7": "鱼"}


def ours(command: str, *arguments: Any) -> None:
    assert main([command, *map(str, (*arguments, *DECODING))]) == 0


@pytest.fixture(scope="module")
def chinese(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data with Chinese characters for words, and no spaces between them."""
    folder = tmp_path_factory.mktemp("chinese")
    for path in data.iterdir():
        name = path.name.replace("src-tgt.tgt", "src-zh.zh").replace("src-tgt", "src-zh").replace("dict.tgt", "dict.zh")
        content = path.read_bytes()
        if path.name.startswith("dict."):
            lines = [line.split(" ") for line in content.decode().splitlines()]
            content = "".join(f"{CHINESE.get(word, word)} {count}\n" for word, count in lines).encode()
        (folder / name).write_bytes(content)
    return folder


def printed(output: str) -> Tuple[float, Sequence[str]]:
    """The BLEU score that fairseq-generate prints, and its detokenised translations in the order of the data."""
    lines = output.splitlines()
    (bleu,) = [line for line in lines if line.startswith("Generate test with beam=3: BLEU")]
    texts = sorted((int(line[2:].split("\t")[0]), line.split("\t")[2]) for line in lines if line.startswith("D-"))
    return float(bleu.split(" = ")[1].split()[0]), [text for _, text in texts]


@pytest.mark.parametrize(
    ("options", "signature"),
    [
        (("--sacrebleu-tokenizer", "zh"), "case:mixed|eff:no|tok:zh"),
        (("--sacrebleu-lowercase", "--sacrebleu-char-level"), "case:lc|eff:no|tok:13a+characters"),
    ],
)
def test_bleu_is_what_generate_prints(
    chinese: Path,
    teacher: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    options: Tuple[str, ...],
    signature: str,
) -> None:
    scoring = (*JOINED, "--scoring", "sacrebleu", *options)
    depth = ("--enc-layers", 3, "--dec-layers", 2)
    bleu, texts = printed(cli.generate(chinese, teacher, *DECODING, *scoring, *depth))
    ours("sweep", chinese, "--path", teacher, "--output", tmp_path, "--depths", "3-2", *scoring)
    (row,) = json.loads((tmp_path / "sweep.json").read_text())
    assert (tmp_path / "e3d2.txt").read_text().splitlines() == texts
    assert row["bleu"] == bleu > 1
    assert signature in row["bleu_signature"]
    assert not any("--scoring" in line for line in caplog.messages)


def test_sentences_are_scored_alike(chinese: Path, teacher: Path, tmp_path: Path) -> None:
    scoring = (*JOINED, "--scoring", "sacrebleu", "--sacrebleu-tokenizer", "zh")
    given = (chinese, "--path", teacher, *scoring)
    ours("oracle", *given, "--output", tmp_path / "labels", "--metric", "bleu", "--gen-subset", "test")
    ours("sweep", *given, "--output", tmp_path / "report", "--depths", "3-2,1-1")
    judge = BLEU(effective_order=True, tokenize="zh")
    labels = load_labels(str(tmp_path / "labels"), "test", "--output")
    references = (tmp_path / "report" / "reference.txt").read_text().splitlines()
    for pair, name in (((3, 2), "e3d2.txt"), ((1, 1), "e1d1.txt")):
        texts = (tmp_path / "report" / name).read_text().splitlines()
        expected = [judge.sentence_score(text, [line]).score for text, line in zip(texts, references)]
        assert labels.scores[:, labels.pairs.index(pair)].tolist() == pytest.approx(expected)
    report = json.loads((tmp_path / "labels" / "test.oracle.json").read_text())
    assert "tok:zh" in report["deepest"]["bleu_signature"]
    rows = json.loads((tmp_path / "report" / "sweep.json").read_text())
    assert report["deepest"]["bleu"] == rows[1]["bleu"]


def test_diverse_beam_search_takes_a_sentence_as_if_it_were_alone(
    chinese: Path, teacher: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = (*DECODING, "--beam", 4, "--diverse-beam-groups", 2, "--diverse-beam-strength", 2)
    found = {}
    for size in (1, 7):
        given = (chinese, "--path", teacher, "--output", tmp_path / str(size), *options, "--batch-size", size)
        assert main(["sweep", *map(str, given), "--depths", "3-2", "--required-batch-size-multiple", "1"]) == 0
        found[size] = (tmp_path / str(size) / "e3d2.txt").read_text().splitlines()
    assert found[7] == found[1]
    generated = cli.hypotheses(cli.generate(chinese, teacher, *options, "--batch-size", 7))
    assert [line.split("\t")[2] for line in generated] == found[1]
    # Nothing was asked of BLEU.
    assert sum("zh does not write; use --scoring sacrebleu" in line for line in caplog.messages) == 2


def test_retained_dropout_depends_on_the_batch_and_the_seed_alone(data: Path, teacher: Path) -> None:
    def decoded(seed: int, numbers: Sequence[int]) -> Any:
        """The last of the batches *numbers* at every depth pair, after the others were decoded, as in a resumed run."""
        dropout = ("--retain-dropout", "--model-overrides", "{'dropout': 0.5}", "--seed", seed)
        given = (data, "--path", teacher, "--batch-size", 4, *dropout, *DECODING)
        split = Split(parse_generation_options([str(word) for word in given]))
        every_depth, batches = EveryDepth(split), split.batches()
        return [{depth: d.texts for depth, d in every_depth.each(n, batches[n])} for n in numbers][-1]

    assert decoded(1, (0, 1)) == decoded(1, (1,)) != decoded(2, (1,))
