"""Random models with their tasks, as ``export`` takes them."""

from argparse import Namespace
from typing import Any

import torch

from fairseq_flexdepth.export.loaded_model import LoadedModel
from fairseq_flexdepth.modules.admin import SCALE_SUFFIX
from tests import tiny


def loaded(joined: bool = False, **options: Any) -> LoadedModel:
    """A random model of these options, its residual scales as a training may leave them."""
    task = tiny.task(joined=joined)
    task.cfg = Namespace(
        data="data", source_lang="a", target_lang="b", left_pad_source=True, left_pad_target=False,
        max_source_positions=64, max_target_positions=64, truncate_source=False,
    )  # fmt: skip
    task.max_positions = lambda: (task.cfg.max_source_positions, task.cfg.max_target_positions)
    model = tiny.flexible_model(for_task=task, **options).eval()
    for name, parameter in model.named_parameters():
        if name.endswith(SCALE_SUFFIX):
            torch.nn.init.uniform_(parameter, 0.2, 3.0)
    return LoadedModel(model, task, torch.float32, 0)
