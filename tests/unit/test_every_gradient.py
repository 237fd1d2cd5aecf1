"""Every loss gives every parameter a gradient, whatever layers LayerDrop, drawn depths or the depth space leave unused.

torch's DDP would wait for a missing gradient, and Adam would skip its parameter on one process but not on several.
"""

from typing import Any, Dict, Iterator

import pytest
import torch
import torch.distributed as dist
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.distributed import ModuleProxyWrapper
from torch.nn.parallel import DistributedDataParallel

from fairseq_flexdepth.criterions import distillation
from fairseq_flexdepth.criterions.ckd import CKDConfig, CKDCriterion
from fairseq_flexdepth.criterions.pkd import PKDConfig, PKDCriterion
from fairseq_flexdepth.criterions.tied_multi_cross_entropy import (
    TiedMultiCrossEntropyConfig,
    TiedMultiCrossEntropyCriterion,
)
from fairseq_flexdepth.criterions.word_kd import WordKDConfig, WordKDCriterion
from fairseq_flexdepth.depth.subnetwork_strategies import STRATEGIES
from fairseq_flexdepth.models.teacher import Teacher
from tests import tiny

SAMPLE = tiny.sample([6, 4, 2], [3, 7, 1])
ALL: Dict[str, Any] = {}
TAUGHT = {"teacher_path": "teacher.pt"}
LAYERS = {**TAUGHT, "no_save_optimizer_state": False, "reset_optimizer": False, "finetune_from_model": None}
DRAWN = {"sample_encoder_depths": 1, "sample_decoder_depths": 1}
OBJECTIVES: Dict[str, Any] = {
    "tied_multi": (TiedMultiCrossEntropyCriterion, TiedMultiCrossEntropyConfig, ALL),
    "drawn depths": (TiedMultiCrossEntropyCriterion, TiedMultiCrossEntropyConfig, DRAWN),
    "accumulated": (TiedMultiCrossEntropyCriterion, TiedMultiCrossEntropyConfig, {"accumulate_depths": True, **DRAWN}),
    "word_kd": (WordKDCriterion, WordKDConfig, {**TAUGHT, **DRAWN}),
    "pkd": (PKDCriterion, PKDConfig, {"ckd_mapping": "1:2,2:4", **LAYERS}),
    "ckd": (CKDCriterion, CKDConfig, {"ckd_mapping": "1:1+2,2:3+4", **DRAWN, **LAYERS}),
    "ckd with decoder": (CKDCriterion, CKDConfig, {"ckd_mapping": "1:1+2,2:3+4", "distill_decoder": True, **LAYERS}),
}
MODELS: Dict[str, Dict[str, Any]] = {
    "Post-LN": {},
    "Pre-LN": tiny.NORMS["Pre-LN"],
    "without the full depths": {"encoder_depths": "1,2", "decoder_depths": "1,2"},
    "recurrent": {"layer_sharing": "cycle", "unique_encoder_layers": 1, "unique_decoder_layers": 1},
    "shared embeddings": {"share_all_embeddings": True},
    "admin": {"residual_init": "admin"},
    "checkpointed": {"checkpoint_activations": True},
    **{strategy: {"subnetworks": strategy, "encoder_depths": "1,2"} for strategy in STRATEGIES},
}
@pytest.fixture(scope="module")
def one_rank() -> Iterator[None]:
    """A process group, which torch's DDP needs."""
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def flexible_model(**changes: Any) -> Any:
    joined = tiny.task(21, joined=True) if changes.get("share_all_embeddings") else None
    dropped: Dict[str, Any] = {"encoder_layerdrop": 0.5, "decoder_layerdrop": 0.5}
    model = tiny.flexible_model(for_task=joined, encoder_layers=4, decoder_layers=4, **dropped, **changes)
    model.residuals_profiled = True
    return model.train()


def criterion(name: str, model: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    if name == "stock":
        return LabelSmoothedCrossEntropyCriterion(tiny.task(), False, 0.1)
    teacher = tiny.plain_model(2, encoder_layers=4, decoder_layers=4).eval()
    monkeypatch.setattr(distillation, "load_teacher", lambda path, task: Teacher([teacher]))
    kind, config, options = OBJECTIVES[name]
    made = kind(tiny.task(), config(sentence_avg=False, seed=1, **options))
    made.check_model(model)
    return made


def in_ddp(module: Any) -> Any:
    """As fairseq's trainer wraps *module*; a criterion has few parameters or none."""
    if not any(parameter.requires_grad for parameter in module.parameters()):
        return module
    return ModuleProxyWrapper(DistributedDataParallel(module))


@pytest.mark.parametrize("name", [*OBJECTIVES, "stock"])
@pytest.mark.parametrize("changes", MODELS.values(), ids=MODELS.keys())
def test_every_parameter_gets_a_gradient(
    changes: Dict[str, Any], name: str, one_rank: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "accumulated" and changes.get("checkpoint_activations"):
        pytest.skip("refused: re-entrant backward passes within the forward pass")
    model = flexible_model(**changes)
    objective = criterion(name, model, monkeypatch)
    parameters = [*model.named_parameters(), *objective.named_parameters()]
    wrapped, objective = in_ddp(model), in_ddp(objective)
    for number in range(6):
        model.encoder.layers.p = model.decoder.layers.p = (0.5, 0.9)[number % 2]
        torch.manual_seed(number)
        model.set_num_updates(number)
        for _, parameter in parameters:
            parameter.grad = None
        loss, _, _ = objective(wrapped, SAMPLE)  # where a gradient was missing before, torch's DDP raises here
        loss.backward()
        assert [name for name, parameter in parameters if parameter.grad is None] == []
