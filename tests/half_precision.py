"""Errors of gradients in half precision, per word and per row, of this package and of stock fairseq.

``python -m tests.half_precision`` prints a table of them.
"""

import itertools
from functools import lru_cache
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import label_smoothed_nll_loss
from torch import Tensor

from fairseq_flexdepth.modules.losses.chunks import FeatureRows
from fairseq_flexdepth.modules.losses.distilled_cross_entropy import (
    Mixture,
    distilled_cross_entropy,
    distilled_linear_cross_entropy,
)
from fairseq_flexdepth.modules.losses.linear_cross_entropy import linear_cross_entropy
from fairseq_flexdepth.modules.losses.soft_targets import soft_targets

ROWS, CHANNELS, WORDS = 64, 32, 120
LEAST_LOGIT = -18.0  # of the word with the lowest mean probability
FREQUENCY = 3.0  # the length of the vector that all rows have in common: it makes words frequent or rare
SCALES = (2.0**7, 2.0**11, 2.0**15)
ROW_WEIGHTS: Dict[str, Tuple[float, ...]] = {
    "1": (1.0,),
    "1/36": (1 / 36,),
    "1/576": (1 / 576,),
    "1e-4": (1e-4,),
    "1 to 1e-4": (1.0, 1 / 36, 1 / 576, 1e-4),
}
TABLE = (("1", 2.0**7), ("1/36", 2.0**11), ("1e-4", 2.0**15))  # row weights and scales
FREQUENT = 1e-6  # the table counts words of at least this mean probability as frequent


def multiplies(dtype: torch.dtype) -> bool:
    """Whether this torch can multiply matrices of the type on a CPU."""
    try:
        torch.ones(2, 2, dtype=dtype) @ torch.ones(2, 2, dtype=dtype)
    except RuntimeError:
        return False
    return True


HALF_TYPES = [
    pytest.param(
        dtype,
        marks=pytest.mark.skipif(not multiplies(dtype), reason=f"no product of {dtype} on this torch's CPU"),
    )
    for dtype in (torch.bfloat16, torch.float16)
]


class Problem(NamedTuple):
    """The input of a loss; its values are exact in half precision."""

    features: Tensor  # rows × channels
    weight: Tensor  # words × channels
    target: Tensor  # rows
    teacher: Tensor  # rows × words: logits
    row_weights: Tensor  # rows


class Setting(NamedTuple):
    """An objective with its row weights and loss scale."""

    objective: str
    mixture: Mixture
    row_weights: str
    scale: float


class Gradients(NamedTuple):
    """The gradients of the loss, divided by the loss scale."""

    features: Tensor
    weight: Tensor


def cross_entropy(features: Tensor, weight: Tensor, problem: Problem, mixture: Mixture) -> Tensor:
    """This package's cross-entropy without a teacher."""
    rows = FeatureRows(features, weight, problem.target, problem.row_weights)
    return linear_cross_entropy(rows, mixture.label_smoothing).loss * mixture.hard


def mixture_from_features(features: Tensor, weight: Tensor, problem: Problem, mixture: Mixture) -> Tensor:
    """This package's loss with a teacher, for students of many depths."""
    every = torch.arange(len(problem.target))
    teacher = soft_targets(problem.teacher.clone(), mixture.temperature)
    rows = FeatureRows(features, weight, problem.target, problem.row_weights)
    return distilled_linear_cross_entropy(rows, teacher, every, mixture).loss


def mixture_from_logits(features: Tensor, weight: Tensor, problem: Problem, mixture: Mixture) -> Tensor:
    """This package's loss with a teacher, for students of one depth."""
    teacher = soft_targets(problem.teacher.clone(), mixture.temperature)
    logits = features @ weight.t()
    return distilled_cross_entropy(logits, problem.target, problem.row_weights, teacher, mixture).loss


def peer(features: Tensor, weight: Tensor, problem: Problem, mixture: Mixture) -> Tensor:
    """Stock fairseq: logits in half precision, log-probabilities in single precision or better, and autograd."""
    logits = features @ weight.t()
    logits = logits if logits.dtype == torch.float64 else logits.float()
    hard, _ = label_smoothed_nll_loss(
        torch.log_softmax(logits, dim=1), problem.target, mixture.label_smoothing, reduce=False
    )
    rows = mixture.hard * hard.view(-1)
    if mixture.soft > 0:
        temperature = mixture.temperature
        of_teacher = torch.softmax(problem.teacher.to(logits.dtype) / temperature, dim=1)
        soft = -(of_teacher * torch.log_softmax(logits / temperature, dim=1)).sum(dim=1)
        rows = rows + mixture.soft * temperature**2 * soft
    return (rows * problem.row_weights.to(logits.dtype)).sum()


OBJECTIVES: Dict[str, Callable[..., Tensor]] = {
    "cross-entropy": cross_entropy,
    "mixture, from features": mixture_from_features,
    "mixture, from logits": mixture_from_logits,
}


