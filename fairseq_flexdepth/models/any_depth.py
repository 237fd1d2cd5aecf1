"""Depths of a model: the depth pairs that it supports, the pair that is set, and the losses of many pairs."""

from functools import lru_cache
from typing import Any, Dict, Optional, Sequence, Tuple, Union

import torch
from fairseq.models.transformer import TransformerConfig
from torch import Tensor

from fairseq_flexdepth.depth.plan import DepthPlan, build_plan
from fairseq_flexdepth.depth.subnetwork_strategies import assign_subnetworks
from fairseq_flexdepth.depth.supported_depths import DepthPair, DepthSpace, parse_depths
from fairseq_flexdepth.models.accumulated_losses import accumulated_losses
from fairseq_flexdepth.models.checkpoint_fit import FitsCheckpoint
from fairseq_flexdepth.models.depth_losses import DepthBatch, WordDistillation, stacked_losses
from fairseq_flexdepth.models.layer_sharing import reentrant_under_ddp
from fairseq_flexdepth.modules.device_copies import on_device_of


class AnyDepthModel(FitsCheckpoint):
    """Mixin for a model whose encoder and decoder have ``layers`` of class DepthLayers."""

    depth_space: DepthSpace  # the depth pairs that the model is trained for and can decode at
    strategy: str  # as in --subnetworks: which layers each depth runs
    chosen_depth: Optional[DepthPair]  # the depth pair of set_depth; None: no single pair is chosen
    num_updates = 0
    loss_scale = 1.0  # of the optimizer; see set_loss_scale

    def support_depths(self, cfg: TransformerConfig) -> None:
        """Set the depth space and the sub-networks that the options ask for.

        Raises:
            ValueError: ``--encoder-depths`` or ``--decoder-depths`` does not fit the number of layers.
        """
        self.depth_space = DepthSpace(
            parse_depths(cfg.encoder_depths, len(self.encoder.layers), "--encoder-depths"),
            parse_depths(cfg.decoder_depths, len(self.decoder.layers), "--decoder-depths"),
        )
        self.use_subnetworks(cfg.subnetworks)

    def use_subnetworks(self, strategy: str) -> None:
        """Let *strategy* (as in ``--subnetworks``) choose the layers of each depth; resets :meth:`set_depth`.

        Raises:
            ValueError: the strategy is unknown.
        """
        self.strategy = strategy
        layers = len(self.encoder.layers), len(self.decoder.layers)
        self.encoder_subnetworks = assign_subnetworks(strategy, layers[0], self.depth_space.encoder)
        self.decoder_subnetworks = assign_subnetworks(strategy, layers[1], self.depth_space.decoder)
        self.set_depth()

    def set_depth(self, encoder_depth: Optional[int] = None, decoder_depth: Optional[int] = None) -> DepthPair:
        """Run one depth pair (n, m) from now on.

        Args:
            encoder_depth: n; the deepest of the depth space if left out.
            decoder_depth: m; the deepest of the depth space if left out. If both are left out, the model is trained at
                all depth pairs again.

        Returns:
            The pair (n, m) that runs when the model is called without a *target*.

        Raises:
            ValueError: a depth is outside the depth space.
        """
        # fairseq's forward passes loop over the active layers only.
        n, m = self.depth_space.choose(encoder_depth, decoder_depth)
        self.encoder.layers.active = self.encoder_subnetworks[n]
        self.decoder.layers.active = self.decoder_subnetworks[m]
        self.chosen_depth = None if encoder_depth is None and decoder_depth is None else (n, m)
        return n, m

    def losses_of_depths(
        self,
        words: Tuple[Tensor, Tensor, Tensor, Tensor],
        label_smoothing: float = 0.0,
        depths: Optional[DepthSpace] = None,
        pair_weights: Optional[Union[Sequence[float], Tensor]] = None,
        accumulate: bool = False,
        distillation: Optional[WordDistillation] = None,
        sentence_weights: Optional[Tensor] = None,
        trace: bool = False,
        accuracy: bool = False,
        loss_backend: str = "auto",
    ) -> Dict[str, Any]:
        """Compute the losses of all pairs of *depths*.

        Args:
            words: the source, its lengths, the previous target words and the target words, as in :class:`DepthBatch`.
            label_smoothing: ε of fairseq's label-smoothed cross-entropy.
            depths: the depth pairs to compute; by default the whole depth space.
            pair_weights: pairs, the weight of each of ``depths.pairs`` in the loss; by default equal, of sum 1.
            accumulate: in training, run one sub-network after another, which takes less memory.
            distillation: a teacher for all pairs; its mixture then replaces *label_smoothing*.
            sentence_weights: batch, the factor of each sentence in every loss.
            trace: also return the layer outputs of the deepest pair; not with *accumulate*.
            accuracy: also count the target words that are the most probable ones.
            loss_backend: how the loss without *distillation* is computed.

        Returns:
            The dict that :func:`~fairseq_flexdepth.models.depth_losses.stacked_losses` describes.
        """
        depths = depths or self.depth_space
        if pair_weights is None:
            pair_weights = [1.0 / len(depths.pairs)] * len(depths.pairs)
        # A criterion gives a tensor on the device; a list costs one copy to it.
        weights = pair_weights if torch.is_tensor(pair_weights) else on_device_of(words[-1], pair_weights)
        batch = DepthBatch(
            *words, label_smoothing, depths, weights, distillation, sentence_weights, trace, accuracy, loss_backend
        )
        training = self.training and torch.is_grad_enabled()  # without gradients nothing is to be accumulated
        return self.losses_of_batch(batch, accumulate and training)

    def losses_of_batch(self, batch: DepthBatch, accumulate: bool) -> Dict[str, Any]:
        """The losses of :meth:`losses_of_depths`, of all depth pairs at once or of one after another."""
        return accumulated_losses(self, batch) if accumulate else stacked_losses(self, batch)

    def set_num_updates(self, num_updates: int) -> None:
        """Store the update number: it seeds the random choice of depths (``--sample-encoder-depths``)."""
        super().set_num_updates(num_updates)
        self.num_updates = num_updates

    def set_loss_scale(self, scale: float) -> None:
        """Store the factor by which the optimizer will multiply the next loss, for ``--accumulate-depths``."""
        self.loss_scale = scale

    def plans(self, depths: DepthSpace) -> Tuple[DepthPlan, DepthPlan]:
        """The depth plans of encoder and decoder for the depth pairs of *depths*."""
        return (
            cached_plan(tuple(self.encoder_subnetworks[n] for n in depths.encoder)),
            cached_plan(tuple(self.decoder_subnetworks[m] for m in depths.decoder)),
        )


@lru_cache(maxsize=None)
def cached_plan(subnetworks: Tuple[Tuple[int, ...], ...]) -> DepthPlan:
    """``build_plan`` with a cache: every update needs a plan, and few different plans occur."""
    return build_plan(subnetworks)


def check_checkpointing(model: AnyDepthModel, cfg: TransformerConfig) -> None:
    """Refuse activation checkpointing under torch's DDP where a depth plan runs a layer more than once per update.

    Raises:
        ValueError: both are given.
    """
    if not reentrant_under_ddp(cfg):
        return
    if any(len(plan.runs) > len(plan.positions) for plan in model.plans(model.depth_space)):
        raise ValueError(
            f"--checkpoint-activations: with --subnetworks {cfg.subnetworks}, --ddp-backend {cfg.ddp_backend} would "
            "see a parameter's gradient once per run; use --ddp-backend legacy_ddp"
        )
