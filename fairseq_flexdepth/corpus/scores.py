"""Quality of a whole corpus, by sacrebleu."""

import logging
import re
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple

if TYPE_CHECKING:
    from sacrebleu.metrics import BLEU

logger = logging.getLogger(__name__)

# Languages that do not write a space between all words, by their codes, and sacrebleu's tokenizers for them.
UNSPACED = {
    **dict.fromkeys(("zh", "zho", "cmn", "yue"), "zh"),
    **dict.fromkeys(("ja", "jpn"), "ja-mecab"),
    **dict.fromkeys(("ko", "kor"), "ko-mecab"),
    **dict.fromkeys(("th", "tha"), "char"),
}


class BleuText(NamedTuple):
    """How text is prepared before BLEU counts its words.

    sacrebleu lowers a text and removes white space at its end before it tokenises; fairseq lowers it afterwards.
    """

    tokenizer: str = "13a"  # sacrebleu's
    lowercase: bool = False
    characters: bool = False
    by_fairseq: bool = False  # as ``--scoring sacrebleu`` does; the two options before need it

    def metric(self, **options: Any) -> "BLEU":
        """sacrebleu's BLEU of prepared text; *options* are its.

        Raises:
            ValueError: sacrebleu cannot make the tokenizer.
        """
        from sacrebleu.metrics import BLEU

        try:
            metric = BLEU(tokenize=self.tokenizer, **({} if self.by_fairseq else options))
        except Exception as error:  # a package or a file is missing
            raise ValueError(f"--sacrebleu-tokenizer {self.tokenizer}: {error}") from error
        # force: no warning of text that is tokenised
        return BLEU(tokenize="none", force=True, **options) if self.by_fairseq else metric

    def prepared(self, texts: List[str]) -> List[str]:
        """*texts* as :meth:`metric` takes them."""
        if not self.by_fairseq:
            return texts
        from fairseq.scoring.tokenizer import EvaluationTokenizer

        tokenizer = EvaluationTokenizer(self.tokenizer, self.lowercase, character_tokenization=self.characters)
        return [tokenizer.tokenize(text) for text in texts]

    def signature(self, metric: "BLEU") -> str:
        """sacrebleu's signature, with what was done before."""
        text = str(metric.get_signature())
        if not self.by_fairseq:
            return text
        text = text.replace("tok:none", f"tok:{self.tokenizer}{'+characters' if self.characters else ''}")
        return text.replace("case:mixed", "case:lc") if self.lowercase else text


SACREBLEU = BleuText()  # as sacrebleu itself does it


def warn_of_unspaced_words(language: str) -> None:
    """Log that BLEU needs a tokenizer, if *language* does not write spaces between words."""
    tokenizer = UNSPACED.get(re.split("[-_]", language.lower())[0])
    if tokenizer is not None:
        logger.warning(
            "BLEU counts words between spaces, which %s does not write; use --scoring sacrebleu "
            "--sacrebleu-tokenizer %s (or char, spm, ...)", language, tokenizer,
        )  # fmt: skip


class CorpusScorer:
    """Corpus BLEU and chrF of many translations of the same text; its *references* are taken apart once.

    Args:
        references: a line per sentence.
        text: how BLEU prepares text.
    """

    def __init__(self, references: List[str], text: BleuText = SACREBLEU) -> None:
        from sacrebleu.metrics import CHRF

        self._text = text
        self._bleu, self._chrf = text.metric(references=[text.prepared(references)]), CHRF(references=[references])

    def __call__(self, hypotheses: List[str]) -> Dict[str, Any]:
        """Both scores, with their signatures."""
        return {
            "bleu": round(self._bleu.corpus_score(self._text.prepared(hypotheses), None).score, 2),
            "chrf": round(self._chrf.corpus_score(hypotheses, None).score, 2),
            "bleu_signature": self._text.signature(self._bleu),
            "chrf_signature": str(self._chrf.get_signature()),
        }


def corpus_scores(hypotheses: List[str], references: List[str], text: BleuText = SACREBLEU) -> Dict[str, Any]:
    """Corpus BLEU and chrF by sacrebleu, with their signatures."""
    return CorpusScorer(references, text)(hypotheses)
