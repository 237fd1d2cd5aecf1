"""Training on after pruning: weights that are zero stay zero (Kim & Rush 2016, section 5.2: retraining is crucial)."""

from typing import Any, Dict

import torch
from torch import Tensor, nn

from fairseq_flexdepth.models.mixed_precision import fp32_copies
from fairseq_flexdepth.models.trained_parameters import trained_parameters


class PrunedWeights:
    """Where a model's matrices are zero now, and what holds them there.

    Biases and norms may start at zero and are never pruned; neither is the padding symbol's embedding, which is
    zero by design and is trained all the same where it is a row of the output projection.

    An EMA needs no help: it starts from the model, or from a checkpoint of it, and the mean of zeros is zero.

    Raises:
        ValueError: nothing is zero.
    """

    def __init__(self, model: nn.Module) -> None:
        padding_rows = {
            module.weight: module.padding_idx
            for module in model.modules()
            if isinstance(module, nn.Embedding) and module.padding_idx is not None
        }
        self.zeros: Dict[nn.Parameter, Tensor] = {}
        for _, parameter, _ in trained_parameters(model):
            if parameter.dim() < 2:
                continue
            zeros = parameter.detach() == 0
            if parameter in padding_rows:
                zeros[padding_rows[parameter]] = False
            if zeros.any():
                self.zeros[parameter] = zeros
        if not self.zeros:
            raise ValueError(
                "--keep-pruned: no weight of the model is zero; expected a pruned one, for example "
                "--finetune-from-model pruned.pt with a checkpoint made by fairseq-flexdepth prune"
            )

    def number(self) -> int:
        """How many weights are held at zero."""
        return sum(int(zeros.sum()) for zeros in self.zeros.values())

    @torch.no_grad()
    def mask_gradients(self) -> None:
        """Zero their gradients, before clipping and the optimizer's moments see them."""
        for parameter, zeros in self.zeros.items():
            if parameter.grad is not None:
                parameter.grad.masked_fill_(zeros, 0)

    @torch.no_grad()
    def restore(self, optimizer: Any) -> None:
        """Zero them again after an update, and the single-precision copies of *optimizer*.

        Without a gradient they do not move, unless the optimizer resumes from before the pruning: its momentum does.
        """
        for parameter, zeros in self.zeros.items():
            parameter.masked_fill_(zeros, 0)
        for parameter, copy in fp32_copies(optimizer):
            if parameter in self.zeros:
                copy.masked_fill_(self.zeros[parameter], 0)
