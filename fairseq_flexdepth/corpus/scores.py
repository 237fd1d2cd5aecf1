"""Scores of translations: corpus BLEU, chrF (by sacrebleu) and WER (by fairseq), sentence BLEU and chrF, and COMET."""

import logging
import os
import re
from typing import TYPE_CHECKING, Any, Callable, Dict, List, NamedTuple, Optional, Sequence, Tuple

from fairseq_flexdepth.corpus.paired_bootstrap import Counts, paired_bootstrap, score_of_counts, sentence_counts
from fairseq_flexdepth.corpus.word_errors import WordErrorRate

if TYPE_CHECKING:
    from sacrebleu.metrics import BLEU

logger = logging.getLogger(__name__)

# The n-grams of a translation by the name of the score, bleu or chrf.
ScoreCounts = Dict[str, Counts]
# The choices of --metric, scores of one sentence.
SENTENCE_METRICS = ("chrf", "bleu")
# sacrebleu's tokenizers for languages that write words without spaces between them, by language code.
UNSPACED = {
    **dict.fromkeys(("zh", "zho", "cmn", "yue"), "zh"),
    **dict.fromkeys(("ja", "jpn"), "ja-mecab"),
    **dict.fromkeys(("ko", "kor"), "ko-mecab"),
    **dict.fromkeys(("th", "tha"), "char"),
}


class BleuText(NamedTuple):
    """The preparation of text before BLEU counts its words.

    sacrebleu lowercases a text and strips white space at its end before it tokenises; fairseq lowercases it afterwards.
    """

    tokenizer: str = "13a"  # sacrebleu's name of it
    lowercase: bool = False  # only with by_fairseq
    characters: bool = False  # count characters in place of words; only with by_fairseq
    by_fairseq: bool = False  # prepare the text as fairseq's --scoring sacrebleu does

    def metric(self, **options: Any) -> "BLEU":
        """sacrebleu's BLEU, for text from :meth:`prepared`.

        Args:
            options: further arguments of sacrebleu's ``BLEU``.

        Raises:
            ValueError: sacrebleu cannot build the tokenizer.
        """
        from sacrebleu.metrics import BLEU

        try:
            metric = BLEU(tokenize=self.tokenizer, **({} if self.by_fairseq else options))
        except Exception as error:  # sacrebleu needs a further package or file
            raise ValueError(f"--sacrebleu-tokenizer {self.tokenizer}: {error}") from error
        # force: no warning that the text is tokenised already
        return BLEU(tokenize="none", force=True, **options) if self.by_fairseq else metric

    def prepared(self, texts: List[str]) -> List[str]:
        """Prepare *texts* for the metric that :meth:`metric` returns."""
        if not self.by_fairseq:
            return texts
        from fairseq.scoring.tokenizer import EvaluationTokenizer

        tokenizer = EvaluationTokenizer(self.tokenizer, self.lowercase, character_tokenization=self.characters)
        return [tokenizer.tokenize(text) for text in texts]

    def signature(self, metric: "BLEU") -> str:
        """sacrebleu's signature; it also names the tokenisation and lower-casing that fairseq did before sacrebleu."""
        text = str(metric.get_signature())
        if not self.by_fairseq:
            return text
        text = text.replace("tok:none", f"tok:{self.tokenizer}{'+characters' if self.characters else ''}")
        return text.replace("case:mixed", "case:lc") if self.lowercase else text


SACREBLEU = BleuText()  # sacrebleu's own defaults


def asked_wer(scoring: Any) -> bool:
    """Whether fairseq's options of ``--scoring`` ask for word error rates."""
    return scoring is not None and scoring._name == "wer"


def asked_bleu_text(scoring: Any) -> Optional[BleuText]:
    """The preparation of text that ``--scoring sacrebleu`` names; ``None`` without the option, or with another scoring.

    Args:
        scoring: fairseq's options of ``--scoring``.

    Raises:
        ValueError: sacrebleu cannot build the tokenizer.
    """
    if scoring is None or asked_wer(scoring):
        return None
    options = scoring.sacrebleu_tokenizer, scoring.sacrebleu_lowercase, scoring.sacrebleu_char_level
    text = BleuText(*options, by_fairseq=True)
    text.metric()
    return text


def warn_of_unspaced_words(language: str) -> None:
    """Warn that BLEU needs another tokenizer, if *language* writes words without spaces between them."""
    tokenizer = UNSPACED.get(re.split("[-_]", language.lower())[0])
    if tokenizer is not None:
        logger.warning(
            "BLEU counts words between spaces, which %s does not write; use --scoring sacrebleu "
            "--sacrebleu-tokenizer %s (or char, spm, ...)", language, tokenizer,
        )  # fmt: skip


