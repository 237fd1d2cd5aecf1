"""``export --format huggingface`` and the example of two depths in ``transformers``, by their commands."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
from fairseq.data import Dictionary

from fairseq_flexdepth.cli.main import main
from tests import tiny
from tests.command_lines import shell_commands
from tests.integration import cli

transformers = pytest.importorskip("transformers", reason="the extra huggingface is not installed")

EXAMPLE = cli.REPOSITORY / "examples" / "huggingface.md"
TEXT = ["Morgen wird meine Freundin in der Firma arbeiten.", "Am Nachmittag malen die Leiter Bilder."]


def export(checkpoint: Path, output: Path, *options: Any) -> int:
    arguments = ["--path", checkpoint, "--output", output, "--format", "huggingface", *options]
    return main(["export", *map(str, arguments)])


def load(folder: Path) -> Any:
    loaders = transformers.AutoModelForSeq2SeqLM, transformers.AutoTokenizer
    return [loader.from_pretrained(folder) for loader in loaders]


def test_a_trained_model_translates_as_fairseq_generate(
    data: Path, checkpoint: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    folder = tmp_path / "new" / "hf"
    assert export(checkpoint, folder, "--enc-layers", 2, "--max-len-b", 10, "--json") == 0
    summary = json.loads(capsys.readouterr().out)
    files = [path for path in folder.iterdir() if path.is_file()]
    assert summary["bytes"] == sum(path.stat().st_size for path in files)
    assert (summary["encoder_layers"], summary["decoder_layers"]) == ([1, 2], [1, 2])
    assert {path.name for path in files} == {
        "README.md", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
        "tokenizer_config.json",
    }  # fmt: skip
    assert len({path.stat().st_mode for path in files}) == 1
    output = cli.generate(data, checkpoint, "--enc-layers", 2, "--beam", 1)
    sources = [line for line in output.splitlines() if line.startswith("S-")]
    sources.sort(key=lambda line: int(line[2:].split()[0]))
    model, tokenizer = load(folder)
    inputs = tokenizer([line.split("\t")[1] for line in sources], return_tensors="pt", padding=True)
    found = model.generate(inputs["input_ids"], attention_mask=inputs["attention_mask"], num_beams=1)
    expected = [line.split("\t")[2] for line in cli.hypotheses(output)]
    assert tokenizer.batch_decode(found, skip_special_tokens=True) == expected


def quickstart(folder: Path) -> None:
    """The files of the quickstart's results that the example names, of an untrained model."""
    for name in ("model", "bpe", "sweep", "bin"):
        (folder / name).mkdir(parents=True)
    prefix = folder / "bpe" / "sentencepiece.bpe"
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_prefix=str(prefix), vocab_size=60, hard_vocab_limit=False, minloglevel=2
    )
    pieces = sentencepiece.SentencePieceProcessor(model_file=f"{prefix}.model")
    dictionary = Dictionary()
    for index in range(3, len(pieces)):
        dictionary.add_symbol(pieces.id_to_piece(index))
    for side in ("src", "tgt"):
        dictionary.save(str(folder / "bin" / f"dict.{side}.txt"))
    path = folder / "model" / "checkpoint_last.pt"
    cli.save_model_with_cfg(
        path, folder / "bin", "tied_multi_transformer", decoder_layers=3, share_all_embeddings=True,
        max_source_positions=128, max_target_positions=128,
    )  # fmt: skip
    row = {"path": str(path), "bleu": 12.345, "sentences": 500, "beam": 4, "bleu_signature": "nrefs:1|case:mixed"}
    rows = [{**row, "enc_layers": 3, "dec_layers": depth, "bleu": 10.0 + depth} for depth in (1, 2, 3)]
    (folder / "sweep" / "sweep.json").write_text(json.dumps(rows))


def test_the_example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(tmp_path)
    quickstart(Path("examples/quickstart/work"))
    text = EXAMPLE.read_text(encoding="utf-8")
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    commands = [words for language, block in blocks if not language for words in shell_commands(block)]
    exports = [words for words in commands if words[0] == "fairseq-flexdepth"]
    assert len(exports) == 2
    for words in exports:
        assert main(words[1:]) == 0
    (program,) = [block for language, block in blocks if language == "python"]
    exec(compile(program, str(EXAMPLE), "exec"), {})
    settings = json.loads(Path("deep/generation_config.json").read_text())
    assert (settings["num_beams"], settings["length_penalty"], settings["max_length"]) == (4, 0.6, 52)
    card = Path("deep/README.md").read_text()
    for line in (
        "# src to tgt, 3 encoder and 3 decoder layers",
        "| BLEU | 13.00 on 500 sentences, beam 4 (nrefs:1, case:mixed) |",
        "| data | bin; dictionaries of ", "--enc-layers 3 --dec-layers 3 --format huggingface --output deep ",
        'AutoTokenizer.from_pretrained(folder)\ntarget = tokenizer\ninputs = tokenizer(["A sentence."]',
    ):  # fmt: skip
        assert line in card
    assert "BLEU" not in Path("shallow/README.md").read_text()
    sweep = "examples/quickstart/work/sweep/sweep.json"
    assert export(Path(exports[0][3]), Path("new"), "--enc-layers", 1, "--sweep", sweep) == 2
    assert f"--sweep {sweep}: has no row of --path {exports[0][3]} at depth 1-3" in capsys.readouterr().err
    shutil.rmtree("shallow")
    (tmp_path / "shallow").mkdir()
    (tmp_path / "shallow" / "mine").touch()
    assert export(Path(exports[0][3]), Path("shallow")) == 2
    assert "exists and is not a model of --format huggingface; expected a new folder" in capsys.readouterr().err


def test_what_cannot_be_exported_is_reported_at_once(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    checkpoint = cli.save_model_with_cfg(
        tmp_path / "model.pt", data, "tied_multi_transformer", **tiny.NORMS["Pre-LN"], cross_self_attention=True,
        no_decoder_final_norm=True, decoder_input_dim=6,
    )  # fmt: skip
    assert export(checkpoint, tmp_path / "hf") == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    for reason in (
        "cannot be exported to huggingface: ", "--cross-self-attention: not in transformers",
        "--decoder-input-dim 6: transformers needs the --decoder-embed-dim, ", "--no-decoder-final-norm: transformers ",
        "--encoder-normalize-before without --share-all-embeddings: M2M100ForConditionalGeneration has one table",
    ):  # fmt: skip
        assert reason in line
    assert [path.name for path in tmp_path.iterdir()] == ["model.pt"]
