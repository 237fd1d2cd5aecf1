"""Depths of a model: the depth pairs that it supports, the pair that is set, and the depth plans for training."""

from functools import lru_cache
from typing import Optional, Tuple

from fairseq.models import FairseqEncoderDecoderModel
from fairseq.models.transformer import TransformerConfig

from fairseq_flexdepth.depth.plan import DepthPlan, build_plan
from fairseq_flexdepth.depth.subnetwork_strategies import assign_subnetworks
from fairseq_flexdepth.depth.supported_depths import DepthPair, DepthSpace, parse_depths


class AnyDepthModel(FairseqEncoderDecoderModel):
    """Mixin for a model whose encoder and decoder have ``layers`` of class DepthLayers."""

    depth_space: DepthSpace  # the depth pairs that the model is trained for and can decode at
    strategy: str  # as in --subnetworks: which layers each depth runs
    chosen_depth: Optional[DepthPair]  # the depth pair of set_depth; None: no single pair is chosen

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

    def plans(self, depths: DepthSpace) -> Tuple[DepthPlan, DepthPlan]:
        """The depth plans of encoder and decoder for the depth pairs of *depths*."""
        return (
            _plan(tuple(self.encoder_subnetworks[n] for n in depths.encoder)),
            _plan(tuple(self.decoder_subnetworks[m] for m in depths.decoder)),
        )


@lru_cache(maxsize=None)
def _plan(subnetworks: Tuple[Tuple[int, ...], ...]) -> DepthPlan:
    """``build_plan`` with a cache: every update needs a plan, and few different plans occur."""
    return build_plan(subnetworks)

