"""Attention maps: the self-attention of an encoder layer, compared between teacher and student.

``--criterion pkd --pkd-attention`` compares them in addition to the layers' outputs ([wu2020] §4.1).
"""

from typing import Any

import torch
from torch import Tensor

from fairseq_flexdepth.modules.losses.token_weights import weighted_mean


def attention_map(layer: Any, inputs: Tensor, padding: Tensor) -> Tensor:
    """The self-attention of *layer* over its *inputs*, without dropout, averaged over its heads.

    fairseq's layers do not return it, so queries and keys are projected a second time.

    Args:
        layer: one of fairseq's Transformer encoder layers.
        inputs: length × batch × channels, the input of the layer.
        padding: batch × length, true for padding.

    Returns:
        batch × length × length, in single precision; each row of the last dimension is a distribution.
    """
    attention = layer.self_attn
    normalized = layer.self_attn_layer_norm(inputs) if layer.normalize_before else inputs  # length × batch × channels
    length, batch, _ = inputs.shape

    def heads(projected: Tensor) -> Tensor:
        by_head = projected.view(length, batch, attention.num_heads, -1)  # length × batch × heads × channels per head
        return by_head.permute(1, 2, 0, 3)  # batch × heads × length × channels per head

    queries, keys = heads(attention.q_proj(normalized)), heads(attention.k_proj(normalized))
    scores = (queries * attention.scaling) @ keys.transpose(2, 3)  # batch × heads × length × length
    scores = scores.float()
    # Not minus infinity: a row of padding alone (a sentence that does not count) would give no number.
    scores = scores.masked_fill(padding[:, None, None, :], torch.finfo(scores.dtype).min)
    return torch.softmax(scores, dim=-1).mean(dim=1)  # mean over heads: batch × length × length


def attention_loss(student: Tensor, teacher: Tensor, weights: Tensor) -> Tensor:
    """The mean squared difference of two attention maps, over pairs of positions of the same sentence.

    Args:
        student: batch × length × length, of :func:`attention_map`.
        teacher: batch × length × length.
        weights: batch × length, the weight of the position's sentence; 0 for padding.

    Returns:
        A scalar; 0 if all weights are 0.
    """
    pairs = weights.unsqueeze(1) * (weights > 0).unsqueeze(2)  # batch × length × length: key's weight, if query counts
    return weighted_mean((student - teacher).pow(2), pairs)
