"""Options of ``--eval-bleu`` before training."""

from typing import Any

import pytest
from fairseq.data import encoders

from fairseq_flexdepth.tasks.bleu_options import check_bleu_depths, check_bleu_options
from fairseq_flexdepth.tasks.depth_options import FlexDepthTranslationConfig
from tests import tiny


def check(**options: Any) -> None:
    check_bleu_options(FlexDepthTranslationConfig(eval_bleu=True, **{f"eval_bleu_{k}": v for k, v in options.items()}))


@pytest.mark.parametrize("remove_bpe", [None, "none", "@@ ", "sentencepiece", "subword_nmt"])
def test_what_fairseq_takes_is_taken(remove_bpe: Any) -> None:
    check(args='{"beam": 4, "lenpen": 0.6, "max_len_a": 1.2, "max_len_b": 10}', detok="space", remove_bpe=remove_bpe)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("args", "{beam:4}", "args {beam:4}: expected a JSON object, such as"),
        ("args", "4", "args 4: expected a JSON object, such as"),
        ("args", '{"lenpn": 1}', 'args {"lenpn": 1}: fairseq-generate has no such option: lenpn; expected names'),
        ("detok", "mosess", "detok mosess: expected one of moses, nltk, space"),
        ("detok_args", "x", "detok-args x: expected a JSON object, such as"),
        ("remove_bpe", "sentencepeice", "remove-bpe sentencepeice: expected no value, or a form of subwords that"),
    ],
)
def test_mistakes(option: str, value: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^--eval-bleu-{message}"):
        check(**{option: value})


def test_a_tokeniser_that_cannot_be_made(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(options: Any) -> None:
        raise ImportError("Please install Moses tokenizer")

    monkeypatch.setattr(encoders, "build_tokenizer", missing)
    with pytest.raises(ValueError, match="^--eval-bleu-detok moses: cannot be built with .*: Please install Moses"):
        check(detok="moses", detok_args="{}")


@pytest.mark.parametrize(
    ("depths", "others", "message"),
    [
        ("1-1", {"eval_bleu": False}, "1-1: needs --eval-bleu"),
        ("1-1,x", {}, "1-1,x: expected encoder and decoder depths such as 1-1,3-2"),
        ("", {}, ": expected encoder and decoder depths such as"),
        ("1-1,2-2,1-1", {}, "1-1,2-2,1-1: expected each depth pair once"),
        ("1-1,4-1,3-3", {}, "1-1,4-1,3-3: 3-3, 4-1 is not among the depths of this model: encoder 1,2,3, decoder 1,2"),
        ("1-1", {"draft_dec_layers": "1"}, "1-1: --draft-dec-layers 1 drafts for one depth; leave it out"),
    ],
)
def test_mistakes_in_the_depths(depths: str, others: Any, message: str) -> None:
    cfg = FlexDepthTranslationConfig(**{"eval_bleu": True, "eval_bleu_depths": depths, **others})
    with pytest.raises(ValueError, match=f"^--eval-bleu-depths {message}"):
        check_bleu_depths(cfg, tiny.flexible_model())


def test_depths_need_a_model_of_many_depths() -> None:
    cfg = FlexDepthTranslationConfig(eval_bleu=True, eval_bleu_depths="3-2")
    check_bleu_depths(cfg, tiny.flexible_model())
    with pytest.raises(ValueError, match="^--eval-bleu-depths 3-2: TransformerModel always runs all its layers; leave"):
        check_bleu_depths(cfg, tiny.plain_model())
