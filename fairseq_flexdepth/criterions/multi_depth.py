"""The base of the criterions that train many depth pairs (n, m): n encoder layers with m decoder layers."""

from typing import Any, Dict, List, Optional, Sequence, Tuple

import torch
from fairseq.tasks import FairseqTask
from torch import Tensor

from fairseq_flexdepth.criterions.logged_accuracy import accuracy_key, correct_key, log_accuracies
from fairseq_flexdepth.criterions.logged_sums import log_cross_entropies, logged_sums, pair_key
from fairseq_flexdepth.criterions.multi_depth_config import MultiDepthConfig
from fairseq_flexdepth.criterions.weighted_sentences import WeightedSentencesCriterion
from fairseq_flexdepth.depth.supported_depths import DepthPair, DepthSpace
from fairseq_flexdepth.depth.weights import pair_weights, parse_depth_weights
from fairseq_flexdepth.models.built_models import built_model
from fairseq_flexdepth.modules.device_copies import on_device_of
from fairseq_flexdepth.modules.losses.linear_cross_entropy import EAGER, check_backend
from fairseq_flexdepth.protocols import Sample, TrainedModel


class MultiDepthCriterion(WeightedSentencesCriterion):
    """Base of the criterions whose loss is a weighted mean over depth pairs.

    In training, the depths of ``--sample-encoder-depths`` and ``--sample-decoder-depths`` are drawn at each update. In
    validation all pairs are computed, and each pair's negative log-likelihood is logged as ``nll_e<n>d<m>`` (of a
    language model ``nll_d<m>``), in bits per token, as ``nll_loss`` is. ``--report-accuracy`` adds
    ``accuracy_e<n>d<m>``, and ``accuracy``, the weighted mean over the pairs, as ``nll_loss`` is. After ``set_depth``
    the model is trained and validated at that pair alone.

    Args:
        task: any task of fairseq with target words.
        cfg: the options.

    Raises:
        ValueError: an option is out of range, or does not work with the task or with ``--ddp-backend``.
    """

    name: str  # as in --criterion, for error messages
    # Losses of the pairs, summed over the batches of an update, that pairs_not_finite has not looked at yet.
    unread_losses: Optional[Tuple[Sequence[DepthPair], Tensor]] = None

    def __init__(self, task: FairseqTask, cfg: MultiDepthConfig) -> None:
        super().__init__(task)
        if getattr(task, "target_dictionary", None) is None:
            raise ValueError(f"--criterion {self.name}: expected a task with target words, given {type(task).__name__}")
        self.cfg = cfg
        if not 0 <= cfg.label_smoothing <= 1:
            raise ValueError(f"--label-smoothing {cfg.label_smoothing}: expected a number from 0 to 1")
        if cfg.sandwich_rule and not (cfg.sample_encoder_depths or cfg.sample_decoder_depths):
            raise ValueError("--sandwich-rule: expected --sample-encoder-depths or --sample-decoder-depths, too")
        if cfg.ignore_prefix_size < 0:
            raise ValueError(f"--ignore-prefix-size {cfg.ignore_prefix_size}: expected 0 or more")
        check_backend(str(cfg.loss_backend))
        if cfg.accumulate_depths and not getattr(task, "gives_loss_scale", False):
            raise ValueError(
                f"--accumulate-depths: expected --task translation, given a {type(task).__name__}, which does not tell "
                "the model the loss scale"
            )
        if cfg.accumulate_depths:
            self.refuse_shards("--accumulate-depths: propagates back within the forward pass")

    @classmethod
    def build_criterion(cls, cfg: MultiDepthConfig, task: FairseqTask) -> "MultiDepthCriterion":
        """Build the criterion, and check the model that *task* has built against its options.

        Raises:
            ValueError: the options are wrong, or do not fit the model.
        """
        criterion, model = cls(task, cfg), built_model(task)
        if model is not None:
            criterion.check_model(model)
        return criterion

    def scored(self, sample: Sample) -> Sample:
        """The batch as the losses see it: with ``--ignore-prefix-size`` the first target tokens become padding.

        The sample size still counts them, as in fairseq.
        """
        if self.cfg.ignore_prefix_size == 0:
            return sample
        target = sample["target"].clone()  # batch × target length
        target[:, : self.cfg.ignore_prefix_size] = self.padding_idx
        return {**sample, "target": target}

    def losses_of_all_pairs(
        self, model: TrainedModel, sample: Sample, **more: Any
    ) -> Tuple[Dict[str, Any], Dict[str, Any]]:
        """Compute the losses of all depth pairs of this update.

        Args:
            model: the model in training or validation.
            sample: a batch as :meth:`scored` returns it.
            more: further arguments of ``FlexDepthTransformer.forward``.

        Returns:
            The model's losses, and the values to log. All are sums over target tokens, in nats.
        """
        depths, weights_by_pair = self._depths_and_weights(model)
        # One copy to the device for all pairs of the update.
        weights = on_device_of(sample["target"], [weights_by_pair[pair] for pair in depths.pairs])  # pairs
        losses = model(
            **sample["net_input"],
            target=model.get_targets(sample, None),
            label_smoothing=self.cfg.label_smoothing,
            depths=depths,
            pair_weights=weights,
            accumulate=self.cfg.accumulate_depths,
            sentence_weights=sample.get("sentence_weights"),
            accuracy=self.cfg.report_accuracy,
            loss_backend=str(self.cfg.loss_backend),
            **more,
        )
        nll_losses = losses["pair_nll_losses"]  # pairs
        logged = {"nll_loss": (nll_losses * weights).sum()}
        if "pair_soft_losses" in losses:
            logged["kd_loss"] = (losses["pair_soft_losses"] * weights).sum()
        if model.training:
            self._keep_unread(depths.pairs, nll_losses + losses.get("pair_soft_losses", 0.0))
        else:
            logged.update({pair_key(pair): nll for pair, nll in zip(depths.pairs, nll_losses)})
        if self.cfg.report_accuracy:
            logged.update(self.accuracy((losses["pair_correct"] * weights).sum(), sample))
            if not model.training:
                logged.update({correct_key(pair): n for pair, n in zip(depths.pairs, losses["pair_correct"])})
        return losses, logged

    def accuracy(self, correct: Tensor, sample: Sample) -> Dict[str, Tensor]:
        """What ``--report-accuracy`` logs, by fairseq's names; sentences count with their weights.

        Args:
            correct: the number of target tokens that are the most probable words.
            sample: a batch as :meth:`scored` returns it.
        """
        return {"n_correct": correct, "total": self.token_weights(sample).sum()}

    def pairs_not_finite(self) -> List[DepthPair]:
        """The depth pairs whose loss was NaN or infinite since the last call. Waits for the device."""
        if self.unread_losses is None:
            return []
        (pairs, losses), self.unread_losses = self.unread_losses, None
        return [pair for pair, finite in zip(pairs, torch.isfinite(losses).tolist()) if not finite]

    def _keep_unread(self, pairs: Sequence[DepthPair], losses: Tensor) -> None:
        """Add up *losses* on the device for :meth:`pairs_not_finite`: to read them after each batch would wait."""
        # All batches of an update (--update-freq) draw the same pairs.
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
        if getattr(self.cfg, "ddp_backend", None) == "fully_sharded":  # missing in checkpoints of older versions
            raise ValueError(f"{reason}, which --ddp-backend fully_sharded does not see; use --ddp-backend legacy_ddp")

    @property
    def needs_loss_scale(self) -> bool:
        """Whether the model must know the loss scale in its forward pass, where it then forms the gradients."""
        return self.cfg.accumulate_depths

    def check_model(self, model: Any) -> None:
        """Check that the options fit *model*, before any data is read.

        Raises:
            ValueError: *model* has no depths, the options do not fit its depths or its own options, or it adds noise
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
        if model.cfg.adaptive_softmax_cutoff is not None:
            self._refuse_needs_of_all_words(model.cfg.adaptive_softmax_cutoff)
        drawn = self._draw(space, update=0)  # raises if there are fewer depths than are to be sampled
        if self.cfg.depth_weights is not None:
            weights = parse_depth_weights(self.cfg.depth_weights, space)
            # An update that draws only pairs of weight 0 would have no loss.
            if drawn != space and not all(weights.values()):
                raise ValueError(
                    f"--depth-weights {self.cfg.depth_weights}: expected weights above 0 where depths are sampled"
                )

    def _refuse_needs_of_all_words(self, cutoff: Any) -> None:
        """Refuse options that need the probabilities of all words, beside ``--adaptive-softmax-cutoff`` *cutoff*."""
        smoothing = self.cfg.label_smoothing
        needs = [f"--label-smoothing {smoothing}"] * (smoothing > 0) + ["--report-accuracy"] * self.cfg.report_accuracy
        needs += [f"--loss-backend {self.cfg.loss_backend}"] * (str(self.cfg.loss_backend) not in EAGER)
        if needs:
            raise ValueError(
                f"{', '.join(needs)}: needs the probabilities of all words, which --adaptive-softmax-cutoff {cutoff} "
                "does not compute; leave out one of them"
            )

    def metric_names(self, model: Any) -> List[str]:
        """The names of the values that validation of *model* logs; the values of the depth pairs come last."""
        space = getattr(model, "depth_space", None)
        pairs = [] if space is None else space.pairs
        names = ["loss", "nll_loss", "ppl"]
        if self.cfg.report_accuracy:
            names += ["accuracy", "n_correct", "total", *map(accuracy_key, pairs)]
        return [*names, *map(pair_key, pairs)]

    def _draw(self, space: DepthSpace, update: int) -> DepthSpace:
        """The depths to train in an update, the same on all processes."""
        counts = self.cfg.sample_encoder_depths, self.cfg.sample_decoder_depths
        return space.sample(*counts, self.cfg.seed, update, self.cfg.sandwich_rule)

    def _depths_and_weights(self, model: TrainedModel) -> Tuple[DepthSpace, Dict[DepthPair, float]]:
        """The depth pairs to compute now, and the weight of each in the loss."""
        space = model.depth_space
        if model.chosen_depth is not None:
            n, m = model.chosen_depth
            depths = DepthSpace((n,), (m,))  # a space of a single pair
            return depths, pair_weights(None, space, depths)
        depths = self._draw(space, model.num_updates) if model.training else space
        return depths, pair_weights(self.cfg.depth_weights, space, depths)

    @classmethod
    def reduce_metrics(cls, logging_outputs: List[Dict[str, Any]]) -> None:
        """Log the values of all workers together."""
        cls.log_sums(logged_sums(logging_outputs))

    @classmethod
    def log_sums(cls, sums: Dict[str, float]) -> None:
        """Log the means of *sums*, which are over all workers."""
        log_cross_entropies(sums)
        log_accuracies(sums)

    @staticmethod
    def logging_outputs_can_be_summed() -> bool:
        """True: all workers log the same keys, so fairseq sums them with a single all-reduce."""
        return True
