"""The double loop of [dabre2020] Algorithm 1: over encoder depths, and inside over decoder depths.

The benchmarks compare this package with it. It runs the layers of a stock fairseq model: every encoder prefix once,
every decoder prefix once per encoder depth, and one projection per depth pair.
"""

from typing import Any

import torch
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
from fairseq.models.transformer import TransformerModel
from torch import Tensor

from fairseq_flexdepth.protocols import Sample


def double_loop_loss(model: TransformerModel, sample: Sample, label_smoothing: float) -> Tensor:
    """Return the mean over all depth pairs of fairseq's label-smoothed cross-entropy, summed over target tokens.

    Args:
        model: fairseq's ``transformer``.
        sample: a batch without padding in the source.
        label_smoothing: ε.
    """
    inputs, target = sample["net_input"], sample["target"].view(-1)
    pad = model.decoder.padding_idx
    losses = []
    encoded = model.encoder.forward_embedding(inputs["src_tokens"])[0].transpose(0, 1)  # length × batch × channels
    start = _embed_target(model.decoder, inputs["prev_output_tokens"])  # length × batch × channels
    mask = model.decoder.buffered_future_mask(start)
    for encoder_layer in model.encoder.layers:
        encoded = encoder_layer(encoded, encoder_padding_mask=None)
        memory = _normed(model.encoder, encoded)
        decoded = start
        for decoder_layer in model.decoder.layers:
            decoded = decoder_layer(decoded, memory, None, self_attn_mask=mask)[0]
            features = _normed(model.decoder, decoded).transpose(0, 1)  # batch × length × channels
            logits = model.decoder.output_layer(features), None
            lprobs = model.get_normalized_probs(logits, log_probs=True)
            lprobs = lprobs.view(-1, lprobs.size(-1))  # (batch · length) × vocabulary
            losses.append(label_smoothed_nll_loss(lprobs, target, label_smoothing, ignore_index=pad)[0])
    return torch.stack(losses).mean()


def _embed_target(decoder: Any, tokens: Tensor) -> Tensor:
    """Return the embedded target words: length × batch × channels."""
    x = decoder.embed_scale * decoder.embed_tokens(tokens) + decoder.embed_positions(tokens)
    if decoder.layernorm_embedding is not None:
        x = decoder.layernorm_embedding(x)
    return decoder.dropout_module(x).transpose(0, 1)


def _normed(side: Any, x: Tensor) -> Tensor:
    """Apply the final layer norm of *side*, which Pre-LN models have, to an exit."""
    return x if side.layer_norm is None else side.layer_norm(x)
