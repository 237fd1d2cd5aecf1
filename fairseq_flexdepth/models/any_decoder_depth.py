"""Depths of a model that has a decoder only, such as a language model: the encoder depth of all its pairs is 0."""

from typing import Any, Dict, Optional, Tuple

from fairseq.models.transformer import TransformerConfig

from fairseq_flexdepth.depth.plan import DepthPlan
from fairseq_flexdepth.depth.subnetwork_strategies import assign_subnetworks
from fairseq_flexdepth.depth.supported_depths import NO_ENCODER, DepthPair, DepthSpace, parse_depths
from fairseq_flexdepth.models.accumulated_losses import accumulated_decoder_losses
from fairseq_flexdepth.models.any_depth import AnyDepthModel, cached_plan
from fairseq_flexdepth.models.depth_losses import DepthBatch, decoder_losses

_NO_RUNS = DepthPlan((), ())


class AnyDecoderDepthModel(AnyDepthModel):
    """Mixin for a model without an encoder whose decoder has ``layers`` of class DepthLayers."""

    encoder_subnetworks: Dict[int, Tuple[int, ...]] = {NO_ENCODER[0]: ()}

    def support_depths(self, cfg: TransformerConfig) -> None:
        """Set the depths and the sub-networks that the options ask for.

        Raises:
            ValueError: ``--decoder-depths`` does not fit the number of layers.
        """
        depths = parse_depths(cfg.decoder_depths, len(self.decoder.layers), "--decoder-depths")
        self.depth_space = DepthSpace(NO_ENCODER, depths)
        self.use_subnetworks(cfg.subnetworks)

    def use_subnetworks(self, strategy: str) -> None:
        """Let *strategy* (as in ``--subnetworks``) choose the layers of each depth; resets :meth:`set_depth`.

        Raises:
            ValueError: the strategy is unknown.
        """
        self.strategy = strategy
        self.decoder_subnetworks = assign_subnetworks(strategy, len(self.decoder.layers), self.depth_space.decoder)
        self.set_depth()

    def set_depth(self, encoder_depth: Optional[int] = None, decoder_depth: Optional[int] = None) -> DepthPair:
        """Run *decoder_depth* layers from now on; without it all depths are trained again, and the deepest decodes.

        Args:
            encoder_depth: 0 or ``None``.
            decoder_depth: m.

        Returns:
            The pair (0, m) that runs when the model is called without a *target*.

        Raises:
            ValueError: *decoder_depth* is outside the depth space, or an *encoder_depth* is given.
        """
        pair = self.depth_space.choose(encoder_depth, decoder_depth)
        self.decoder.layers.active = self.decoder_subnetworks[pair[1]]
        self.chosen_depth = None if decoder_depth is None else pair
        return pair

    def plans(self, depths: DepthSpace) -> Tuple[DepthPlan, DepthPlan]:
        """An empty plan, and the decoder's depth plan for the depths of *depths*."""
        return _NO_RUNS, cached_plan(tuple(self.decoder_subnetworks[m] for m in depths.decoder))

    def losses_of_batch(self, batch: DepthBatch, accumulate: bool) -> Dict[str, Any]:
        """The losses of all depths at once, or of one after another."""
        return accumulated_decoder_losses(self, batch) if accumulate else decoder_losses(self, batch)
