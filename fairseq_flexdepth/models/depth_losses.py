"""The losses of many depth pairs from one run of the depth plan."""

from typing import Any, Dict, List, NamedTuple, Optional

import torch
from torch import Tensor

from fairseq_flexdepth.depth.space import DepthSpace
from fairseq_flexdepth.modules.layer_trace import LayerTrace
from fairseq_flexdepth.modules.losses.chunks import FeatureRows
from fairseq_flexdepth.modules.losses.distilled_cross_entropy import Mixture, distilled_linear_cross_entropy
from fairseq_flexdepth.modules.losses.linear_cross_entropy import linear_cross_entropy
from fairseq_flexdepth.modules.losses.soft_targets import SoftTargets
from fairseq_flexdepth.modules.losses.zero_gradient import with_zero_gradients


class WordDistillation(NamedTuple):
    """What every pair learns from a teacher's distributions."""

    teacher: SoftTargets  # of (batch · target length) tokens
    mixture: Mixture


class DepthBatch(NamedTuple):
    """A batch to train on, the pairs to train, and how."""

    src_tokens: Tensor  # batch × source length
    src_lengths: Tensor  # batch
    prev_output_tokens: Tensor  # batch × target length
    target: Tensor  # batch × target length
    label_smoothing: float  # ε of fairseq's label-smoothed cross-entropy
    depths: DepthSpace
    pair_weights: Tensor  # pairs: of each of depths.pairs in the loss, in single precision
    distillation: Optional[WordDistillation] = None
    sentence_weights: Optional[Tensor] = None  # batch: the factor of each sentence in every loss; 1 by default
    trace: bool = False  # also return what the layers gave out; for stacked_losses alone


class TargetRows(NamedTuple):
    """The target words among the rows of a run of several pairs, which are of (length, pair, batch).

    To find them waits for the device: once for a batch, and before its layers run.
    """

    kept: Tensor  # words: their rows; the others are padding
    words: Tensor  # words
    positions: Tensor  # words: their places in batch × target length, as a teacher counts them
    sentence_weights: Tensor  # batch, in single precision


def target_rows(batch: DepthBatch, pairs: int, padding: int) -> TargetRows:
    """Those of a run of so many *pairs*."""
    size, length = batch.target.shape
    targets = batch.target.t().unsqueeze(1).expand(length, pairs, size).reshape(-1)
    kept = targets.ne(padding).nonzero().view(-1)
    positions = kept % size * length + torch.div(kept, pairs * size, rounding_mode="floor")
    given = batch.sentence_weights
    return TargetRows(
        kept, targets[kept], positions, batch.pair_weights.new_ones(size) if given is None else given.float()
    )


def stacked_losses(model: Any, batch: DepthBatch) -> Dict[str, Any]:
    """Every layer run once, the encoder's outputs stacked on the batch axis and the decoder run on the stack.

    Returns:
        ``loss``, the weighted sum of the pairs' losses; ``pair_losses`` and ``pair_nll_losses``, one a pair, without
        gradient, and ``pair_soft_losses`` where there is a teacher. All are sums over target tokens, in nats.
        ``encoder_trace`` and ``decoder_trace``, where asked for, are of the deepest pair's layers.
    """
    encoder_plan, decoder_plan = model.plans(batch.depths)
    rows = target_rows(batch, len(batch.depths.pairs), model.decoder.padding_idx)
    below: List[LayerTrace] = []
    above: List[LayerTrace] = []
    encoder_out = model.encoder.forward_exits(encoder_plan, batch.src_tokens, batch.src_lengths, below)
    features = model.decoder.forward_exits(decoder_plan, batch.prev_output_tokens, encoder_out, above)
    losses: Dict[str, Any] = pair_losses(features, model.decoder, batch, rows)
    if batch.trace:
        size = len(batch.target)  # the decoder's runs are of all encoder depths, the deepest last
        deepest = [run._replace(inputs=run.inputs[:, -size:], output=run.output[:, -size:]) for run in above]
        losses.update(encoder_trace=below, decoder_trace=deepest)
    # No layer reads the encoder's output where LayerDrop drops all layers of the decoder.
    unused = model.encoder.layers.unused_parameters() + model.decoder.layers.unused_parameters()
    losses["loss"] = with_zero_gradients(losses["loss"], [encoder_out["encoder_out"][0], *unused])
    return losses


def pair_losses(features: Tensor, decoder: Any, batch: DepthBatch, found: TargetRows) -> Dict[str, Tensor]:
    """Project the *features* of all pairs, (decoder depth, encoder depth, batch) × length × channels.

    Rows are taken in the order in which the decoder holds them, (length, pair, batch), to spare a copy.
    """
    (size, length), pairs = batch.target.shape, len(batch.depths.pairs)
    by_decoder = (len(batch.depths.decoder), len(batch.depths.encoder))
    weights = batch.pair_weights.view(by_decoder[::-1]).t().reshape(1, -1, 1)
    row_weights = (weights * found.sentence_weights).expand(length, -1, size).reshape(-1)
    rows = features.transpose(0, 1).reshape(-1, features.size(-1))
    if len(found.kept) < len(rows):
        rows, row_weights = rows[found.kept], row_weights[found.kept]
    feature_rows = FeatureRows(rows, decoder.output_projection.weight, found.words, row_weights)
    if batch.distillation is None:
        result: Any = linear_cross_entropy(feature_rows, batch.label_smoothing)
    else:
        teacher, mixture = batch.distillation
        result = distilled_linear_cross_entropy(feature_rows, teacher, found.positions, mixture)

    def per_pair(row_values: Tensor) -> Tensor:
        by_position = row_values.new_zeros(length * pairs * size).index_copy_(0, found.kept, row_values)
        return (by_position.view(length, *by_decoder, size) * found.sentence_weights).sum(dim=(0, 3)).t().reshape(-1)

    return {
        "loss": result.loss,
        **{f"pair_{name[4:]}": per_pair(values) for name, values in result._asdict().items() if name != "loss"},
    }
