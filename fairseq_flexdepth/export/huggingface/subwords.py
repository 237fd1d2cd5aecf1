"""The model that splits words into the dictionary's tokens: sentencepiece's, subword-nmt's codes, or none."""

from typing import List, NamedTuple, Optional, Sequence

from fairseq.data import Dictionary

from fairseq_flexdepth.export.loaded_model import LoadedModel
from fairseq_flexdepth.files.text import read_lines

CONTINUED = "@@"  # ends a token of subword-nmt that does not end a word
WORD_END = "</w>"  # ends a symbol of subword-nmt's codes that does
VERSION = "#version: 0.2"  # of the codes; earlier ones mark the ends of words in another way


class Subwords(NamedTuple):
    """Files that split words; at most one kind is given."""

    sentencepiece: Sequence[str] = ()  # one file, or the source's and the target's
    bpe_codes: Optional[str] = None

    @property
    def splits(self) -> bool:
        """Whether there is a model at all."""
        return bool(self.sentencepiece or self.bpe_codes)


def check_subwords(loaded: LoadedModel, subwords: Subwords) -> None:
    """Check that the files can be read and make tokens of the model's dictionaries.

    Raises:
        ValueError: a file is of another kind, or the dictionary has none of its tokens.
    """
    dictionaries = loaded.task.source_dictionary, loaded.task.target_dictionary
    if subwords.sentencepiece:
        for dictionary, path in zip(dictionaries, (subwords.sentencepiece[0], subwords.sentencepiece[-1])):
            _check_known(dictionary, _pieces(path), f"--sentencepiece-model {path}")
    if subwords.bpe_codes:
        tokens = [_token("".join(merge.split(" "))) for merge in read_merges(subwords.bpe_codes)]
        for dictionary in dictionaries:
            _check_known(dictionary, tokens, f"--bpe-codes {subwords.bpe_codes}")


def read_merges(path: str) -> List[str]:
    """The merges of subword-nmt's codes: two symbols separated by a space.

    Raises:
        ValueError: the file holds no codes of version 0.2.
    """
    lines = read_lines(path, "--bpe-codes")
    merges = [line.rstrip(" ") for line in lines[1:]]
    if not lines or not lines[0].startswith(VERSION) or any(len(merge.split(" ")) != 2 for merge in merges):
        raise ValueError(f"--bpe-codes {path}: expected codes of subword-nmt that start with {VERSION}")
    return merges


def _pieces(path: str) -> List[str]:
    """The pieces of a sentencepiece model, without its special and byte symbols."""
    import sentencepiece

    try:
        model = sentencepiece.SentencePieceProcessor(model_file=path)
    except (RuntimeError, OSError) as error:
        raise ValueError(f"--sentencepiece-model {path}: not a sentencepiece model") from error
    special = (model.is_unknown, model.is_control, model.is_byte)
    return [model.id_to_piece(index) for index in range(len(model)) if not any(test(index) for test in special)]


def _token(merged: str) -> str:
    """The dictionary's token for the result of a merge."""
    return merged[: -len(WORD_END)] if merged.endswith(WORD_END) else merged + CONTINUED


def _check_known(dictionary: Dictionary, tokens: Sequence[str], given: str) -> None:
    if not any(token in dictionary.indices for token in tokens):
        raise ValueError(f"{given}: none of its tokens is in the model's dictionary; expected the model's own file")
