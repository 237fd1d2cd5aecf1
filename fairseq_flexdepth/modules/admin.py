"""Admin: residual scales that keep a deep Post-LN Transformer trainable ([liu2020]; [takase2021] §5).

A sub-layer f computes LN(f(x) + ω∘x) instead of LN(f(x) + x), where ω is a trained vector. A profiling pass through the
untrained model initialises it: in the k-th sub-layer of a stack, every element is ω = √(Var(x₀) + Σ_{j<k} Var(f_j)),
where x₀ is the input of the stack and f_j the output of the j-th sub-layer. The first ω of a stack is 1.
"""

from contextlib import contextmanager
from typing import Any, Iterable, Iterator, List, Optional

import torch
from fairseq.distributed import utils as distributed_utils
from fairseq.modules.checkpoint_activations import checkpoint_wrapper
from fairseq.modules.transformer_layer import TransformerDecoderLayerBase, TransformerEncoderLayerBase
from torch import Tensor, nn

SCALE_SUFFIX = "residual_scale"


class ResidualProfile:
    """Collects the variances of a stack's sub-layers, in the order in which they run.

    Args:
        padding_mask: batch × length, true where the input is padding, which does not count.
    """

    def __init__(self, padding_mask: Tensor) -> None:
        self.scales: List[nn.Parameter] = []  # ω of every observed sub-layer
        self._values: List[Tensor] = []  # scalars: their initial values
        self._content = ~padding_mask.t()  # length × batch
        self._variance: Optional[Tensor] = None  # scalar: Var(x₀) + Σ Var(f_j) so far

    def observe(self, scale: nn.Parameter, output: Tensor, residual: Tensor) -> None:
        """Compute the ω of a sub-layer, and add the variance of its output to the sum of the sub-layers below.

        Args:
            scale: the parameter ω of the sub-layer.
            output: f(x), length × batch × channels.
            residual: x, length × batch × channels.
        """
        if self._variance is None:
            self._values.append(torch.ones((), device=output.device))
            self._variance = self._variance_of(residual)
        else:
            self._values.append(self._variance.sqrt())
        self.scales.append(scale)
        self._variance = self._variance + self._variance_of(output)

    @property
    def values(self) -> Tensor:
        """The initial values of :attr:`scales`, in the same order: one number per sub-layer."""
        return torch.stack(self._values)  # sub-layers

    def _variance_of(self, x: Tensor) -> Tensor:
        return x[self._content].float().var(unbiased=False)  # over tokens × channels


class ScaledResiduals(nn.Module):
    """Mixin of encoder and decoder layers: a scale for the residual of every sub-layer."""

    embed_dim: int  # channels
    profile: Optional[ResidualProfile] = None  # observes the sub-layers while it is set, see profiled()

    def add_residual_scales(self, *sublayers: str) -> None:
        """Add a vector of ones per sub-layer; a sub-layer is named as in the name of its layer norm in fairseq."""
        for name in sublayers:
            self.register_parameter(f"{name}_{SCALE_SUFFIX}", nn.Parameter(torch.ones(self.embed_dim)))

    def start(self, *sublayers: str) -> None:
        """Note which sub-layers are about to run: fairseq does not pass their names to ``residual_connection``."""
        self._pending = list(sublayers)

    def residual_connection(self, x: Tensor, residual: Tensor) -> Tensor:
        """Return f(x) + ω∘x; overrides fairseq's, which returns f(x) + x.

        Args:
            x: f(x), length × batch × channels.
            residual: x, length × batch × channels.
        """
        scale = getattr(self, f"{self._pending.pop(0)}_{SCALE_SUFFIX}")
        if self.profile is not None:
            self.profile.observe(scale, x, residual)
        return x + scale * residual


class AdminEncoderLayer(ScaledResiduals, TransformerEncoderLayerBase):
    """fairseq's encoder layer with scaled residuals."""

    def __init__(self, cfg: Any, return_fc: bool = False) -> None:
        super().__init__(cfg, return_fc=return_fc)
        self.add_residual_scales("self_attn", "final")

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Run fairseq's layer, whose residuals are scaled."""
        self.start("self_attn", "final")
        return super().forward(*args, **kwargs)


class AdminDecoderLayer(ScaledResiduals, TransformerDecoderLayerBase):
    """fairseq's decoder layer with scaled residuals."""

    def __init__(self, cfg: Any, no_encoder_attn: bool = False) -> None:
        super().__init__(cfg, no_encoder_attn)
        self._sublayers = ("self_attn", "final") if no_encoder_attn else ("self_attn", "encoder_attn", "final")
        self.add_residual_scales(*self._sublayers)

    def forward(self, x: Tensor, encoder_out: Optional[Tensor] = None, *args: Any, **kwargs: Any) -> Any:
        """Run fairseq's layer, whose residuals are scaled."""
        self.start(*(name for name in self._sublayers if name != "encoder_attn" or encoder_out is not None))
        return super().forward(x, encoder_out, *args, **kwargs)


def with_checkpointing(layer: nn.Module, cfg: Any) -> nn.Module:
    """*layer*, wrapped under ``--checkpoint-activations`` as fairseq wraps its own layers."""
    if not cfg.checkpoint_activations:
        return layer
    return checkpoint_wrapper(layer, offload_to_cpu=cfg.offload_activations)


@contextmanager
def profiled(layers: Iterable[nn.Module], padding_mask: Tensor) -> Iterator[ResidualProfile]:
    """Within this context, collect the variances of the layers' residuals and sub-layers.

    Args:
        layers: the layers of a stack; layers that are not :class:`ScaledResiduals` are ignored.
        padding_mask: batch × length, true for padding in the stack's input.
    """
    profile = ResidualProfile(padding_mask)
    stack = [layer for layer in layers if isinstance(layer, ScaledResiduals)]
    for layer in stack:
        layer.profile = profile
    try:
        yield profile
    finally:
        for layer in stack:
            layer.profile = None


def broadcast_from_first(values: Tensor) -> Tensor:
    """Overwrite *values* on every data-parallel process with the first process's values, and return them."""
    if distributed_utils.get_data_parallel_world_size() > 1:
        distributed_utils.broadcast(values, src=0, group=distributed_utils.get_data_parallel_group())
    return values
