"""A model with random weights whose decoder exits agree, with words about as frequent as those of a text."""

from argparse import Namespace
from typing import Any

import torch

from recipes.benchmarks import build

# The standard deviation of a frequent word's logits, with which the best two words are as far apart as in a trained
# model; with 1, as in a new one, near ties would be many times as frequent.
_LOGITS = 4.0


def agreeing_model(args: Namespace, shrink: float, frequent: float) -> Any:
    """A Pre-LN model on which drafts succeed.

    Hypotheses never end by themselves: the end symbol's logit is 0.

    Args:
        args: the options of :func:`build.add_size_options`.
        shrink: factor of the residual branches of all decoder layers but the first, so that these seldom change the
            first layer's choice.
        frequent: the number of words that are about equally frequent; after them frequency falls. In the dictionary,
            frequent words come first, as in fairseq's. The standard deviation of the logits of the word of rank r is
            proportional to ``(1 + log(1 + r / frequent)) ** -0.5``. So its logit is the largest of all with a
            probability that falls about as a power of ``r + frequent``: Zipf's law as Mandelbrot wrote it.
    """
    norms = {"encoder_normalize_before": True, "decoder_normalize_before": True}
    task = build.translation_task(args.vocabulary)
    model = build.build_model(task, "tied_multi_transformer", args, args.layers, args.layers, **norms).eval()
    decoder = model.decoder
    with torch.no_grad():
        for layer in list(decoder.layers)[1:]:
            for last in (layer.self_attn.out_proj, layer.encoder_attn.out_proj, layer.fc2):
                last.weight.mul_(shrink)
                last.bias.mul_(shrink)
        ranks = torch.arange(1, args.vocabulary + 1 - build.FIRST_WORD, device=args.device)
        scale = _LOGITS * (1 + (ranks / frequent).log1p()).rsqrt()  # words
        decoder.output_projection.weight[: build.FIRST_WORD].zero_()
        decoder.output_projection.weight[build.FIRST_WORD :].mul_(scale.unsqueeze(1))
    model.make_generation_fast_(need_attn=False)
    return model
