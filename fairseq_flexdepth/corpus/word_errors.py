"""Word error rates, counted by fairseq's own scorer (``--scoring wer``)."""

from typing import Any, List, NamedTuple, Sequence

INSTALL = "pip install editdistance"


class WordErrorRate:
    """The word error rate of a corpus, in the form of sacrebleu's metrics, which the paired bootstrap takes.

    Args:
        scoring: fairseq's options of ``--scoring wer``.
        references: one text per sentence.

    Raises:
        ValueError: the package editdistance is not installed, or fairseq cannot build the tokenizer.
    """

    class Score(NamedTuple):
        """As sacrebleu's scores."""

        score: float

    def __init__(self, scoring: Any, references: Sequence[str]) -> None:
        from fairseq.scoring import build_scorer

        try:
            self._scorer = build_scorer(scoring, None)
        except ImportError as error:
            raise ValueError(f"--scoring wer: needs the package editdistance; {INSTALL}") from error
        except Exception as error:  # sacrebleu's tokenizers need further packages
            raise ValueError(f"--wer-tokenizer {scoring.wer_tokenizer}: {error}") from error
        self._options = scoring
        self._references = list(references)

    def _extract_corpus_statistics(self, hypotheses: Sequence[str], _: None) -> List[List[int]]:
        """The number of edits of each hypothesis, and the number of words of its reference."""
        counts = []
        for reference, hypothesis in zip(self._references, hypotheses):
            self._scorer.reset()
            self._scorer.add_string(reference, hypothesis)
            counts.append([self._scorer.distance, self._scorer.ref_length])
        return counts

    def _compute_score_from_stats(self, counts: Sequence[float]) -> "WordErrorRate.Score":
        """Edits per 100 words of the references; as fairseq's, 0 without such words."""
        edits, words = counts
        return self.Score(100.0 * edits / words if words > 0 else 0.0)

    def get_signature(self) -> str:
        """How the texts were prepared, in the style of sacrebleu's signatures."""
        case = "lc" if self._options.wer_lowercase else "mixed"
        unit = "char" if self._options.wer_char_level else "word"
        punctuation = "no" if self._options.wer_remove_punct else "yes"
        return f"nrefs:1|case:{case}|unit:{unit}|punct:{punctuation}|tok:{self._options.wer_tokenizer}"
