"""The tied-multi objective: label-smoothed cross-entropy averaged over depth pairs (tied_multi, Algorithm 1)."""

import math
from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from fairseq import utils
from fairseq.criterions import FairseqCriterion
from fairseq.dataclass import FairseqDataclass
from fairseq.logging import metrics
from omegaconf import II
from torch import Tensor

from fairseq_flexdepth.compat import register_criterion
from fairseq_flexdepth.criterions.logged_sums import logged_sums, mean
from fairseq_flexdepth.depth.space import DepthPair, DepthSpace
from fairseq_flexdepth.depth.weights import pair_weights, parse_depth_weights
from fairseq_flexdepth.models.built_models import built_model
from fairseq_flexdepth.modules.device_copies import on_device_of
from fairseq_flexdepth.modules.losses.token_weights import token_weights


@dataclass
class TiedMultiCrossEntropyConfig(FairseqDataclass):
    """Options of ``--criterion tied_multi_cross_entropy``."""

    label_smoothing: float = field(
        default=0.0, metadata={"help": "epsilon for label smoothing, 0 means no label smoothing"}
    )
    depth_weights: Optional[str] = field(
        default=None,
        metadata={
            "help": "weights of the depth pairs in the loss: a row for each encoder depth, separated by ';', with a "
            "weight for each decoder depth, separated by ','; normalised to sum 1 (default: all alike)"
        },
    )
    sample_encoder_depths: int = field(
        default=0, metadata={"help": "train this many encoder depths, drawn afresh at each update (0: all)"}
    )
    sample_decoder_depths: int = field(
        default=0, metadata={"help": "train this many decoder depths, drawn afresh at each update (0: all)"}
    )
    accumulate_depths: bool = field(
        default=False,
        metadata={"help": "train one sub-network after another: the same gradients in less memory"},
    )
    sentence_avg: bool = II("optimization.sentence_avg")
    seed: int = II("common.seed")
    ddp_backend: str = II("distributed_training.ddp_backend")


