"""--keep-pruned: what is zero stays zero, under any optimizer and precision, and nothing else is held."""

from argparse import Namespace
from types import SimpleNamespace
from typing import Any, Dict

import pytest
import torch
from fairseq import optim
from fairseq.dataclass.configs import EMAConfig
from fairseq.models.ema.ema import EMA
from fairseq.optim.fp16_optimizer import FP16Optimizer, MemoryEfficientFP16Optimizer
from fairseq.tasks.translation import TranslationTask
from omegaconf import OmegaConf

from fairseq_flexdepth.pruning.keep_pruned import PrunedWeights
from fairseq_flexdepth.pruning.magnitude_pruning import prunable_weights, pruned_number, zero_smallest
from fairseq_flexdepth.tasks.translation import FlexDepthTranslationConfig, FlexDepthTranslationTask
from tests import tiny

OPTIMIZERS: Dict[str, Dict[str, Any]] = {
    "adam": {"adam_betas": "(0.9, 0.98)", "use_old_adam": True, "fp16_adam_stats": False, "tpu": False},
    "nag": {"momentum": 0.9},
    "sgd": {"momentum": 0.9},
}
PRECISIONS = ("fp32", "fp16", "fp16 flat", "memory-efficient")
# fairseq's SGD steps on single precision only.
CASES = [(name, kind) for name in OPTIMIZERS for kind in PRECISIONS if (name, kind) != ("sgd", "memory-efficient")]


def pruned_model(fraction: float = 0.5) -> Any:
    model = tiny.flexible_model(for_task=tiny.task(17, joined=True), share_all_embeddings=True)
    weights = prunable_weights(model.state_dict())
    zero_smallest(weights, pruned_number(weights, fraction))
    return model


def build_optimizer(model: Any, name: str, precision: str) -> Any:
    """fairseq's optimizer as its trainer builds it, with weight decay; *model* is brought to its precision."""
    config = OmegaConf.create(
        {
            "optimizer": {"_name": name, "lr": [0.05], "weight_decay": 0.1, **OPTIMIZERS[name]},
            "common": {"bf16": True},  # no loss scale
            "distributed_training": {"distributed_world_size": 1},
            "optimization": {"update_freq": [1]},
        }
    )
    config.common.fp16_scale_window = 8
    parameters = list(model.parameters())
    if precision == "fp32":
        return optim.build_optimizer(config.optimizer, parameters)
    model.bfloat16()
    if precision == "memory-efficient":
        return MemoryEfficientFP16Optimizer.build_optimizer(config, parameters)
    copies: Any = FP16Optimizer.build_fp32_params(None, parameters, flatten=False)
    if precision == "fp16 flat":  # fairseq flattens on a GPU only
        flat = torch.nn.Parameter(torch.cat([copy.detach().reshape(-1) for copy in copies]))
        flat.grad = torch.zeros_like(flat)
        copies = {None: flat}
    inner = optim.build_optimizer(config.optimizer, [copies] if isinstance(copies, dict) else copies)
    return FP16Optimizer(config, parameters, inner, copies)


def update(model: Any, optimizer: Any, seed: int, keeper: Any = None) -> float:
    """One update with random gradients; the gradient's norm."""
    torch.manual_seed(seed)
    optimizer.zero_grad()
    optimizer.backward(sum((parameter * torch.randn_like(parameter)).sum() for parameter in model.parameters()))
    if keeper is not None:
        keeper.mask_gradients()
    norm = optimizer.clip_grad_norm(50.0)
    optimizer.step()
    if keeper is not None:
        keeper.restore(optimizer)
    return float(norm)


def copies_of(optimizer: Any, model: Any) -> Any:
    """The single-precision copies, in the shapes of the parameters."""
    copies = getattr(optimizer, "fp32_params", None)
    if isinstance(copies, dict):
        sizes = [parameter.numel() for parameter in model.parameters()]
        copies = copies[None].detach().split(sizes)
    return [] if copies is None else [copy.view_as(own) for own, copy in zip(model.parameters(), copies)]


def assert_held(parameters: Any, start: Dict[int, torch.Tensor], padding: Any) -> None:
    """What was zero in a matrix is zero; everything else moves, though not by as little as bfloat16 cannot show."""
    for index, parameter in enumerate(parameters):
        held = (start[index] == 0) & (torch.tensor(parameter.dim() > 1))
        if index == padding:
            held[1] = False
        assert int(parameter[held].count_nonzero()) == 0
        moved = parameter.float() != start[index].float()
        assert moved[~held].float().mean() > 0.7
        assert index != padding or moved[1].all()


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_zeros_stay_and_all_else_moves(name, precision):
    model = pruned_model()
    optimizer = build_optimizer(model, name, precision)
    keeper = PrunedWeights(model)
    start = {index: parameter.detach().clone() for index, parameter in enumerate(model.parameters())}
    padding = [id(parameter) for parameter in model.parameters()].index(id(model.encoder.embed_tokens.weight))
    for step in range(3):
        norm = update(model, optimizer, step, keeper)
        seen = [parameter.grad for parameter in model.parameters()]
        if precision == "fp32" and step == 0:  # clipping did not see what is masked
            torch.manual_seed(0)
            random = [torch.randn_like(parameter) for parameter in model.parameters()]
            masked = [
                gradient.masked_fill(keeper.zeros[own], 0) if own in keeper.zeros else gradient
                for own, gradient in zip(model.parameters(), random)
            ]
            assert norm == pytest.approx(float(torch.cat([part.view(-1) for part in masked]).norm()), rel=1e-5)
            assert all(gradient is not None for gradient in seen)
    assert_held(list(model.parameters()), start, padding)
    copies = copies_of(optimizer, model)
    assert bool(copies) == precision.startswith("fp16")
    if copies:
        assert_held(copies, start, padding)


