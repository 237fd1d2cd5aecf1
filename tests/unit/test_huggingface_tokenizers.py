"""The tokenizers of a Hugging Face folder number tokens as fairseq's dictionaries do, unknown ones too."""

import io
from pathlib import Path
from typing import Any, Iterable, List

import pytest
import sentencepiece
from fairseq.data import Dictionary
from sacremoses import MosesTokenizer
from subword_nmt.apply_bpe import BPE
from subword_nmt.learn_bpe import learn_bpe

from fairseq_flexdepth.export.huggingface.subwords import Subwords, check_subwords
from fairseq_flexdepth.export.huggingface.tokenizer_files import write_tokenizer
from fairseq_flexdepth.export.loaded_model import LoadedModel
from tests.exportable import loaded

transformers = pytest.importorskip("transformers", reason="the extra huggingface is not installed")

TEXT = ["Ein kleiner Hund läuft.", "Ein Mann-Hund läuft schnell.", "Zwei Männer laufen klein-klein.", "Ein Hund!"]
KNOWN = TEXT[:2]  # the dictionary's text


def with_dictionaries(source: Iterable[str], target: Iterable[str]) -> LoadedModel:
    """A model whose dictionaries hold the tokens of these lines."""
    original = loaded()
    original.task.cfg.source_lang = original.task.cfg.target_lang = "de"
    for side, lines in (("source", source), ("target", target)):
        dictionary = Dictionary()
        for token in dict.fromkeys(token for line in lines for token in line.split()):
            dictionary.add_symbol(token)
        setattr(original.task, f"{side}_dictionary", dictionary)
    return original


def tokenizer_of(original: LoadedModel, subwords: Subwords, folder: Path, **options: Any) -> Any:
    """The tokenizer, written and loaded; ``AutoTokenizer`` reads the model's type, too."""
    check_subwords(original, subwords)
    folder.mkdir()
    write_tokenizer(original, subwords, str(folder))
    (folder / "config.json").write_text('{"model_type": "m2m_100"}')
    return transformers.AutoTokenizer.from_pretrained(folder, **options)


def encoded(dictionary: Dictionary, lines: Iterable[str]) -> List[List[int]]:
    return [dictionary.encode_line(line, add_if_not_exist=False, append_eos=True).tolist() for line in lines]


def spm_model(folder: Path) -> str:
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_prefix=str(folder / "spm"), vocab_size=40, hard_vocab_limit=False,
        minloglevel=2,
    )  # fmt: skip
    return str(folder / "spm.model")


@pytest.mark.parametrize("separate", [False, True])
def test_sentencepiece(separate: bool, tmp_path: Path) -> None:
    path = spm_model(tmp_path)
    processor = sentencepiece.SentencePieceProcessor(model_file=path)
    pieces = [" ".join(processor.encode(line, out_type=str)) for line in TEXT]
    original = with_dictionaries(pieces[:2], reversed(pieces[:2]) if separate else pieces[:2])
    tokenizer = tokenizer_of(original, Subwords([path]), tmp_path / "hf")
    source, target = original.task.source_dictionary, original.task.target_dictionary
    assert tokenizer(TEXT)["input_ids"] == encoded(source, pieces)
    assert any(source.unk() in ids for ids in encoded(source, pieces))
    assert tokenizer.batch_decode(encoded(target, pieces[:2]), skip_special_tokens=True) == KNOWN
    padded = tokenizer(TEXT, padding=True)
    assert padded["input_ids"][3][-1] == source.pad() and padded["attention_mask"][3][-1] == 0
    assert tokenizer.model_max_length == 64


def test_subword_nmt(tmp_path: Path) -> None:
    moses = MosesTokenizer(lang="de")
    tokens = [moses.tokenize(line, aggressive_dash_splits=True, return_str=True) for line in TEXT]
    codes = tmp_path / "codes"
    with codes.open("w", encoding="utf-8") as file:
        learn_bpe(tokens, file, 12)
    bpe = BPE(io.StringIO(codes.read_text(encoding="utf-8")))
    subwords = [bpe.process_line(line) for line in tokens]
    original = with_dictionaries(subwords[:2], reversed(subwords[:2]))
    tokenizer = tokenizer_of(original, Subwords(bpe_codes=str(codes)), tmp_path / "hf")
    source, target = original.task.source_dictionary, original.task.target_dictionary
    assert tokenizer(TEXT)["input_ids"] == encoded(source, subwords)
    assert any(source.unk() in ids for ids in encoded(source, subwords))
    assert tokenizer.batch_decode(encoded(target, subwords[:2]), skip_special_tokens=True) == KNOWN


def test_tokens_of_two_dictionaries(tmp_path: Path) -> None:
    original = with_dictionaries(KNOWN, reversed(KNOWN))
    tokenizer = tokenizer_of(original, Subwords(), tmp_path / "hf")
    assert tokenizer(TEXT)["input_ids"] == encoded(original.task.source_dictionary, TEXT)
    ids = encoded(original.task.target_dictionary, KNOWN)
    target = transformers.AutoTokenizer.from_pretrained(tmp_path / "hf", subfolder="target")
    assert target.batch_decode(ids, skip_special_tokens=True) == KNOWN


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    original = with_dictionaries(["one two"], ["three"])
    for name, text in (
        ("text", "hello\n"), ("old", "#version: 0.1\na b\n"), ("other", "#version: 0.2\nx y</w>\n"),
        ("longer", "#version: 0.2\na b c\n"),
    ):  # fmt: skip
        (tmp_path / name).write_text(text)
    model = spm_model(tmp_path)
    for subwords, message in (
        (Subwords([model]), f"--sentencepiece-model {model}: none of its tokens is in the model's dictionary"),
        (Subwords([str(tmp_path / "text")]), "text: not a sentencepiece model"),
        (Subwords(bpe_codes=str(tmp_path / "text")), "text: expected codes of subword-nmt that start"),
        (Subwords(bpe_codes=str(tmp_path / "old")), "old: expected codes of subword-nmt"),
        (Subwords(bpe_codes=str(tmp_path / "longer")), "longer: expected codes of subword-nmt"),
        (Subwords(bpe_codes=str(tmp_path / "other")), "other: none of its tokens is in the model's dictionary"),
    ):
        with pytest.raises(ValueError, match=message):
            check_subwords(original, subwords)
