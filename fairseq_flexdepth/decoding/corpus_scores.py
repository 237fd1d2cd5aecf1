"""Quality of a whole corpus, by sacrebleu."""

from typing import Any, Dict, List


def corpus_scores(hypotheses: List[str], references: List[str]) -> Dict[str, Any]:
    """Corpus BLEU and chrF by sacrebleu, with BLEU's signature."""
    from sacrebleu.metrics import BLEU, CHRF

    bleu, chrf = BLEU(), CHRF()
    return {
        "bleu": round(bleu.corpus_score(hypotheses, [references]).score, 2),
        "chrf": round(chrf.corpus_score(hypotheses, [references]).score, 2),
        "bleu_signature": str(bleu.get_signature()),
    }
