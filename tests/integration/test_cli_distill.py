"""``fairseq-flexdepth distill`` on tiny teachers, mostly in this process: starting another takes seconds."""

import json
import math
from pathlib import Path
from typing import Any, Dict, List, NamedTuple, Tuple

import numpy
import pytest
from fairseq.data import Dictionary, data_utils
from sacrebleu.metrics import BLEU

from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.corpus.distill import Distiller
from tests.integration import cli

# Some of the teacher's hypotheses end at --max-len-b.
DECODING = ("--cpu", "--beam", 3, "--max-len-b", 5, "--batch-size", 32, "--seed", 3)


class Hypothesis(NamedTuple):
    """A hypothesis as fairseq-generate prints it."""

    text: str
    log_probability: float

    @property
    def cut_off(self) -> bool:
        return len(self.text.split()) == 5


@pytest.fixture(scope="module")
def generated(data: Path, teacher: Path) -> List[List[Hypothesis]]:
    """The k-best lists of the training set, from fairseq-generate."""
    output = cli.generate(data, teacher, *DECODING, "--nbest", 3, "--gen-subset", "train")
    found: Dict[int, List[Hypothesis]] = {}
    for line in output.splitlines():
        if line.startswith("H-"):
            number, _, text = line[2:].split("\t")
        elif line.startswith("P-"):
            log_probability = sum(map(float, line.split("\t")[1].split())) * math.log(2)
            found.setdefault(int(number), []).append(Hypothesis(text, log_probability))
    return [found[number] for number in range(200)]


def distill(*arguments: object) -> None:
    assert main(["distill", *map(str, (*arguments, *DECODING))]) == 0


def pairs(folder: Path, split: str = "train") -> List[Tuple[str, str]]:
    """The sentence pairs of a binarised split, as text; each side ends with the end symbol."""
    sides = []
    for language in ("src", "tgt"):
        dictionary = Dictionary.load(str(folder / f"dict.{language}.txt"))
        dataset = data_utils.load_indexed_dataset(str(folder / f"{split}.src-tgt.{language}"), dictionary)
        assert all(dataset[index][-1] == dictionary.eos() for index in range(len(dataset)))
        sides.append([dictionary.string(dataset[index]) for index in range(len(dataset))])
    return list(zip(*sides))


