"""The losses and gradients of ``stacked_losses``, computed one sub-network at a time ([wang2020] Algorithm 1).

Each encoder sub-network runs once. Its decoder sub-networks then run one after another on its output; after each run,
gradients are propagated back to that output. Last, their sum is propagated back through the encoder sub-network. So the
activations of no more than one encoder and one decoder sub-network are in memory.
"""

from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Set, Tuple

import torch
from torch import Tensor, nn

from fairseq_flexdepth.depth.supported_depths import DepthSpace
from fairseq_flexdepth.models.depth_losses import DepthBatch, TargetRows, pair_losses, target_rows
from fairseq_flexdepth.protocols import TrainedModel


def accumulated_losses(model: TrainedModel, batch: DepthBatch) -> Dict[str, Tensor]:
    """Compute, in training, the losses of :func:`~fairseq_flexdepth.models.depth_losses.stacked_losses` in less memory.

    The gradients are formed in the forward pass. They are multiplied by the optimizer's loss scale
    (``model.loss_scale``), so that small ones do not vanish in half precision.
    """
    return _accumulated(_run, model, batch)


def accumulated_decoder_losses(model: TrainedModel, batch: DepthBatch) -> Dict[str, Tensor]:
    """The losses of :func:`accumulated_losses` for a language model: one sub-network of the decoder at a time."""
    return _accumulated(_run_decoder, model, batch)


def _accumulated(run: "_Run", model: TrainedModel, batch: DepthBatch) -> Dict[str, Tensor]:
    """The losses that *run* computes, whose backward pass returns the gradients that *run* adds up."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return dict(zip(_names(batch), _GradientsInForward.apply(run, model, batch, *parameters)))


def _names(batch: DepthBatch) -> List[str]:
    """The names of the results."""
    asked = {"pair_soft_losses": batch.distillation is not None, "pair_correct": batch.accuracy}
    return ["loss", "pair_losses", "pair_nll_losses", *(name for name, wanted in asked.items() if wanted)]


class _GradientsInForward(torch.autograd.Function):
    """All pairs' loss as one autograd function, whose backward pass returns gradients formed in the forward pass."""

    @staticmethod
    def forward(
        ctx: Any, run: "_Run", model: TrainedModel, batch: DepthBatch, *parameters: nn.Parameter
    ) -> Tuple[Tensor, ...]:
        ctx.sums = _GradientSums(parameters, model.loss_scale)
        # Within an autograd function gradients are off by default.
        with torch.enable_grad():
            pairs = run(model, batch, ctx.sums)
        loss = torch.stack([pair["loss"].detach() for pair in pairs]).sum()
        # Each entry of pairs has values of one pair; the results have pairs values.
        of_pairs = [torch.cat([pair[key] for pair in pairs]) for key in _names(batch)[1:]]
        ctx.mark_non_differentiable(*of_pairs)
        return (loss, *of_pairs)

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor, *_: Tensor) -> Tuple[Optional[Tensor], ...]:
        if ctx.sums is None:
            raise RuntimeError("the gradients of accumulated_losses were used up by an earlier backward pass")
        sums, ctx.sums = ctx.sums, None
        return (None, None, None, *sums.take(grad_loss))


