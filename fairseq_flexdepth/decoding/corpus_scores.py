"""Quality of a whole corpus, by sacrebleu."""

from typing import Any, Dict, List


class CorpusScorer:
    """Corpus BLEU and chrF of many translations of the same text; its *references* are taken apart once."""

    def __init__(self, references: List[str]) -> None:
        from sacrebleu.metrics import BLEU, CHRF

        self._metrics = BLEU(references=[references]), CHRF(references=[references])

    def __call__(self, hypotheses: List[str]) -> Dict[str, Any]:
        """Both scores, with their signatures."""
        scores = [round(metric.corpus_score(hypotheses, None).score, 2) for metric in self._metrics]
        signatures = [str(metric.get_signature()) for metric in self._metrics]
        return {
            "bleu": scores[0],
            "chrf": scores[1],
            "bleu_signature": signatures[0],
            "chrf_signature": signatures[1],
        }


def corpus_scores(hypotheses: List[str], references: List[str]) -> Dict[str, Any]:
    """Corpus BLEU and chrF by sacrebleu, with their signatures."""
    return CorpusScorer(references)(hypotheses)
