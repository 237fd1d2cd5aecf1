"""Check the options of ``--eval-bleu`` before training: fairseq reads some of them only in the first validation."""

import json
from argparse import Namespace
from dataclasses import fields
from typing import Any, Dict, Optional

from fairseq.data import encoders
from fairseq.data.data_utils import post_process
from fairseq.dataclass.configs import GenerationConfig
from fairseq.tasks.translation import TranslationConfig

from fairseq_flexdepth.decoding.model_depth import depth_space
from fairseq_flexdepth.depth.supported_depths import parse_pairs, written_pair
from fairseq_flexdepth.files.checkpoints import brief
from fairseq_flexdepth.protocols import EncoderDecoder

DEPTHS = "--eval-bleu-depths"


def check_bleu_options(cfg: TranslationConfig) -> None:
    """Refuse options of ``--eval-bleu`` that fairseq would fail at.

    Args:
        cfg: the options of a translation task.

    Raises:
        ValueError: an option is not valid JSON, names an unknown generation option or an unknown form of subwords, or
            describes a tokeniser that cannot be built.
    """
    known = {option.name for option in fields(GenerationConfig)} - {"_name"}
    for name in _json_object("--eval-bleu-args", cfg.eval_bleu_args):
        if name not in known:
            raise ValueError(
                f"--eval-bleu-args {cfg.eval_bleu_args}: fairseq-generate has no such option: {name}; expected names "
                "such as beam, lenpen, max_len_a, max_len_b"
            )
    arguments = _json_object("--eval-bleu-detok-args", cfg.eval_bleu_detok_args)
    tokenisers = ", ".join(sorted(encoders.TOKENIZER_REGISTRY))
    if cfg.eval_bleu_detok not in encoders.TOKENIZER_REGISTRY:
        raise ValueError(f"--eval-bleu-detok {cfg.eval_bleu_detok}: expected one of {tokenisers}")
    try:
        encoders.build_tokenizer(Namespace(tokenizer=cfg.eval_bleu_detok, **arguments))
    except Exception as error:  # each tokeniser raises its own
        raise ValueError(
            f"--eval-bleu-detok {cfg.eval_bleu_detok}: cannot be built with --eval-bleu-detok-args "
            f"{cfg.eval_bleu_detok_args}: {brief(error)}"
        ) from error
    try:
        post_process("", cfg.eval_bleu_remove_bpe)
    except NotImplementedError as error:
        raise ValueError(
            f"--eval-bleu-remove-bpe {cfg.eval_bleu_remove_bpe}: expected no value, or a form of subwords that "
            "fairseq knows, such as sentencepiece, subword_nmt, wordpiece"
        ) from error


def asked_depths(cfg: Any) -> Optional[str]:
    """The value of ``--eval-bleu-depths``, which checkpoints of older versions lack."""
    return getattr(cfg, "eval_bleu_depths", None)


def check_bleu_depths(cfg: Any, model: EncoderDecoder) -> None:
    """Refuse ``--eval-bleu-depths`` where validation cannot decode at them.

    Args:
        cfg: the options of a translation task.
        model: the model that it has built.

    Raises:
        ValueError: the option is given without ``--eval-bleu`` or with ``--draft-dec-layers``, names a pair twice, or
            one that *model* does not support.
    """
    asked = asked_depths(cfg)
    if asked is None:
        return
    option = f"{DEPTHS} {asked}"
    if not cfg.eval_bleu:
        raise ValueError(f"{option}: needs --eval-bleu")
    drafting = getattr(cfg, "draft_dec_layers", None)  # not every task has it
    if drafting is not None:
        raise ValueError(f"{option}: --draft-dec-layers {drafting} drafts for one depth; leave it out")
    pairs, space = parse_pairs(asked, DEPTHS), depth_space(model)
    if len(pairs) < len(asked.split(",")):
        raise ValueError(f"{option}: expected each depth pair once")
    if not hasattr(model, "set_depth"):
        raise ValueError(f"{option}: {type(model).__name__} always runs all its layers; leave the option out")
    unsupported = ", ".join(written_pair(pair) for pair in pairs if pair not in space.pairs)
    if unsupported:
        n, m = (",".join(map(str, depths)) for depths in space)
        raise ValueError(
            f"{option}: {unsupported} is not among the depths of this model: encoder {n}, decoder {m}"
        )


def _json_object(option: str, text: Any) -> Dict[str, Any]:
    """The JSON object in *text*, the value of *option*."""
    try:
        value = json.loads(str(text))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise ValueError(f'{option} {text}: expected a JSON object, such as {{"beam": 4}}')
    return value
