"""What shapes the results of decoding, as JSON values without paths, so that equal ones promise equal results."""

import hashlib
import json
import os
import re
import zlib
from typing import Any, Dict, List, Sequence

import numpy
from fairseq import utils
from fairseq.dataclass.configs import GenerationConfig
from omegaconf import OmegaConf

from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.decoding.selectors import ORACLE
from fairseq_flexdepth.files.checksums import dictionary_checksum
from fairseq_flexdepth.files.depth_labels import labels_file

TASK_OPTIONS = (
    "source_lang",
    "target_lang",
    "enc_layers",
    "dec_layers",
    "subnetworks",
    "max_source_positions",
    "max_target_positions",
    "truncate_source",
    "left_pad_source",
)
DATASET_OPTIONS = ("gen_subset", "max_tokens", "batch_size", "required_batch_size_multiple")
# fairseq's own record of what was typed, and what only decides how fairseq-generate prints.
NO_SHAPE = ("_name", "nbest", "no_seed_provided", "lm_path", "sacrebleu", "print_alignment", "print_step")


def settings(split: Split, own: Dict[str, Any]) -> Dict[str, Any]:
    """The options that shape what is decoded: *own* ones, and those of fairseq-generate that are not at their default.

    Args:
        split: the data, the teacher and the options of fairseq-generate.
        own: options of the sub-command.
    """
    cfg = split.cfg
    defaults = GenerationConfig()
    generation = OmegaConf.to_container(cfg.generation)
    shaped = {
        **own,
        **{name: split.task.cfg.get(name) for name in TASK_OPTIONS},
        **{name: cfg.dataset.get(name) for name in DATASET_OPTIONS},
        "seed": cfg.common.seed,
        "fp16": cfg.common.fp16,
        "model_overrides": cfg.common_eval.model_overrides,
        "post_process": cfg.common_eval.post_process,
        "scoring": _section(cfg.scoring),
        "bpe": _section(cfg.bpe),
        "tokenizer": _section(cfg.tokenizer),
        "beam": cfg.generation.beam,
        **{
            name: value
            for name, value in generation.items()
            if name not in NO_SHAPE and value != getattr(defaults, name, None)
        },
        "path": [[_identity(file) for file in utils.split_paths(path)] for path in split.paths],
    }
    if split.task.cfg.get("depth_selector") is not None:
        shaped["depth_selector"] = _selector(split.task.cfg.depth_selector, cfg.dataset.gen_subset)
        shaped["selector_threshold"] = split.task.cfg.selector_threshold
    if cfg.generation.lm_path is not None:
        shaped["language_model"] = _identity(cfg.generation.lm_path)
    return json.loads(json.dumps(shaped, default=str))


def _section(options: Any) -> Any:
    """The options of ``--bpe`` or ``--tokenizer``; of a file, what is in it."""
    if options is None:
        return None
    named = OmegaConf.to_container(options) if OmegaConf.is_config(options) else vars(options)
    return {
        name: _identity(value) if isinstance(value, str) and os.path.isfile(value) else value
        for name, value in named.items()
    }


def _selector(text: str, name: str) -> Any:
    if text.startswith(ORACLE):
        return _identity(labels_file(text[len(ORACLE) :], name))
    return _identity(text) if os.path.isfile(text) else text


def fingerprint(shaped: Dict[str, Any], split: Split, batches: Sequence[Sequence[int]]) -> Dict[str, Any]:
    """The *shaped* options, and checksums of the data, of its dictionaries and of what *batches* consist of."""
    folder, name = split.cfg.task.data, split.cfg.dataset.gen_subset
    data = [file for file in sorted(os.listdir(folder)) if re.match(rf"{re.escape(name)}\d*\.", file)]
    dictionaries = split.task.source_dictionary, split.task.target_dictionary
    return {
        **shaped,
        "data": [_identity(os.path.join(folder, file)) for file in data],
        "dictionaries": [dictionary_checksum(dictionary) for dictionary in dictionaries],
        "batches": _checksum(batches),
    }


def _checksum(lists: Sequence[Sequence[int]]) -> int:
    checksum = 0
    for numbers in lists:
        for array in ([len(numbers)], numbers):
            checksum = zlib.crc32(numpy.asarray(array, dtype=numpy.int64).tobytes(), checksum)
    return checksum


def _identity(path: str) -> List[Any]:
    """The size of a file and a checksum of its contents."""
    checksum = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            checksum.update(block)
    return [os.path.getsize(path), checksum.hexdigest()]