@pytest.mark.parametrize(("name", "precision"), CASES)
def test_the_momentum_of_a_dense_training_moves_no_zero(name, precision):
    model = pruned_model()
    optimizer = build_optimizer(model, name, precision)
    keeper = PrunedWeights(model)
    update(model, optimizer, 1)
    keeper.restore(optimizer)
    update(model, optimizer, 2, keeper)
    for parameter, zeros in keeper.zeros.items():
        assert int(parameter[zeros].count_nonzero()) == 0
    for own, copy in zip(model.parameters(), copies_of(optimizer, model)):
        if own in keeper.zeros:
            assert int(copy[keeper.zeros[own]].count_nonzero()) == 0


@pytest.mark.parametrize("half", [False, True])
def test_an_ema_of_the_model_keeps_the_zeros(half):
    model = pruned_model()
    optimizer = build_optimizer(model, "adam", "fp16" if half else "fp32")
    keeper = PrunedWeights(model)
    ema = EMA(model, EMAConfig(store_ema=True, ema_decay=0.9, ema_fp32=half))
    for step in range(3):
        update(model, optimizer, step, keeper)
        ema.step(model, step)
    pairs = zip(model.parameters(), ema.get_model().parameters())
    averages = [(average, keeper.zeros[own]) for own, average in pairs if own in keeper.zeros]
    assert len(averages) == len(keeper.zeros)
    for average, zeros in averages:
        assert int(average[zeros].count_nonzero()) == 0
        assert int(average[~zeros].count_nonzero()) > 0
    if half:
        for name, own in model.named_parameters():
            if own in keeper.zeros:
                assert int(ema.fp32_params[name][keeper.zeros[own]].count_nonzero()) == 0


def test_what_is_never_pruned_is_not_held():
    model = tiny.flexible_model()
    with torch.no_grad():
        model.encoder.layers[0].fc1.weight[3, 2] = 0
        model.encoder.layers[0].fc1.bias.zero_()
        model.decoder.layers[0].final_layer_norm.weight.zero_()
    keeper = PrunedWeights(torch.nn.ModuleDict({"module": model}))  # as DDP wraps it
    assert list(map(id, keeper.zeros)) == [id(model.encoder.layers[0].fc1.weight)]
    assert keeper.number() == 1


def test_fairseqs_fast_path_copies_are_not_held():
    model = tiny.stock_model(tiny.flexible_model(), 2, 1)
    for layer in model.encoder.layers:
        for copy in layer._parameters.values():
            copy.data.zero_()
    with pytest.raises(ValueError, match="^--keep-pruned: no weight of the model is zero; .* --finetune-from-model"):
        PrunedWeights(model)


def task_that_keeps(model: Any) -> Any:
    config = FlexDepthTranslationConfig(keep_pruned=True)
    task = FlexDepthTranslationTask(config, tiny.dictionary(17), tiny.dictionary(21))
    task.begin_epoch(1, model)
    return task


def test_the_task_masks_accumulated_gradients_and_restores_after_the_update(monkeypatch):
    def backward(self: Any, sample: Any, model: Any, criterion: Any, optimizer: Any, update_num: int) -> str:
        sum((parameter * 2).sum() for parameter in model.parameters()).backward()
        return "results"

    monkeypatch.setattr(TranslationTask, "train_step", backward)
    model = pruned_model()
    task = task_that_keeps(model)
    zeros = task.pruned_weights.zeros
    optimizer = SimpleNamespace(step=lambda: [parameter.data.fill_(7) for parameter in model.parameters()])
    for batch in (1, 2):
        assert task.train_step({}, model, None, optimizer, update_num=0) == "results"
        assert all(torch.equal(parameter.grad != 0, ~where) for parameter, where in zeros.items())
        assert float(model.encoder.layers[0].fc1.bias.grad[0]) == 2 * batch
    task.optimizer_step(optimizer, model, update_num=0)
    assert all(torch.equal(parameter == 7, ~where) for parameter, where in zeros.items())
    task.begin_epoch(2, model)
    assert task.pruned_weights.zeros is zeros


def test_the_task_refuses_what_it_cannot_hold():
    with pytest.raises(ValueError, match="^--keep-pruned: no weight of the model is zero; expected a pruned one"):
        task_that_keeps(tiny.flexible_model())
    task = task_that_keeps(pruned_model())
    with pytest.raises(ValueError, match="^--keep-pruned: .*use --ddp-backend legacy_ddp"):
        task.build_model(Namespace(ddp_backend="fully_sharded"))
