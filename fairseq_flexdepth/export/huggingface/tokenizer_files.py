"""The tokenizer's files. The number of a token is its number in fairseq's dictionary.

- With a sentencepiece model: ``MarianTokenizer``, which looks the pieces up in a vocabulary of its own.
- With subword-nmt's codes: ``FSMTTokenizer``, which splits the text by Moses' rules before.
- Without either: a tokenizer that takes the dictionary's tokens, separated by spaces. It has one vocabulary: if the
  target dictionary differs, the target's tokenizer is in the folder ``target``.
"""

import json
import os
import shutil
from typing import Any, Dict, Sequence

from fairseq.data import Dictionary

from fairseq_flexdepth.export.huggingface.subwords import CONTINUED, WORD_END, Subwords, read_merges
from fairseq_flexdepth.export.loaded_model import LoadedModel, longest_sentences

TARGET = "target"


def write_tokenizer(loaded: LoadedModel, subwords: Subwords, folder: str) -> None:
    """Write the tokenizer's files.

    Args:
        loaded: the model with its dictionaries.
        subwords: the model that splits words.
        folder: an existing folder.
    """
    source, target = loaded.task.source_dictionary, loaded.task.target_dictionary
    settings = {
        "model_max_length": longest_sentences(loaded)[0] + 1,  # with the end symbol
        "clean_up_tokenization_spaces": False,
        **{name: source[index] for name, index in _special(source).items()},
    }
    if subwords.sentencepiece:
        languages = {"source_lang": loaded.task.cfg.source_lang, "target_lang": loaded.task.cfg.target_lang}
        _write_marian(source, target, subwords.sentencepiece, {**settings, **languages}, folder)
    elif subwords.bpe_codes:
        languages = {"langs": [loaded.task.cfg.source_lang, loaded.task.cfg.target_lang]}
        _write_fsmt(source, target, subwords.bpe_codes, {**settings, **languages}, folder)
    else:
        _write_words(source, settings, folder)
        if has_target_tokenizer(loaded, subwords):
            os.mkdir(os.path.join(folder, TARGET))
            _write_words(target, settings, os.path.join(folder, TARGET))


def has_target_tokenizer(loaded: LoadedModel, subwords: Subwords) -> bool:
    """Whether the target's tokenizer is in a folder of its own."""
    return not subwords.splits and loaded.task.source_dictionary != loaded.task.target_dictionary


def _special(symbols: Dictionary) -> Dict[str, int]:
    return {
        "bos_token": symbols.bos(), "pad_token": symbols.pad(), "eos_token": symbols.eos(), "unk_token": symbols.unk()
    }  # fmt: skip


def _write_marian(
    source: Dictionary, target: Dictionary, models: Sequence[str], settings: Dict[str, Any], folder: str
) -> None:
    shutil.copyfile(models[0], os.path.join(folder, "source.spm"))
    shutil.copyfile(models[-1], os.path.join(folder, "target.spm"))
    write_json(source.indices, folder, "vocab.json")
    separate = target != source
    if separate:
        write_json(target.indices, folder, "target_vocab.json")
    config = {"tokenizer_class": "MarianTokenizer", "separate_vocabs": separate, **settings}
    write_json(config, folder, "tokenizer_config.json")


def _write_fsmt(source: Dictionary, target: Dictionary, codes: str, settings: Dict[str, Any], folder: str) -> None:
    with open(os.path.join(folder, "merges.txt"), "w", encoding="utf-8") as file:
        file.writelines(f"{merge}\n" for merge in read_merges(codes))
    for name, dictionary in (("vocab-src.json", source), ("vocab-tgt.json", target)):
        special = set(_special(dictionary).values())
        tokens = {token if index in special else _in_fsmt(token): index for token, index in dictionary.indices.items()}
        write_json(tokens, folder, name)
    config = {"tokenizer_class": "FSMTTokenizer", "sep_token": settings["eos_token"], **settings}
    write_json(config, folder, "tokenizer_config.json")


def _in_fsmt(token: str) -> str:
    """A token of subword-nmt as FSMTTokenizer writes it."""
    return token[: -len(CONTINUED)] if token.endswith(CONTINUED) else token + WORD_END


def _write_words(dictionary: Dictionary, settings: Dict[str, Any], folder: str) -> None:
    special = [
        {
            "id": index, "content": dictionary[index], "special": True, "single_word": False, "lstrip": False,
            "rstrip": False, "normalized": False,
        }
        for index in sorted(_special(dictionary).values())
    ]  # fmt: skip
    end = dictionary[dictionary.eos()]
    sentence = [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": end, "type_id": 0}}]
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": special,
        "normalizer": None,
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "post_processor": {
            "type": "TemplateProcessing",
            "single": sentence,
            "pair": [*sentence, {"Sequence": {"id": "B", "type_id": 0}}],
            "special_tokens": {end: {"id": end, "ids": [dictionary.eos()], "tokens": [end]}},
        },
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": dictionary.indices, "unk_token": dictionary[dictionary.unk()]},
    }
    write_json(tokenizer, folder, "tokenizer.json")
    write_json({"tokenizer_class": "PreTrainedTokenizerFast", **settings}, folder, "tokenizer_config.json")


def write_json(content: Dict[str, Any], folder: str, name: str) -> None:
    """Write *content* to the file *name*."""
    with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
        file.write(json.dumps(content, ensure_ascii=False, indent=1) + "\n")
