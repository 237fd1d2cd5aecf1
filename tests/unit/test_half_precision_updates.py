"""Updates in half precision by fairseq's own optimizer and loss scaling; its trainer refuses them on a CPU."""

from typing import Any, Dict, List

import pytest
import torch
from fairseq.dataclass.configs import FairseqConfig
from fairseq.optim.adam import FairseqAdamConfig
from fairseq.optim.fp16_optimizer import FP16Optimizer
from omegaconf import OmegaConf

from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from fairseq_flexdepth.tasks.translation import FlexDepthTranslationTask
from tests import tiny

HALF = torch.float16 if hasattr(torch, "get_autocast_dtype") else torch.bfloat16  # old torch: no product on a CPU
BATCH = tiny.sample([6, 2, 4], [3, 7, 5])
UPDATES = 4
WAYS = pytest.mark.parametrize("accumulate", [False, True], ids=["stacked", "accumulated"])


def build_optimizer(model: Any, scale: int) -> Any:
    """fairseq's, with Adam, that begins with this loss scale."""
    cfg = OmegaConf.structured(FairseqConfig)
    cfg.optimizer = OmegaConf.structured(FairseqAdamConfig)
    cfg.optimizer._name, cfg.optimizer.lr, cfg.optimizer.adam_betas = "adam", [0.01], "(0.9, 0.98)"
    cfg.optimization.update_freq = [1]
    cfg.common.fp16, cfg.common.fp16_init_scale = True, scale
    cfg.common.fp16_no_flatten_grads = True  # or it asks for a GPU
    return FP16Optimizer.build_optimizer(cfg, list(model.parameters()))


def task_and_criterion(accumulate: bool) -> Any:
    task: Any = FlexDepthTranslationTask.__new__(FlexDepthTranslationTask)
    config = TiedMultiCrossEntropyConfig(label_smoothing=0.1, accumulate_depths=accumulate, sentence_avg=False, seed=1)
    return task, TiedMultiCrossEntropyCriterion(tiny.task(), config)


def updates(model: Any, optimizer: Any, accumulate: bool, number: int = UPDATES) -> List[bool]:
    """Which of *number* updates, in the order of fairseq's trainer, were taken rather than skipped."""
    task, criterion = task_and_criterion(accumulate)
    taken = []
    for update in range(number):
        optimizer.zero_grad()
        _, sample_size, _ = task.train_step(BATCH, model, criterion, optimizer, update_num=update)
        optimizer.multiply_grads(1.0 / sample_size)
        try:
            optimizer.clip_grad_norm(0.0)
            optimizer.step()
            taken.append(True)
        except OverflowError:  # what the trainer skips an update for
            taken.append(False)
    return taken


def parameters(model: Any) -> Dict[str, torch.Tensor]:
    return {name: parameter.detach().clone().float() for name, parameter in model.named_parameters()}


@WAYS
def test_an_overflow_skips_the_update_and_halves_the_scale(accumulate):
    model = tiny.flexible_model().to(HALF)
    optimizer = build_optimizer(model, scale=1)
    before = parameters(model)
    model.decoder.layers[0].fc2.weight.register_hook(lambda gradient: gradient * float("inf"))
    assert updates(model, optimizer, accumulate, number=2) == [False, False]
    assert optimizer.scaler.loss_scale == 0.25
    assert all(torch.equal(value, before[name]) for name, value in parameters(model).items())


@pytest.mark.skipif(HALF is torch.bfloat16, reason="bfloat16, all that old torch can, has single precision's range")
@WAYS
def test_a_scale_too_large_is_halved_until_updates_are_taken(accumulate):
    model, largest = tiny.flexible_model().to(HALF), 2**24
    optimizer = build_optimizer(model, scale=largest)
    taken = updates(model, optimizer, accumulate, number=30)
    skipped = taken.index(True)
    assert skipped > 0 and all(taken[skipped:])
    assert optimizer.scaler.loss_scale == largest / 2**skipped


@pytest.mark.parametrize("scale", [1, 128])
@WAYS
def test_the_updates_are_those_of_single_precision_but_for_rounding(accumulate, scale):
    single, half = tiny.flexible_model(), tiny.flexible_model().to(HALF)
    single.load_state_dict(half.float().state_dict())
    half.to(HALF)
    before = parameters(single)
    adam = torch.optim.Adam(single.parameters(), lr=0.01, betas=(0.9, 0.98))
    task, criterion = task_and_criterion(accumulate=False)
    for _ in range(UPDATES):
        adam.zero_grad()
        loss, sample_size, _ = criterion(single, BATCH)
        (loss / sample_size).backward()
        adam.step()
    assert updates(half, build_optimizer(half, scale), accumulate) == [True] * UPDATES
    moved = torch.cat([(value - before[name]).flatten() for name, value in parameters(single).items()])
    in_half = torch.cat([(value - before[name]).flatten() for name, value in parameters(half).items()])
    assert torch.nn.functional.cosine_similarity(moved, in_half, dim=0) > 0.95
