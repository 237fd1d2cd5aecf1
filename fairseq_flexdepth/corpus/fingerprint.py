"""Options and checksums that determine the output, compared on resume.

They are JSON values without paths: files count by their contents. Equal fingerprints mean equal results.
"""

import json
import os
import re
from typing import Any, Dict, Sequence

from fairseq import utils
from fairseq.dataclass.configs import GenerationConfig
from omegaconf import OmegaConf

from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.decoding.selectors import ORACLE
from fairseq_flexdepth.files.checksums import batches_checksum, dictionary_checksum, file_checksum
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
    "config_yaml",
)
# The language tags, in the tasks that have them.
TAG_OPTIONS = (
    "langs", "lang_pairs", "encoder_langtok", "decoder_langtok", "langtoks", "lang_tok_style",
    "lang_tok_replacing_bos_eos", "prepend_bos",
)  # fmt: skip
DATASET_OPTIONS = ("gen_subset", "max_tokens", "batch_size", "required_batch_size_multiple")
# Options that do not change the results: options of printing, fairseq's own records of the command line, and the path
# of the language model, which counts by its contents.
WITHOUT_EFFECT = ("_name", "nbest", "no_seed_provided", "lm_path", "sacrebleu", "print_alignment", "print_step")


def settings(split: Split, own: Dict[str, Any]) -> Dict[str, Any]:
    """The options that determine the output, as JSON values.

    They are the sub-command's own options, the options of the data and the task, and all generation options of fairseq
    that are not at their defaults. So an option that only one fairseq version has makes no difference at its default.

    Args:
        split: the data, the models and the options of fairseq-generate.
        own: the options of the sub-command.
    """
    cfg = split.cfg
    defaults = GenerationConfig()
    generation = OmegaConf.to_container(cfg.generation)
    options = {
        **own,
        **{name: getattr(split.task.options, name, None) for name in TASK_OPTIONS},
        **_given(split.task.options, TAG_OPTIONS),
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
            if name not in WITHOUT_EFFECT and value != getattr(defaults, name, None)
        },
        "path": [[file_checksum(file) for file in utils.split_paths(path)] for path in split.paths],
    }
    selector = _given(split.task.options, ("depth_selector", "selector_threshold"))
    if "depth_selector" in selector:
        options["depth_selector"] = _selector(selector["depth_selector"], cfg.dataset.gen_subset)
        options["selector_threshold"] = selector.get("selector_threshold")
    if cfg.generation.lm_path is not None:
        options["language_model"] = file_checksum(cfg.generation.lm_path)
    return json.loads(json.dumps(options, default=str))


def _given(options: Any, names: Sequence[str]) -> Dict[str, Any]:
    """Those of *names* that are in *options*, with their values."""
    values = {name: getattr(options, name, None) for name in names}
    return {name: value for name, value in values.items() if value is not None}


def _section(options: Any) -> Any:
    """The options of ``--bpe``, ``--tokenizer`` or ``--scoring``; a file is replaced by its checksum."""
    if options is None:
        return None
    named = OmegaConf.to_container(options) if OmegaConf.is_config(options) else vars(options)
    return {
        name: file_checksum(value) if isinstance(value, str) and os.path.isfile(value) else value
        for name, value in named.items()
    }


def _selector(text: str, name: str) -> Any:
    """The value of ``--depth-selector``; the selector's file, or labels of split *name*, as a checksum."""
    if text.startswith(ORACLE):
        return file_checksum(labels_file(text[len(ORACLE) :], name))
    return file_checksum(text) if os.path.isfile(text) else text


def fingerprint(options: Dict[str, Any], split: Split, batches: Sequence[Sequence[int]]) -> Dict[str, Any]:
    """The fingerprint of a decoding: its options, and checksums of its data, dictionaries and batches.

    Args:
        options: the result of :func:`settings`.
        split: the data.
        batches: the sentence numbers of each batch.
    """
    folder, name = split.cfg.task.data, split.cfg.dataset.gen_subset
    data = [file for file in sorted(os.listdir(folder)) if re.match(rf"{re.escape(name)}\d*\.", file)]
    dictionaries = split.task.source_dictionary, split.task.target_dictionary
    return {
        **options,
        "data": [file_checksum(os.path.join(folder, file)) for file in data],
        "dictionaries": [dictionary_checksum(dictionary) for dictionary in dictionaries if dictionary is not None],
        "batches": batches_checksum(batches),
    }
