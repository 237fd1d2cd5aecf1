"""The losses of many depth pairs from one run of the depth plan ([dabre2020] Algorithm 1; [wang2020] Algorithm 1).

A depth pair (n, m) is n encoder layers with m decoder layers. An exit is the layer run that ends one depth. In the
shapes below, "pairs" and "exits" are the numbers of depth pairs and of exits.
"""

from typing import Any, Dict, List, NamedTuple, Optional

import torch
from torch import Tensor

from fairseq_flexdepth.depth.supported_depths import DepthSpace
from fairseq_flexdepth.modules.layer_trace import LayerTrace
from fairseq_flexdepth.modules.losses.adaptive_cross_entropy import adaptive_cross_entropy
from fairseq_flexdepth.modules.losses.chunks import FeatureRows
from fairseq_flexdepth.modules.losses.distilled_cross_entropy import Mixture, distilled_linear_cross_entropy
from fairseq_flexdepth.modules.losses.linear_cross_entropy import linear_cross_entropy
from fairseq_flexdepth.modules.losses.soft_targets import SoftTargets
from fairseq_flexdepth.modules.losses.zero_gradient import with_zero_gradients
from fairseq_flexdepth.protocols import FlexibleModel


class WordDistillation(NamedTuple):
    """Word-level distillation: a teacher's distributions, which every depth pair learns from."""

    teacher: SoftTargets  # one row per token: (batch · target length)
    mixture: Mixture


class DepthBatch(NamedTuple):
    """A batch, the depth pairs to compute, and the options of the loss."""

    src_tokens: Tensor  # batch × source length
    src_lengths: Tensor  # batch
    prev_output_tokens: Tensor  # batch × target length
    target: Tensor  # batch × target length
    label_smoothing: float  # ε of fairseq's label-smoothed cross-entropy
    depths: DepthSpace
    pair_weights: Tensor  # pairs, in the order of depths.pairs: their weights in the loss, in single precision
    distillation: Optional[WordDistillation] = None
    sentence_weights: Optional[Tensor] = None  # batch: factors of the sentences in every loss; None: all are 1
    trace: bool = False  # also return the layer outputs; only for stacked_losses
    accuracy: bool = False  # also count the target words that are the most probable ones
    loss_backend: str = "auto"  # of the loss without distillation, one of linear_cross_entropy.CHOICES


class TargetRows(NamedTuple):
    """The rows of a run of several pairs that hold target words; all others are padding.

    Rows are in the order (target length, pair, batch), in which the decoder's output lies in memory. To find them waits
    for the device, so it is done once per batch, before the layers run.
    """

    kept: Tensor  # words: their row numbers
    words: Tensor  # words: their numbers in the dictionary
    positions: Tensor  # words: their indices in (batch · target length), the order of a teacher's rows
    sentence_weights: Tensor  # batch, in single precision

    def of(self, features: Tensor) -> Tensor:
        """The rows of *features* that hold target words, words × channels: a copy only where there is padding.

        Args:
            features: (pairs · batch) × target length × channels, as the decoder returns them.
        """
        # They lie in memory as length × (pairs · batch) × channels: no copy is made.
        rows = features.transpose(0, 1).reshape(-1, features.size(-1))  # (length · pairs · batch) × channels
        return rows[self.kept] if len(self.kept) < len(rows) else rows


def target_rows(batch: DepthBatch, pairs: int, padding: int) -> TargetRows:
    """Find the rows of *batch* that hold target words.

    Args:
        batch: the batch.
        pairs: how many depth pairs run together.
        padding: the number of the padding symbol.
    """
    size, length = batch.target.shape
    # length × batch → length × 1 × batch → length × pairs × batch → (length · pairs · batch)
    targets = batch.target.t().unsqueeze(1).expand(length, pairs, size).reshape(-1)
    kept = targets.ne(padding).nonzero().view(-1)  # words
    # A row number is (position · pairs + pair) · batch + sentence; the teacher's is sentence · length + position.
    positions = kept % size * length + torch.div(kept, pairs * size, rounding_mode="floor")
    given = batch.sentence_weights
    return TargetRows(
        kept, targets[kept], positions, batch.pair_weights.new_ones(size) if given is None else given.float()
    )