class CorpusScorer:
    """Corpus BLEU and chrF of several translations of the same text; the references are processed only once.

    Args:
        references: one text per sentence.
        text: the preparation of text for BLEU.
        wer: fairseq's options of ``--scoring wer``: word error rates take the place of BLEU.

    Raises:
        ValueError: a package is missing.
    """

    def __init__(self, references: List[str], text: BleuText = SACREBLEU, wer: Any = None) -> None:
        from sacrebleu.metrics import CHRF

        self._text = text
        self._metrics: Dict[str, Any] = {}
        if wer is None:
            self._metrics["bleu"] = text.metric(references=[text.prepared(references)])
        else:
            self._metrics["wer"] = WordErrorRate(wer, references)
        self._metrics["chrf"] = CHRF(references=[references])

    def counts(self, hypotheses: List[str]) -> ScoreCounts:
        """The n-grams or edits of *hypotheses*, one per reference, which all scores are computed from."""
        return {
            name: sentence_counts(metric, self._text.prepared(hypotheses) if name == "bleu" else hypotheses)
            for name, metric in self._metrics.items()
        }

    def scores(self, counts: ScoreCounts) -> Dict[str, Any]:
        """BLEU (0 to 100) or WER (edits per 100 words), chrF (0 to 100), and the signature of each."""
        found: Dict[str, Any] = {}
        for name, metric in self._metrics.items():
            found[name] = round(score_of_counts(metric, counts[name]), 2)
            signature = self._text.signature(metric) if name == "bleu" else str(metric.get_signature())
            found[f"{name}_signature"] = signature
        return found

    def sentence_chrf(self, counts: ScoreCounts) -> Tuple[float, ...]:
        """The chrF of each sentence, 0 to 100."""
        metric, sentences = self._metrics["chrf"], counts["chrf"]
        return tuple(
            round(score_of_counts(metric, sentences[number : number + 1]), 1) for number in range(len(sentences))
        )

    def compare(self, counts: Sequence[ScoreCounts], baseline: int) -> List[Dict[str, Any]]:
        """Test by sacrebleu's paired bootstrap whether scores differ from those of the translation at *baseline*.

        Returns:
            For each translation the keys ``bleu_mean``, ``bleu_interval`` and ``bleu_p_value`` with the values of
            :class:`~fairseq_flexdepth.corpus.paired_bootstrap.Estimate`, and the same keys of ``wer`` and ``chrf``.
        """
        found: List[Dict[str, Any]] = [{} for _ in counts]
        for name, metric in self._metrics.items():
            estimates = paired_bootstrap(metric, [one[name] for one in counts], baseline)
            for values, estimate in zip(found, estimates):
                values[f"{name}_mean"] = round(estimate.mean, 2)
                values[f"{name}_interval"] = round(estimate.interval, 2)
                values[f"{name}_p_value"] = None if estimate.p_value is None else round(estimate.p_value, 6)
        return found


def corpus_scores(hypotheses: List[str], references: List[str], text: BleuText = SACREBLEU) -> Dict[str, Any]:
    """Corpus BLEU and chrF of one translation; see :class:`CorpusScorer`."""
    scorer = CorpusScorer(references, text)
    return scorer.scores(scorer.counts(hypotheses))


def sentence_bleu(text: BleuText) -> Callable[[str, str], float]:
    """sacrebleu's smoothed BLEU of one sentence, as a function of hypothesis and reference.

    A sentence of fewer than 4 words has no 4-grams: the score counts only the n-gram orders that the sentence has.
    """
    metric = text.metric(effective_order=True)

    def score(hypothesis: str, reference: str) -> float:
        prepared = text.prepared([hypothesis, reference])
        return metric.sentence_score(prepared[0], prepared[1:]).score

    return score


def sentence_chrf() -> Callable[[str, str], float]:
    """sacrebleu's chrF of one sentence, as a function of hypothesis and reference."""
    from sacrebleu.metrics import CHRF

    metric = CHRF()
    return lambda hypothesis, reference: metric.sentence_score(hypothesis, [reference]).score


class CometScorer:
    """Scores translations with a COMET model.

    Args:
        name: a checkpoint's file, or the name of a model that the package downloads.
        use_cuda: compute on a GPU.

    Raises:
        ValueError: the package ``unbabel-comet`` is not installed.
    """

    def __init__(self, name: str, use_cuda: bool) -> None:
        try:
            import comet
        except ImportError:
            raise ValueError(f"--comet {name}: needs the package unbabel-comet; pip install unbabel-comet") from None
        self._model: Any = comet.load_from_checkpoint(name if os.path.isfile(name) else comet.download_model(name))
        self._gpus = int(use_cuda)

    def __call__(self, sources: List[str], hypotheses: List[str], references: List[str]) -> Dict[str, float]:
        """The mean COMET score over the sentences."""
        data = [{"src": src, "mt": mt, "ref": ref} for src, mt, ref in zip(sources, hypotheses, references)]
        result = self._model.predict(data, batch_size=16, gpus=self._gpus, progress_bar=False)
        return {"comet": round(float(result.system_score), 4)}
