"""Sentence weights in a criterion: the sample size and the number of tokens count each sentence with its weight."""

from typing import Any, Dict, Tuple

from fairseq.criterions import FairseqCriterion
from torch import Tensor

from fairseq_flexdepth.modules.losses.token_weights import token_weights
from fairseq_flexdepth.protocols import Sample


class WeightedSentencesCriterion(FairseqCriterion):
    """Base of the criterions that take a batch's ``sentence_weights``, a tensor of batch, if the task adds them."""

    cfg: Any  # has sentence_avg
    weighs_sentences = True  # the translation task refuses data with weights if this is missing

    def criterion_output(
        self, loss: Tensor, sample: Sample, logged: Dict[str, Any]
    ) -> Tuple[Tensor, Any, Dict[str, Any]]:
        """Form the result of ``forward`` in fairseq's format: the loss, the sample size, the logging output.

        The sample size is the number of target tokens, or of sentences with ``--sentence-avg``; with sentence weights
        both are weighted, and a scalar tensor.
        """
        sentences, weights = sample["target"].size(0), sample.get("sentence_weights")
        if weights is not None:
            logged["weighted_tokens"] = self.target_tokens(sample)
        size_in_sentences = sentences if weights is None else weights.float().sum()
        sample_size = size_in_sentences if self.cfg.sentence_avg else self.target_tokens(sample)
        logging_output = {
            "loss": loss.data,
            "ntokens": sample["ntokens"],
            "nsentences": sentences,
            "sample_size": sample_size,
            **logged,
        }
        return loss, sample_size, logging_output

    def target_tokens(self, sample: Sample) -> Any:
        """The number of target tokens, each counted with the weight of its sentence, if sentences have weights."""
        weighted = sample.get("sentence_weights") is not None
        return self.token_weights(sample).sum() if weighted else sample["ntokens"]

    def token_weights(self, sample: Sample) -> Tensor:
        """The weight of each target token in the loss, 0 for padding: (batch · target length)."""
        return token_weights(sample["target"], self.padding_idx, sample.get("sentence_weights")).view(-1)
