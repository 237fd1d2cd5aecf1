"""A --user-dir for ``ranks``: the plugin, torch's DDP on a CPU, and a record of each rank.

The folder in RANK_WATCH gets the parameters of every rank whenever a checkpoint is due (``rank0.pt``, ...), and the
sums that the ranks log for each update or validation batch (``rank0.jsonl``, ...).
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from fairseq import checkpoint_utils
from fairseq.models import distributed_fairseq_model
from fairseq.trainer import Trainer
from torch.nn.parallel import DistributedDataParallel

import fairseq_flexdepth  # noqa: F401

FOLDER = Path(os.environ["RANK_WATCH"])
stock_statistics, stock_save = Trainer._reduce_and_log_stats, checkpoint_utils.save_checkpoint


def statistics(self: Any, logging_outputs: Any, sample_size: Any, grad_norm: Any = None) -> Any:
    """As fairseq's."""
    sums = {key: sum(float(output[key]) for output in logging_outputs) for key in logging_outputs[0]}
    line = {"update": self.get_num_updates(), "valid": grad_norm is None, "size": float(sample_size), **sums}
    with (FOLDER / f"rank{self.data_parallel_rank}.jsonl").open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(line)}\n")
    return stock_statistics(self, logging_outputs, sample_size, grad_norm)


def save(cfg: Any, trainer: Any, *args: Any) -> Any:
    """As fairseq's."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    state = {"model": trainer.get_model().state_dict(), "criterion": trainer.criterion.state_dict()}
    torch.save(state, str(FOLDER / f"rank{trainer.data_parallel_rank}.pt"))
    return stock_save(cfg, trainer, *args)


def on_cpu(module: Any, device_ids: Any, output_device: Any, **options: Any) -> Any:
    """torch's DDP without device numbers: fairseq passes GPU numbers, which DDP refuses for a model on a CPU."""
    return DistributedDataParallel(module, **options)


distributed_fairseq_model.DistributedDataParallel = on_cpu
Trainer._reduce_and_log_stats = statistics
checkpoint_utils.save_checkpoint = save