@lru_cache(maxsize=None)
def build_problem(dtype: torch.dtype, row_weights: str) -> Problem:
    """A problem with words of mean probability 0.15 to 1e-9; the 20 most probable ones are the targets."""
    generator = torch.Generator().manual_seed(7)

    def random(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    # All channels together make a word rare: in a single channel, the rounding error would be random.
    common = torch.full((CHANNELS,), CHANNELS**-0.5)
    features = random(ROWS, CHANNELS)
    features += (FREQUENCY - features @ common).outer(common)
    weight = 0.25 * random(WORDS, CHANNELS) + torch.linspace(0.0, LEAST_LOGIT, WORDS).outer(common) / FREQUENCY
    target = torch.randint(20, (ROWS,), generator=generator)
    teacher = features @ (weight + 0.1 * random(WORDS, CHANNELS)).t()
    weights = torch.tensor(ROW_WEIGHTS[row_weights]).repeat(ROWS)[:ROWS]
    return Problem(features.to(dtype), weight.to(dtype), target, teacher.to(dtype), weights)


def mean_probabilities(problem: Problem) -> Tensor:
    """The mean probability of each word."""
    return torch.softmax(problem.features.double() @ problem.weight.double().t(), dim=1).mean(dim=0)


def gradients(
    loss_of: Callable[..., Tensor], dtype: torch.dtype, problem: Problem, mixture: Mixture, scale: float = 1.0
) -> Gradients:
    """The gradients of features and weight in this type, computed with the loss scale and divided by it."""
    features, weight = (value.clone().to(dtype).requires_grad_() for value in (problem.features, problem.weight))
    (loss_of(features, weight, problem, mixture) * scale).backward()
    found: List[Any] = [features.grad, weight.grad]
    return Gradients(*(value.double() / scale for value in found))


@lru_cache(maxsize=None)
def exact_gradients(dtype: torch.dtype, row_weights: str, mixture: Mixture) -> Gradients:
    """The gradients in double precision, for values of the type *dtype*."""
    return gradients(peer, torch.float64, build_problem(dtype, row_weights), mixture)


@lru_cache(maxsize=None)
def peer_errors(dtype: torch.dtype, row_weights: str, mixture: Mixture, scale: float) -> Gradients:
    """The relative errors of stock fairseq, per row of each gradient; infinite if a value overflowed."""
    found = gradients(peer, dtype, build_problem(dtype, row_weights), mixture, scale)
    return relative_errors(found, exact_gradients(dtype, row_weights, mixture))


def our_errors(dtype: torch.dtype, setting: Setting) -> Gradients:
    """The relative errors of this package, per row of each gradient; infinite if a value overflowed."""
    objective, mixture, row_weights, scale = setting
    found = gradients(OBJECTIVES[objective], dtype, build_problem(dtype, row_weights), mixture, scale)
    return relative_errors(found, exact_gradients(dtype, row_weights, mixture))


def relative_errors(found: Gradients, exact: Gradients) -> Gradients:
    """The relative error of each row; infinite if a value overflowed."""
    errors = [(one - other).norm(dim=1) / other.norm(dim=1) for one, other in zip(found, exact)]
    return Gradients(*(torch.where(error.isfinite(), error, torch.full_like(error, float("inf"))) for error in errors))


def settings(objective: str, scales: Sequence[float] = SCALES) -> Iterator[Setting]:
    """All settings for which the bound is tested."""
    mixtures = [Mixture(1.0, 0.0, 0.0), Mixture(1.0, 0.0, 0.1), Mixture(0.3, 0.0, 0.1)]  # the last with pkd and ckd
    if objective != "cross-entropy":
        every = itertools.product((0.1, 0.5, 1.0), (0.0, 0.1), (1.0, 4.0))
        mixtures = [Mixture(1 - alpha, alpha, smoothing, temperature) for alpha, smoothing, temperature in every]
        mixtures.append(Mixture(0.2, 0.1, 0.1))  # of pkd and ckd: the rest is the weight of the layers
    for mixture, row_weights, scale in itertools.product(mixtures, ROW_WEIGHTS, scales):
        yield Setting(objective, mixture, row_weights, scale)


def _percent(error: float) -> str:
    return f"{100 * error:.0f} %" if error >= 0.1 else f"{100 * error:.2g} %"


def main() -> None:
    """Print the table: the largest error of a word, or of a row of the features."""
    types = [dtype for dtype in (torch.float16, torch.bfloat16) if multiplies(dtype)]
    columns = [f" {str(dtype)[6:]}: stock | ours |" for dtype in types]
    print("| objective | row weight | loss scale | gradient of |" + "".join(columns))
    print("| :-- | --: | --: | :-- |" + " --: | --: |" * len(types))
    for objective, (row_weights, scale) in itertools.product(OBJECTIVES, TABLE):
        mixture = Mixture(1.0, 0.0) if objective == "cross-entropy" else Mixture(0.0, 1.0)
        cells: Dict[str, List[str]] = {"frequent words": [], "rare words": [], "features": []}
        for dtype in types:
            rare = mean_probabilities(build_problem(dtype, row_weights)) < FREQUENT
            setting = Setting(objective, mixture, row_weights, scale)
            for errors in (peer_errors(dtype, row_weights, mixture, scale), our_errors(dtype, setting)):
                for cell, values in zip(cells.values(), (errors.weight[~rare], errors.weight[rare], errors.features)):
                    cell.append(_percent(values.max().item()))
        for name, values in cells.items():
            print(f"| {objective} | {row_weights} | {scale:g} | {name} | {' | '.join(values)} |")


if __name__ == "__main__":
    main()
