"""Algorithm 1 of tied_multi as it is written there: a Python loop over encoder depths around one over decoder depths.

The comparison for the benchmarks, from a stock fairseq model's layers: every encoder prefix runs once, every decoder
prefix once for each encoder depth, and every pair projects its own logits. It knows nothing of this package.
"""

from typing import Any, Dict

import torch
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
from torch import Tensor


def double_loop_loss(model: Any, sample: Dict[str, Any], label_smoothing: float) -> Tensor:
    """The mean over all pairs of fairseq's label-smoothed cross-entropy, summed over target tokens.

    Args:
        model: fairseq's ``transformer``.
        sample: a batch without padding in the source.
        label_smoothing: ε.
    """
    inputs, target = sample["net_input"], sample["target"].view(-1)
    pad = model.decoder.padding_idx
    losses = []
    encoded = model.encoder.forward_embedding(inputs["src_tokens"])[0].transpose(0, 1)
    start = _embed_target(model.decoder, inputs["prev_output_tokens"])
    mask = model.decoder.buffered_future_mask(start)
    for encoder_layer in model.encoder.layers:
        encoded = encoder_layer(encoded, encoder_padding_mask=None)
        memory = _normed(model.encoder, encoded)
        decoded = start
        for decoder_layer in model.decoder.layers:
            decoded = decoder_layer(decoded, memory, None, self_attn_mask=mask)[0]
            features = _normed(model.decoder, decoded).transpose(0, 1)
            logits = model.decoder.output_layer(features), None
            lprobs = model.get_normalized_probs(logits, log_probs=True)
            lprobs = lprobs.view(-1, lprobs.size(-1))
            losses.append(label_smoothed_nll_loss(lprobs, target, label_smoothing, ignore_index=pad)[0])
    return torch.stack(losses).mean()


def _embed_target(decoder: Any, tokens: Tensor) -> Tensor:
    """length × batch × channels"""
    x = decoder.embed_scale * decoder.embed_tokens(tokens) + decoder.embed_positions(tokens)
    if decoder.layernorm_embedding is not None:
        x = decoder.layernorm_embedding(x)
    return decoder.dropout_module(x).transpose(0, 1)


def _normed(side: Any, x: Tensor) -> Tensor:
    """With Pre-LN the final norm of *side* applies to every exit."""
    return x if side.layer_norm is None else side.layer_norm(x)
