"""The same losses and gradients as the stacked run, one sub-network at a time (flexible_depth, Algorithm 1).

Each encoder sub-network runs once; its decoder sub-networks follow one after another on its output. Each is propagated
back at once, and the gradients are collected at that output before the encoder sub-network's own turn: never more than
the activations of one encoder and one decoder sub-network are held.
"""

from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import torch
from torch import Tensor, nn

from fairseq_flexdepth.depth.space import DepthSpace
from fairseq_flexdepth.models.depth_losses import DepthBatch, pair_losses, target_rows


def accumulated_losses(model: Any, batch: DepthBatch) -> Dict[str, Tensor]:
    """See :func:`~fairseq_flexdepth.models.depth_losses.stacked_losses`; for training alone.

    The gradients are formed in the forward pass, at the loss scale of the optimizer (``model.loss_scale``), so that in
    half precision small ones do not vanish.
    """
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return dict(zip(_LOSSES, _GradientsInForward.apply(model, batch, *parameters)))


_LOSSES = ("loss", "pair_losses", "pair_nll_losses", "pair_soft_losses")  # the last only with a teacher


class _GradientsInForward(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, model: Any, batch: DepthBatch, *parameters: nn.Parameter) -> Tuple[Tensor, ...]:
        ctx.sums = _GradientSums(parameters, model.loss_scale)
        with torch.enable_grad():
            pairs = _run(model, batch, ctx.sums)
        loss = torch.stack([pair["loss"].detach() for pair in pairs]).sum()
        of_pairs = [torch.cat([pair[key] for pair in pairs]) for key in _LOSSES[1:] if key in pairs[0]]
        ctx.mark_non_differentiable(*of_pairs)
        return (loss, *of_pairs)

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor, *_: Tensor) -> Tuple[Optional[Tensor], ...]:
        if ctx.sums is None:
            raise RuntimeError("the gradients of accumulated_losses were used up by an earlier backward pass")
        sums, ctx.sums = ctx.sums, None
        return (None, None, *sums.take(grad_loss))


class _GradientSums:
    """The gradients collected so far, in single precision and of the unscaled loss; ``None`` where none arrived.

    They are as large as the model: each is let go as soon as it is no longer needed.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], scale: float) -> None:
        self.parameters = parameters
        self.scale = scale
        self.totals: List[Optional[Tensor]] = [None] * len(parameters)

    def propagate(self, output: Tensor, gradient: Tensor) -> None:
        """Collect what *gradient* at *output*, scaled, means for the parameters."""
        found = list(torch.autograd.grad([output], self.parameters, [gradient], allow_unused=True))
        self._add(found)

    def propagate_to(self, cut: Tensor, output: Tensor, gradient: Tensor) -> Optional[Tensor]:
        """The same, and what it means for *cut*: ``None`` where *output* does not depend on it."""
        at_cut, *found = torch.autograd.grad([output], [cut, *self.parameters], [gradient], allow_unused=True)
        self._add(found)
        return at_cut

    def _add(self, found: List[Optional[Tensor]]) -> None:
        for index, part in enumerate(found):
            found[index] = None
            if part is None:
                continue
            part = part.float() if self.scale == 1 else part.float() / self.scale
            total = self.totals[index]
            # Parts of two parameters may be one tensor, which must not be added to in place.
            self.totals[index] = part.clone() if total is None else total.add_(part)

    def take(self, grad_loss: Tensor) -> Iterator[Tensor]:
        """The gradients for a loss of this gradient, one after another; zero where none arrived."""
        for index, parameter in enumerate(self.parameters):
            total, self.totals[index] = self.totals[index], None
            yield torch.zeros_like(parameter) if total is None else total.mul_(grad_loss).to(parameter.dtype)


def _run(model: Any, batch: DepthBatch, sums: _GradientSums) -> List[Dict[str, Tensor]]:
    """The losses of every pair, in the order of ``batch.depths.pairs``."""
    weights = dict(zip(batch.depths.pairs, batch.pair_weights.split(1)))
    rows = target_rows(batch, 1, model.decoder.padding_idx)  # the same for every pair
    scale = torch.full((), sums.scale, device=batch.target.device)
    results = []
    for n in batch.depths.encoder:
        encoder_plan, _ = model.plans(DepthSpace((n,), batch.depths.decoder[:1]))
        encoder_out = model.encoder.forward_exits(encoder_plan, batch.src_tokens, batch.src_lengths)
        states = encoder_out["encoder_out"][0]
        cut = states.detach().requires_grad_()
        collected = torch.zeros_like(states)
        for m in batch.depths.decoder:
            pair = batch._replace(depths=DepthSpace((n,), (m,)), pair_weights=weights[n, m])
            _, decoder_plan = model.plans(pair.depths)
            features = model.decoder.forward_exits(
                decoder_plan, batch.prev_output_tokens, {**encoder_out, "encoder_out": [cut]}
            )
            losses = pair_losses(features, model.decoder, pair, rows)
            at_cut = sums.propagate_to(cut, losses["loss"], scale)
            if at_cut is not None:  # LayerDrop may have dropped every layer that attends to it
                collected += at_cut
            results.append({key: value.detach() for key, value in losses.items()})
        if states.requires_grad:
            sums.propagate(states, collected)
    return results
