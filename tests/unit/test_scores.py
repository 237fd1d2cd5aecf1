"""BLEU and chrF: sacrebleu's; with ``--scoring sacrebleu`` or ``wer``, the score that fairseq-generate prints."""

import logging
import sys
from argparse import Namespace
from typing import Any, Dict

import pytest
import sacrebleu
from fairseq.scoring.bleu import SacrebleuScorer
from fairseq.scoring.wer import WerScorer, WerScorerConfig
from omegaconf import OmegaConf
from sacrebleu.metrics import BLEU

from fairseq_flexdepth.corpus.scores import (
    BleuText,
    CorpusScorer,
    corpus_scores,
    sentence_bleu,
    warn_of_unspaced_words,
)

REFERENCES = ["我们在 Wien 吃 Apfelstrudel 。", "Das &QUOT;Haus&QUOT; ist groß , ISTANBUL İ .", " x-1 3.5% ", ""]
HYPOTHESES = ["我们 在wien吃了Apfelstrudel。", 'das "Haus" ist gross, istanbul i. ', "X-1  3.5 %", "word"]


@pytest.mark.parametrize("tokenizer", ["13a", "zh", "intl", "char", "none"])
@pytest.mark.parametrize("lowercase", [False, True])
@pytest.mark.parametrize("characters", [False, True])
def test_bleu_is_that_of_fairseqs_scorer(tokenizer: str, lowercase: bool, characters: bool) -> None:
    options = Namespace(
        sacrebleu_tokenizer=tokenizer, sacrebleu_lowercase=lowercase, sacrebleu_char_level=characters
    )
    scorer = SacrebleuScorer(options)
    for reference, hypothesis in zip(REFERENCES, HYPOTHESES):
        scorer.add_string(reference, hypothesis)
    found = corpus_scores(HYPOTHESES, REFERENCES, BleuText(tokenizer, lowercase, characters, by_fairseq=True))
    assert found["bleu"] == round(scorer.score(), 2) > 0
    assert f"|tok:{tokenizer}{'+characters' if characters else ''}|" in found["bleu_signature"]
    assert f"|case:{'lc' if lowercase else 'mixed'}|" in found["bleu_signature"]
    assert found["chrf"] == round(sacrebleu.corpus_chrf(HYPOTHESES, [REFERENCES]).score, 2)


@pytest.mark.parametrize("changes", [{}, {"wer_lowercase": True, "wer_remove_punct": True}, {"wer_char_level": True}])
def test_word_error_rates_are_those_of_fairseqs_scorer(changes: Dict[str, Any]) -> None:
    options = OmegaConf.structured(WerScorerConfig(_name="wer", **changes))
    scorer = WerScorer(options)
    for reference, hypothesis in zip(REFERENCES, HYPOTHESES):
        scorer.add_string(reference, hypothesis)
    ours = CorpusScorer(REFERENCES, wer=options)
    counts = ours.counts(HYPOTHESES)
    found = ours.scores(counts)
    assert found["wer"] == round(scorer.score(), 2) > 0
    assert "bleu" not in found and found["chrf"] > 0
    assert found["wer_signature"].startswith("nrefs:1|case:lc|" if changes.get("wer_lowercase") else "nrefs:1|case:mi")
    same, perfect = ours.compare([counts, ours.counts(REFERENCES)], baseline=0)
    assert (same["wer_p_value"], perfect["wer_mean"]) == (None, 0.0) and perfect["wer_p_value"] is not None


def test_word_error_rates_need_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "editdistance", None)
    with pytest.raises(ValueError, match="^--scoring wer: needs the package editdistance; pip install editdistance$"):
        CorpusScorer(REFERENCES, wer=OmegaConf.structured(WerScorerConfig(_name="wer")))


def test_default_bleu_is_sacrebleus() -> None:
    found = corpus_scores(HYPOTHESES, REFERENCES)
    metric = BLEU()
    assert found["bleu"] == round(metric.corpus_score(HYPOTHESES, [REFERENCES]).score, 2)
    assert found["bleu_signature"] == str(metric.get_signature())


def test_sentences_are_prepared_like_the_corpus() -> None:
    assert sentence_bleu(BleuText(lowercase=True, by_fairseq=True))("Das HAUS", "das Haus") == pytest.approx(100)
    assert sentence_bleu(BleuText(characters=True, by_fairseq=True))("abcde fg", "abcde xy") > 30
    assert sentence_bleu(BleuText("zh"))("我们吃饭", "我们吃鱼") > sentence_bleu(BleuText())("我们吃饭", "我们吃鱼")


def test_sentence_bleu_is_smoothed_and_takes_the_orders_there_are() -> None:
    bleu = sentence_bleu(BleuText("none"))
    assert bleu("a b", "a b") == pytest.approx(100)
    assert bleu("a b c d e", "a b c x y") > bleu("a q r s t", "a b c x y") > 0
    assert bleu("a , b", "a, b") < sentence_bleu(BleuText("13a"))("a , b", "a, b")


def test_a_tokenizer_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(**options: object) -> None:
        raise RuntimeError("install it")

    monkeypatch.setattr("sacrebleu.metrics.BLEU", missing)
    with pytest.raises(ValueError, match="^--sacrebleu-tokenizer ja-mecab: install it$"):
        BleuText("ja-mecab").metric()


@pytest.mark.parametrize(
    ("language", "tokenizer"),
    [("zh", "zh"), ("zh_CN", "zh"), ("zho-Hans", "zh"), ("JA", "ja-mecab"), ("ko", "ko-mecab"), ("th", "char")],
)
def test_languages_without_spaces_between_words(
    language: str, tokenizer: str, caplog: pytest.LogCaptureFixture
) -> None:
    warn_of_unspaced_words(language)
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert f"which {language} does not write; use --scoring sacrebleu --sacrebleu-tokenizer {tokenizer} " in (
        record.getMessage()
    )


@pytest.mark.parametrize("language", ["de", "en_XX", "tgt", "jav", "thv"])
def test_other_languages_need_no_warning(language: str, caplog: pytest.LogCaptureFixture) -> None:
    warn_of_unspaced_words(language)
    assert not caplog.records