@register_criterion("tied_multi_cross_entropy", dataclass=TiedMultiCrossEntropyConfig)
class TiedMultiCrossEntropyCriterion(FairseqCriterion):
    """The mean, or ``--depth-weights``' weighted mean, of all depth pairs' losses.

    In validation, and wherever one pair was chosen by :meth:`set_depth`, no depths are drawn. Validation logs every
    pair's negative log-likelihood as ``nll_e<n>d<m>``, in bits a token, like ``nll_loss``.
    """

    name = "tied_multi_cross_entropy"
    weighs_sentences = True  # by the batch's sentence_weights, if it has any
    unread_losses: Optional[Tuple[Sequence[DepthPair], Tensor]] = None  # of the pairs, summed over an update's batches

    def __init__(self, task: Any, cfg: TiedMultiCrossEntropyConfig) -> None:
        super().__init__(task)
        if getattr(task, "target_dictionary", None) is None:
            raise ValueError(f"--criterion {self.name}: expected a task with target words, given {type(task).__name__}")
        self.cfg = cfg
        if not 0 <= cfg.label_smoothing <= 1:
            raise ValueError(f"--label-smoothing {cfg.label_smoothing}: expected a number from 0 to 1")
        if cfg.accumulate_depths and not getattr(task, "gives_loss_scale", False):
            raise ValueError(
                f"--accumulate-depths: expected --task translation, given a {type(task).__name__}, which does not tell "
                "the model the loss scale"
            )
        if cfg.accumulate_depths:
            self.refuse_shards("--accumulate-depths: propagates back within the forward pass")

    @classmethod
    def build_criterion(cls, cfg: TiedMultiCrossEntropyConfig, task: Any) -> "TiedMultiCrossEntropyCriterion":
        """The criterion, once it has looked at the model that *task* has built.

        Raises:
            ValueError: the options are wrong, or do not fit the model.
        """
        criterion, model = cls(task, cfg), built_model(task)
        if model is not None:
            criterion.check_model(model)
        return criterion

    def forward(
        self, model: Any, sample: Dict[str, Any], reduce: bool = True
    ) -> Tuple[Tensor, int, Dict[str, Any]]:
        """The loss, the sample size it is to be divided by, and what to log."""
        losses, logging_output = self.depth_losses(model, sample)
        return self.criterion_output(losses["loss"], sample, logging_output)

    def depth_losses(
        self, model: Any, sample: Dict[str, Any], **more: Any
    ) -> Tuple[Dict[str, Any], Dict[str, Any]]:
        """The losses of all pairs; *more* goes to the model.

        Returns:
            What the model returns, and what to log: sums over target tokens.
        """
        depths, weights_by_pair = self._depths_and_weights(model)
        pair_weights = on_device_of(sample["target"], [weights_by_pair[pair] for pair in depths.pairs])
        losses = model(
            **sample["net_input"],
            target=model.get_targets(sample, None),
            label_smoothing=self.cfg.label_smoothing,
            depths=depths,
            pair_weights=pair_weights,
            accumulate=self.cfg.accumulate_depths,
            sentence_weights=sample.get("sentence_weights"),
            **more,
        )
        nll_losses = losses["pair_nll_losses"]
        logged = {"nll_loss": (nll_losses * pair_weights).sum()}
        if "pair_soft_losses" in losses:
            logged["kd_loss"] = (losses["pair_soft_losses"] * pair_weights).sum()
        if model.training:
            self._keep_unread(depths.pairs, nll_losses + losses.get("pair_soft_losses", 0.0))
        else:
            logged.update({pair_key(pair): nll for pair, nll in zip(depths.pairs, nll_losses)})
        return losses, logged

    def criterion_output(
        self, loss: Tensor, sample: Dict[str, Any], logged: Dict[str, Any]
    ) -> Tuple[Tensor, int, Dict[str, Any]]:
        """What fairseq expects of :meth:`forward`."""
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

    def target_tokens(self, sample: Dict[str, Any]) -> Any:
        """Their number, each counted with the weight of its sentence."""
        weighted = sample.get("sentence_weights") is not None
        return self.token_weights(sample).sum() if weighted else sample["ntokens"]

    def token_weights(self, sample: Dict[str, Any]) -> Tensor:
        """(batch · target length): how much each target token counts."""
        return token_weights(sample["target"], self.padding_idx, sample.get("sentence_weights")).view(-1)

    def pairs_not_finite(self) -> List[DepthPair]:
        """The pairs whose loss was NaN or infinite since the last call; the answer waits for the device."""
        if self.unread_losses is None:
            return []
        (pairs, losses), self.unread_losses = self.unread_losses, None
        return [pair for pair, fine in zip(pairs, torch.isfinite(losses).tolist()) if not fine]

    def _keep_unread(self, pairs: Sequence[DepthPair], losses: Tensor) -> None:
        """Keep *losses* on the device until somebody asks; an update draws the same pairs for all its batches."""
        if self.unread_losses is not None and self.unread_losses[0] == pairs:
            losses = losses + self.unread_losses[1]
        self.unread_losses = pairs, losses

    def refuse_shards(self, reason: str) -> None:
        """Refuse fully sharded training, whose hooks must see every use of a parameter.

        Args:
            reason: the option and what it does.

        Raises:
            ValueError: the training is fully sharded.
        """
        if getattr(self.cfg, "ddp_backend", None) == "fully_sharded":  # older checkpoints do not say
            raise ValueError(f"{reason}, which --ddp-backend fully_sharded does not see; use --ddp-backend legacy_ddp")

    @property
    def needs_loss_scale(self) -> bool:
        """Whether the model forms its gradients before the optimizer scales the loss."""
        return self.cfg.accumulate_depths

    def check_model(self, model: Any) -> None:
        """Find out whether the options fit *model*, before any data is read.

        Raises:
            ValueError: *model* has no depths; the options do not fit its depths or contradict its own; it adds noise
                to the output projection.
        """
        space = getattr(model, "depth_space", None)
        if space is None:
            raise ValueError(
                f"--criterion {self.name}: expected a model of many depths, such as --arch "
                f"tied_multi_transformer, given {type(model).__name__}"
            )
        if self.cfg.accumulate_depths and model.cfg.checkpoint_activations:
            raise ValueError(
                "--accumulate-depths: propagates back within the forward pass, which --checkpoint-activations cannot; "
                "leave one of them out"
            )
        noise = model.cfg.quant_noise.scalar
        if noise > 0:
            raise ValueError(
                f"--quant-noise-scalar {noise}: the losses of many depths read the output projection without its "
                "noise; use --quant-noise-pq, or a stock criterion, which trains the deepest pair alone"
            )
        drawn = self._draw(space, update=0)
        if self.cfg.depth_weights is not None:
            weights = parse_depth_weights(self.cfg.depth_weights, space)
            if drawn != space and not all(weights.values()):
                raise ValueError(
                    f"--depth-weights {self.cfg.depth_weights}: expected weights above 0 where depths are sampled"
                )

    def metric_names(self, model: Any) -> List[str]:
        """What validation of *model* logs, a depth pair each last."""
        space = getattr(model, "depth_space", None)
        return ["loss", "nll_loss", "ppl", *(map(pair_key, space.pairs) if space is not None else ())]

    def _draw(self, space: DepthSpace, update: int) -> DepthSpace:
        return space.sample(self.cfg.sample_encoder_depths, self.cfg.sample_decoder_depths, self.cfg.seed, update)

    def _depths_and_weights(self, model: Any) -> Tuple[DepthSpace, Dict[DepthPair, float]]:
        space = model.depth_space
        if model.chosen_depth is not None:
            n, m = model.chosen_depth
            depths = DepthSpace((n,), (m,))
            return depths, pair_weights(None, space, depths)
        depths = self._draw(space, model.num_updates) if model.training else space
        return depths, pair_weights(self.cfg.depth_weights, space, depths)

    @classmethod
    def reduce_metrics(cls, logging_outputs: List[Dict[str, Any]]) -> None:
        """Aggregate what data-parallel workers logged."""

        cls.log_sums(logged_sums(logging_outputs))

    @classmethod
    def log_sums(cls, sums: Dict[str, float]) -> None:
        """Log the means that *sums* are of, over all workers."""
        sample_size, tokens = sums["sample_size"], counted_tokens(sums)
        metrics.log_scalar("loss", mean(sums["loss"], sample_size) / math.log(2), sample_size, round=3)
        metrics.log_scalar("nll_loss", mean(sums["nll_loss"], tokens) / math.log(2), tokens, round=3)
        metrics.log_derived("ppl", lambda meters: utils.get_perplexity(meters["nll_loss"].avg))
        for key in sums:
            if key.startswith("nll_e"):
                metrics.log_scalar(key, mean(sums[key], tokens) / math.log(2), tokens, round=3)

    @staticmethod
    def logging_outputs_can_be_summed() -> bool:
        """Every worker logs the same keys, so that they can be summed by one all-reduce."""
        return True


def counted_tokens(sums: Dict[str, float]) -> float:
    """The target tokens of logged *sums*, with the weights of their sentences if there are any."""
    return sums["weighted_tokens"] if "weighted_tokens" in sums else sums["ntokens"]


def pair_key(pair: DepthPair) -> str:
    """The name under which a pair's negative log-likelihood is logged."""
    return f"nll_e{pair[0]}d{pair[1]}"