class _GradientSums:
    """Sums of the parameters' gradients, in single precision, of the loss without its scale.

    Together they are as large as the model, so each tensor is released as soon as it is no longer needed.

    Args:
        parameters: the trained parameters.
        scale: the loss scale of the gradients that are added.
    """

    def __init__(self, parameters: Sequence[nn.Parameter], scale: float) -> None:
        self.parameters = parameters
        self.scale = scale
        self.totals: List[Optional[Tensor]] = [None] * len(parameters)  # None: no gradient so far
        self.frozen: Set[int] = set()  # ids of the parameters that are to have no gradient, not even zeros

    def propagate(self, output: Tensor, gradient: Tensor) -> None:
        """Propagate the scaled *gradient* of *output* back to the parameters and add up their gradients."""
        found = list(torch.autograd.grad([output], self.parameters, [gradient], allow_unused=True))
        self._add(found)

    def propagate_to(self, cut: Tensor, output: Tensor, gradient: Tensor) -> Optional[Tensor]:
        """Accumulate parameter gradients; return the scaled gradient of *cut*.

        It is ``None`` if *output* does not depend on *cut*.
        """
        at_cut, *found = torch.autograd.grad([output], [cut, *self.parameters], [gradient], allow_unused=True)
        self._add(found)
        return at_cut

    def _add(self, found: List[Optional[Tensor]]) -> None:
        """Add the gradients *found*, one per parameter, to the sums, and release them."""
        for index, part in enumerate(found):
            found[index] = None  # releases the memory
            if part is None:
                continue
            part = part.float() if self.scale == 1 else part.float() / self.scale
            total = self.totals[index]
            # autograd may return one tensor for two parameters, so it must not be changed in place.
            self.totals[index] = part.clone() if total is None else total.add_(part)

    def take(self, grad_loss: Tensor) -> Iterator[Optional[Tensor]]:
        """Yield each parameter's gradient, multiplied by *grad_loss*, and release it; zeros if nothing was added."""
        for index, parameter in enumerate(self.parameters):
            total, self.totals[index] = self.totals[index], None
            if total is not None:
                yield total.mul_(grad_loss).to(parameter.dtype)
            else:
                yield None if id(parameter) in self.frozen else torch.zeros_like(parameter)


# Runs all depth pairs, adds up their gradients and returns their losses in the order of ``depths.pairs``.
_Run = Callable[[TrainedModel, DepthBatch, _GradientSums], List[Dict[str, Tensor]]]


def _run(model: TrainedModel, batch: DepthBatch, sums: _GradientSums) -> List[Dict[str, Tensor]]:
    """Run all depth pairs and add their gradients to *sums*; return their losses in the order of ``depths.pairs``."""
    weights = dict(zip(batch.depths.pairs, batch.pair_weights.split(1)))
    rows = target_rows(batch, 1, model.decoder.padding_idx)  # the same for every pair
    scale = torch.full((), sums.scale, device=batch.target.device)
    results = []
    for n in batch.depths.encoder:
        # A plan of a single encoder depth; the decoder depth makes no difference to it.
        encoder_plan, _ = model.plans(DepthSpace((n,), batch.depths.decoder[:1]))
        encoder_out = model.encoder.forward_exits(encoder_plan, batch.src_tokens, batch.src_lengths)
        states = encoder_out["encoder_out"][0]  # source length × batch × channels
        cut = states.detach().requires_grad_()  # decoder sub-networks are propagated back to here only
        collected = torch.zeros_like(states)  # the sum of their gradients of cut
        for m in batch.depths.decoder:
            pair = batch._replace(depths=DepthSpace((n,), (m,)), pair_weights=weights[n, m])
            losses = _losses_of_pair(model, pair, rows, {**encoder_out, "encoder_out": [cut]})
            at_cut = sums.propagate_to(cut, losses["loss"], scale)
            if at_cut is not None:  # None if LayerDrop dropped all decoder layers
                collected += at_cut
            results.append({key: value.detach() for key, value in losses.items()})
        if states.requires_grad:
            sums.propagate(states, collected)
        else:  # --encoder-freezing-updates
            sums.frozen.update(map(id, model.encoder.parameters()))
    return results


def _run_decoder(model: TrainedModel, batch: DepthBatch, sums: _GradientSums) -> List[Dict[str, Tensor]]:
    """:func:`_run` for a model without an encoder."""
    rows = target_rows(batch, 1, model.decoder.padding_idx)  # the same for every pair
    scale = torch.full((), sums.scale, device=batch.target.device)
    results = []
    for (_, m), weight in zip(batch.depths.pairs, batch.pair_weights.split(1)):
        pair = batch._replace(depths=batch.depths._replace(decoder=(m,)), pair_weights=weight)
        losses = _losses_of_pair(model, pair, rows, None)
        sums.propagate(losses["loss"], scale)
        results.append({key: value.detach() for key, value in losses.items()})
    return results


def _losses_of_pair(
    model: TrainedModel, pair: DepthBatch, rows: TargetRows, encoder_out: Optional[Dict[str, Any]]
) -> Dict[str, Tensor]:
    """Run the decoder sub-network of a batch with a single depth pair."""
    _, plan = model.plans(pair.depths)
    words = rows.of(model.decoder.forward_exits(plan, pair.prev_output_tokens, encoder_out))
    return pair_losses(words, model.decoder, pair, rows)
