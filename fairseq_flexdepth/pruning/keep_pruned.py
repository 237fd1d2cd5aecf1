"""Training a pruned model further (``--keep-pruned``): weights that are zero stay zero ([kim2016] §5.2)."""

from typing import Dict

import torch
from torch import Tensor, nn

from fairseq_flexdepth.models.mixed_precision import fp32_copies
from fairseq_flexdepth.models.trained_parameters import trained_parameters
from fairseq_flexdepth.protocols import Optimizer


class PrunedWeights:
    """The weights of a model that are zero now, and methods that keep them zero in training.

    Biases and norms are left alone: they are never pruned, and may start at zero. So is the embedding of the padding
    symbol: it is zero by design, and trained where it is a row of the output projection.

    An EMA needs nothing more: it starts from the model, or from a checkpoint of it, and the mean of zeros is zero.

    Args:
        model: a pruned model.

    Raises:
        ValueError: no weight is zero.
    """

    def __init__(self, model: nn.Module) -> None:
        padding_rows = {  # embedding → index of its padding row
            module.weight: module.padding_idx
            for module in model.modules()
            if isinstance(module, nn.Embedding) and module.padding_idx is not None
        }
        self.zeros: Dict[nn.Parameter, Tensor] = {}  # per parameter, of its shape: true where it is zero
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
        """The number of weights that are kept zero."""
        return sum(int(zeros.sum()) for zeros in self.zeros.values())

    @torch.no_grad()
    def mask_gradients(self) -> None:
        """Set the gradients of these weights to zero, before gradients are clipped and the optimizer uses them."""
        for parameter, zeros in self.zeros.items():
            if parameter.grad is not None:
                parameter.grad.masked_fill_(zeros, 0)

    @torch.no_grad()
    def restore(self, optimizer: Optimizer) -> None:
        """Set these weights, and their copies in single precision, to zero again after an update.

        Their gradients are zero, but an optimizer state from before the pruning has momentum that moves them.

        Args:
            optimizer: fairseq's optimizer, which keeps the copies under ``--fp16``.
        """
        for parameter, zeros in self.zeros.items():
            parameter.masked_fill_(zeros, 0)
        for parameter, copy in fp32_copies(optimizer):
            if parameter in self.zeros:
                copy.masked_fill_(self.zeros[parameter], 0)
