"""The self-attention of an encoder layer, to be compared between teacher and student (ckd §4.1)."""

from typing import Any

import torch
from torch import Tensor

from fairseq_flexdepth.modules.losses.token_weights import weighted_mean


def attention_map(layer: Any, inputs: Tensor, padding: Tensor) -> Tensor:
    """The attention of *layer* to its *inputs*, without dropout, averaged over its heads.

    fairseq's layers do not hand it out, so queries and keys are projected once more.

    Args:
        layer: one of fairseq's Transformer encoder layers.
        inputs: length × batch × channels, what the layer was called with.
        padding: batch × length, true for padding.

    Returns:
        batch × length × length, in single precision; each row of the last dimension is a distribution.
    """
    attention = layer.self_attn
    normalized = layer.self_attn_layer_norm(inputs) if layer.normalize_before else inputs
    length, batch, _ = inputs.shape

    def heads(projected: Tensor) -> Tensor:  # batch × heads × length × channels of a head
        return projected.view(length, batch, attention.num_heads, -1).permute(1, 2, 0, 3)

    queries, keys = heads(attention.q_proj(normalized)), heads(attention.k_proj(normalized))
    scores = (queries * attention.scaling) @ keys.transpose(2, 3)
    scores = scores.float()
    # not minus infinity: a sentence that does not count is padding throughout
    scores = scores.masked_fill(padding[:, None, None, :], torch.finfo(scores.dtype).min)
    return torch.softmax(scores, dim=-1).mean(dim=1)


def attention_loss(student: Tensor, teacher: Tensor, weights: Tensor) -> Tensor:
    """The mean squared difference of two :func:`attention_map`, over pairs of positions of the same sentence.

    It is 0 where no sentence has a weight.

    Args:
        student: batch × length × length.
        teacher: batch × length × length.
        weights: batch × length, the weight of the position's sentence; 0 for padding.
    """
    pairs = weights.unsqueeze(1) * (weights > 0).unsqueeze(2)
    return weighted_mean((student - teacher).pow(2), pairs)