def stacked_losses(model: FlexibleModel, batch: DepthBatch) -> Dict[str, Any]:
    """Run the encoder once, stack its outputs at all depths on the batch axis, and run the decoder once on the stack.

    Returns:
        ``loss``, the weighted sum of the pairs' losses; ``pair_losses``, ``pair_nll_losses`` and, with distillation,
        ``pair_soft_losses``, one value per pair, without gradient. All are sums over target tokens, in nats. With
        ``batch.accuracy`` also ``pair_correct``, the number of target tokens that are the most probable words, weighted
        by sentence. With ``batch.trace`` also ``encoder_trace`` and ``decoder_trace``, the layer outputs of the deepest
        pair.
    """
    encoder_plan, decoder_plan = model.plans(batch.depths)
    rows = target_rows(batch, len(batch.depths.pairs), model.decoder.padding_idx)
    below: List[LayerTrace] = []
    above: List[LayerTrace] = []
    encoder_out = model.encoder.forward_exits(encoder_plan, batch.src_tokens, batch.src_lengths, below)
    # The features have no name here: those of padding are released before the loss takes memory.
    words = rows.of(model.decoder.forward_exits(decoder_plan, batch.prev_output_tokens, encoder_out, above))
    losses: Dict[str, Any] = pair_losses(words, model.decoder, batch, rows)
    if batch.trace:
        # The decoder's layers ran on length × (encoder exits · batch) × channels, the deepest encoder depth last.
        size = len(batch.target)
        deepest = [run._replace(inputs=run.inputs[:, -size:], output=run.output[:, -size:]) for run in above]
        losses.update(encoder_trace=below, decoder_trace=deepest)
    # If LayerDrop drops all decoder layers, no layer reads the encoder's output: it needs a zero gradient, too.
    unused = model.encoder.layers.unused_parameters() + model.decoder.layers.unused_parameters()
    losses["loss"] = with_zero_gradients(losses["loss"], [encoder_out["encoder_out"][0], *unused])
    return losses


def decoder_losses(model: FlexibleModel, batch: DepthBatch) -> Dict[str, Any]:
    """The losses of :func:`stacked_losses` for a language model: run the decoder once for all depths."""
    _, plan = model.plans(batch.depths)
    rows = target_rows(batch, len(batch.depths.pairs), model.decoder.padding_idx)
    words = rows.of(model.decoder.forward_exits(plan, batch.prev_output_tokens, None))
    losses: Dict[str, Any] = pair_losses(words, model.decoder, batch, rows)
    losses["loss"] = with_zero_gradients(losses["loss"], model.decoder.layers.unused_parameters())
    return losses


def _row_losses(words: Tensor, row_weights: Tensor, decoder: Any, batch: DepthBatch, found: TargetRows) -> Any:
    """The weighted sum of the losses of *words*, words × channels, and the losses of each, as the batch asks."""
    if decoder.adaptive_softmax is not None:
        return adaptive_cross_entropy(decoder.adaptive_softmax, words, found.words, row_weights)
    feature_rows = FeatureRows(words, decoder.output_projection.weight, found.words, row_weights)
    if batch.distillation is None:
        return linear_cross_entropy(feature_rows, batch.label_smoothing, batch.loss_backend, batch.accuracy)
    teacher, mixture = batch.distillation
    return distilled_linear_cross_entropy(feature_rows, teacher, found.positions, mixture, batch.accuracy)


def pair_losses(words: Tensor, decoder: Any, batch: DepthBatch, found: TargetRows) -> Dict[str, Tensor]:
    """Project the decoder's features of all pairs onto the vocabulary and compute their losses.

    Args:
        words: words × channels, the features of target words, from :meth:`TargetRows.of`.
        decoder: the decoder, for its output projection.
        batch: the batch.
        found: the target words among the rows, from :func:`target_rows`.

    Returns:
        The losses, as in :func:`stacked_losses`.
    """
    (size, length), pairs = batch.target.shape, len(batch.depths.pairs)
    by_decoder = (len(batch.depths.decoder), len(batch.depths.encoder))
    # depths.pairs has the decoder depth changing fastest, the stack has the encoder depth changing fastest.
    weights = batch.pair_weights.view(by_decoder[::-1]).t().reshape(1, -1, 1)  # 1 × pairs × 1, as stacked
    row_weights = (weights * found.sentence_weights).expand(length, -1, size)  # length × pairs × batch
    row_weights = row_weights.reshape(-1)  # (length · pairs · batch)
    if len(found.kept) < len(row_weights):
        row_weights = row_weights[found.kept]  # words
    result = _row_losses(words, row_weights, decoder, batch, found)

    def per_pair(row_values: Tensor) -> Tensor:
        # Put the words back among the padding, which counts 0: (length · pairs · batch).
        by_row = row_values.new_zeros(length * pairs * size).index_copy_(0, found.kept, row_values)
        by_row = by_row.view(length, *by_decoder, size)  # length × decoder exits × encoder exits × batch
        of_pairs = (by_row * found.sentence_weights).sum(dim=(0, 3))  # decoder exits × encoder exits
        return of_pairs.t().reshape(-1)  # pairs, in the order of depths.pairs

    return {
        "loss": result.loss,
        # row_losses → pair_losses, row_nll_losses → pair_nll_losses, ...
        **{
            f"pair_{name[4:]}": per_pair(values)
            for name, values in result._asdict().items()
            if name != "loss" and values is not None
        },
    }