def contents(folder: Path) -> Dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_best_hypotheses_are_those_of_generate(
    data: Path, teacher: Path, generated: List[List[Hypothesis]], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    destination = tmp_path / "kd"
    distill(data, "--path", teacher, "--dest", destination, "--save-text")
    sources = [source for source, _ in pairs(data)]
    assert len({hypotheses[0].text for hypotheses in generated}) > 50
    best = [(source, best.text) for source, (best, *_) in zip(sources, generated) if not best.cut_off]
    assert 0 < len(best) < 200
    assert pairs(destination) == best
    assert [tuple(lines) for lines in zip(*_texts(destination))] == best

    record = json.loads((destination / "distill.json").read_text())
    dropped = {"length": 200 - len(best), "ratio": 0, "empty": 0, "unknown": 0}
    assert (record["sources"], record["kept"], record["pairs"]) == (200, len(best), len(best))
    assert record["dropped"] == dropped
    assert (record["settings"]["beam"], record["settings"]["select"]) == (3, "best")
    output = capsys.readouterr().out
    assert f"kept {len(best)} of 200 sources" in output
    assert f"dropped: length {dropped['length']}, ratio 0, empty 0, unknown 0" in output
    carried = {name: file for name, file in contents(data).items() if name.startswith(("dict.", "valid.", "test."))}
    assert len(carried) == 10
    assert carried.items() <= contents(destination).items()
    assert not destination.with_name("kd.work").exists()

    log = cli.train(destination, tmp_path / "student", "--max-update", 2, "--max-tokens", 100)
    assert '"valid_loss"' in log


def _texts(folder: Path) -> List[List[str]]:
    return [(folder / f"train.{language}").read_text().splitlines() for language in ("src", "tgt")]


def test_the_hypotheses_closest_to_the_references(
    data: Path, teacher: Path, generated: List[List[Hypothesis]], tmp_path: Path
) -> None:
    distill(data, "--path", teacher, "--dest", tmp_path / "inter", "--select", "sentence-bleu")
    metric = BLEU(effective_order=True, tokenize="none")
    expected, not_the_best = [], 0
    for (source, reference), hypotheses in zip(pairs(data), generated):
        scores = [metric.sentence_score(hypothesis.text, [reference]).score for hypothesis in hypotheses]
        chosen = hypotheses[scores.index(max(scores))]
        if not chosen.cut_off:
            expected.append((source, chosen.text))
            not_the_best += chosen != hypotheses[0]
    assert pairs(tmp_path / "inter") == expected
    assert not_the_best > 5


def test_all_hypotheses_with_weights(
    data: Path, teacher: Path, generated: List[List[Hypothesis]], tmp_path: Path
) -> None:
    distill(data, "--path", teacher, "--dest", tmp_path / "all", "--select", "all")
    expected, weights = [], []
    for (source, _), hypotheses in zip(pairs(data), generated):
        kept = [hypothesis for hypothesis in hypotheses if not hypothesis.cut_off]
        total = sum(math.exp(hypothesis.log_probability) for hypothesis in kept)
        expected += [(source, hypothesis.text) for hypothesis in kept]
        weights += [math.exp(hypothesis.log_probability) / total for hypothesis in kept]
    assert pairs(tmp_path / "all") == expected
    found = numpy.load(tmp_path / "all" / "train.src-tgt.weights.npy")
    assert found.dtype == numpy.float32
    assert found.tolist() == pytest.approx(weights, rel=1e-3)

    options = ("--max-update", 2, "--criterion")
    log = cli.train(tmp_path / "all", tmp_path / "student", *options, "word_kd", "--kd-alpha", 0)
    assert "valid_nll_loss" in log
    log = cli.train(tmp_path / "all", tmp_path / "refused", *options, "label_smoothed_cross_entropy", fails=True)
    assert "train.src-tgt.weights.npy: the criterion would ignore these weights" in log
    assert not (tmp_path / "refused" / "crash.pt").exists()
    distill(tmp_path / "all", "--path", teacher, "--dest", tmp_path / "again")


def test_references_and_hypotheses(
    data: Path, teacher: Path, generated: List[List[Hypothesis]], tmp_path: Path
) -> None:
    distill(data, "--path", teacher, "--dest", tmp_path / "mixture", "--select", "mixture")
    expected = []
    for (source, reference), (best, *_) in zip(pairs(data), generated):
        if not best.cut_off:
            expected += [(source, reference), (source, best.text)]
    assert pairs(tmp_path / "mixture") == expected


# Sampling must be seeded per batch; sources are dropped for several reasons.
SAMPLED = ("--sampling", "--select", "all", "--max-length", 5, "--max-ratio", 1.2, "--save-text")


def test_shards_and_interruptions_leave_no_trace(data: Path, teacher: Path, tmp_path: Path) -> None:
    options = (data, "--path", teacher, *SAMPLED)
    distill(*options, "--dest", tmp_path / "whole")
    whole = contents(tmp_path / "whole")
    record = json.loads(whole["distill.json"])
    assert record["dropped"]["length"] > 0
    assert record["dropped"]["ratio"] > 0
    assert record["settings"]["sampling"]

    sharded = (*options, "--dest", tmp_path / "sharded", "--num-shards", 3)
    for shard in (2, 0, 1):
        distill(*sharded, "--shard-id", shard)
        assert not (tmp_path / "sharded").exists()
    file = tmp_path / "sharded.work" / "shard-1-of-3.jsonl"
    finished = file.read_bytes()
    header = finished.index(b"\n") + 1
    for cut in (0, header // 2, header, header + 1, len(finished) // 2, len(finished) - 1):
        file.write_bytes(finished[:cut])
        distill(*sharded, "--shard-id", 1)
        assert file.read_bytes() == finished, cut
    distill(*sharded, "--merge")
    assert contents(tmp_path / "sharded") == whole
    assert not file.parent.exists()


def test_a_run_that_is_interrupted_goes_on_where_it_was(
    data: Path, teacher: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = (data, "--path", teacher, *SAMPLED, "--dest")
    distill(*options, tmp_path / "whole")
    decoded: List[int] = []
    decode = Distiller.distill

    def interrupted(distiller: Distiller, number: int, batch: Any) -> Any:
        if len(decoded) in (2, 5):
            decoded.append(-1)
            raise KeyboardInterrupt("now")
        decoded.append(number)
        return decode(distiller, number, batch)

    monkeypatch.setattr(Distiller, "distill", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt, match="now"):
            distill(*options, tmp_path / "resumed")
    distill(*options, tmp_path / "resumed")
    assert decoded == [0, 1, -1, 2, 3, -1, 4, 5, 6]
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")

    (tmp_path / "resumed" / "leftover").touch()
    distill(*options, tmp_path / "resumed", "--overwrite")
    assert contents(tmp_path / "resumed") == contents(tmp_path / "whole")


def test_any_encoder_decoder_and_ensembles_at_any_depth(
    data: Path, teacher: Path, checkpoint: Path, tmp_path: Path
) -> None:
    sizes = {"encoder_layers": 2, "encoder_hidden_size": 8, "decoder_hidden_size": 8}
    lstm = cli.save_model(tmp_path / "lstm.pt", data, "lstm", criterion="cross_entropy", **sizes)
    distill(data, "--path", f"{lstm}:{lstm}", "--dest", tmp_path / "lstm", "--gen-subset", "valid", "--sampling")
    assert (tmp_path / "lstm" / "train.src-tgt.src.bin").read_bytes() == (data / "train.src-tgt.src.bin").read_bytes()

    distill(
        data, "--path", f"{teacher}:{checkpoint}", "--dest", tmp_path / "shallow", "--gen-subset", "test",
        "--enc-layers", 1, "--dec-layers", 2,
    )  # fmt: skip
    output = cli.generate(data, f"{teacher}:{checkpoint}", *DECODING, "--enc-layers", 1, "--dec-layers", 2)
    expected = [line.split("\t")[2] for line in cli.hypotheses(output)]
    kept = [text for text in expected if len(text.split()) < 5]
    assert [target for _, target in pairs(tmp_path / "shallow", "test")] == kept


def test_sources_that_are_too_long_for_the_teacher_are_counted(data: Path, teacher: Path, tmp_path: Path) -> None:
    distill(data, "--path", teacher, "--dest", tmp_path / "short", "--max-source-positions", 4)
    sources = [source for source, _ in pairs(tmp_path / "short")]
    assert max(len(source.split()) for source in sources) == 3
    record = json.loads((tmp_path / "short" / "distill.json").read_text())
    assert record["dropped"]["length"] == 200 - len(sources)


def test_mistakes_are_one_line_and_nothing_is_lost(
    data: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    def fails(message: str, *arguments: object) -> None:
        assert main(["distill", *map(str, (*arguments, *DECODING))]) == 2
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith(f"fairseq-flexdepth distill: error: {message}"), line

    new, given = ("--dest", tmp_path / "new"), (data, "--path", teacher)
    language_model = cli.save_model(tmp_path / "lm.pt", data, "transformer_lm", tokens_per_sample=64)
    fails(f"DATA {tmp_path / 'none'}: no such directory", tmp_path / "none", "--path", teacher, *new)
    fails(f"DATA {data}:{data}: expected one directory", f"{data}:{data}", "--path", teacher, *new)
    fails(f"--path {tmp_path / 'none.pt'}: no such file", data, "--path", tmp_path / "none.pt", *new)
    fails("--path: required", data, *new)
    fails(f"--path {language_model}: holds a TransformerLanguageModel", data, "--path", language_model, *new)
    fails(f"DATA {data}: no split none of src-tgt; it has test, train, valid", *given, *new, "--gen-subset", "none")
    fails("--shard-id 3: expected 0 to 2 with --num-shards 3", *given, *new, "--num-shards", 3, "--shard-id", 3)
    fails("--num-shards 0: expected 1 or more", *given, *new, "--num-shards", 0)
    fails("--max-length 0: expected 1 or more", *given, *new, "--max-length", 0)
    fails("--max-ratio 0.5: expected 1 or more", *given, *new, "--max-ratio", 0.5)
    fails("--nbest 2: expected 3, the value of --beam: all hypotheses are used", *given, *new, "--nbest", 2)
    fails("--score-reference: not supported", *given, *new, "--score-reference")
    fails("--enc-layers 9: this model supports 1,2,3", *given, *new, "--enc-layers", 9)
    fails("fairseq refuses these options: --sampling-topk requires", *given, *new, "--sampling-topk", 5)
    fails("--max-tokens 5: ", *given, *new, "--max-tokens", 5)
    fails("--dest " + str(data) + ": exists and was not made by distill", *given, "--dest", data, "--overwrite")
    assert not list(tmp_path.glob("new*"))

    dropped = "not written, because every source was dropped: length 200"
    fails(f"--dest {tmp_path / 'new'}: {dropped}", *given, *new, "--min-len", 5)
    assert not list(tmp_path.glob("new*"))  # the corrected command is not refused
    shard = tmp_path / "new.work" / "shard-0-of-2.jsonl"
    fails(f"--merge: {shard}, ", *given, *new, "--num-shards", 2, "--merge")
    distill(*given, *new, "--num-shards", 2)
    other = (*given, *new, "--num-shards", 2, "--min-len", 5)
    fails(f"{shard}: made with min_len None, now 5; resume with the same options and data, or start again with", *other)
    shard.with_name("shard-1-of-2.jsonl").touch()
    fails(f"{shard}: made with min_len None, now 5; ", *other, "--merge", "--overwrite")
    distill(*other, "--overwrite")
    whole = shard.read_bytes()
    shard.write_bytes(whole.replace(b'"length"', b'"ratio"', 1))
    fails(f"{shard}: line 2 is damaged; --overwrite decodes this shard again", *other)
    distill(*other, "--overwrite")
    assert shard.read_bytes() == whole
    distill(*given, *new, "--num-shards", 2, "--overwrite")
    shard.write_bytes(shard.read_bytes()[:-1])
    fails(f"--merge: not finished: {shard} (3 of 4 batches), ", *given, *new, "--num-shards", 2, "--merge")


def test_parts_of_the_training_data_become_one(data: Path, teacher: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    for name, content in contents(data).items():
        (parts / name).write_bytes(content)
        if name.startswith("valid."):
            (parts / name.replace("valid", "train1")).write_bytes(content)
    distill(parts, "--path", teacher, "--dest", tmp_path / "kd", "--select", "mixture")
    distill(data, "--path", teacher, "--dest", tmp_path / "valid", "--select", "mixture", "--gen-subset", "valid")
    assert json.loads((tmp_path / "kd" / "distill.json").read_text())["sources"] == 220
    tail = pairs(tmp_path / "valid", "valid")
    assert pairs(tmp_path / "kd")[-len(tail) :] == tail
    assert not list((tmp_path / "kd").glob("train1.*"))


def test_data_without_references(data: Path, teacher: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    monolingual = tmp_path / "mono"
    monolingual.mkdir()
    for name, content in contents(data).items():
        if not name.startswith("train.src-tgt.tgt"):
            (monolingual / name).write_bytes(content)
    for selection in ("sentence-bleu", "mixture"):
        command = ("distill", monolingual, "--path", teacher, "--dest", tmp_path / "no", "--select", selection)
        assert main([*map(str, (*command, *DECODING))]) == 2
        message = f"error: --gen-subset train: expected references, --select {selection} needs them"
        assert message in capsys.readouterr().err
    distill(monolingual, "--path", teacher, "--dest", tmp_path / "kd")
    distill(data, "--path", teacher, "--dest", tmp_path / "same")
    assert pairs(tmp_path / "kd") == pairs(tmp_path / "same")
