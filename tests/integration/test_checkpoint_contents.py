"""All that fairseq's training options put into a checkpoint can be read: to resume, average, export, translate."""

import copy
import itertools
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any, Dict, List, Tuple

import fairseq_cli.train
import pytest
import torch
from fairseq import checkpoint_utils, options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf, omegaconf_no_object_check
from fairseq.logging import metrics
from fairseq.optim import build_optimizer
from fairseq.registry import REGISTRIES
from omegaconf import OmegaConf, open_dict

import fairseq_flexdepth
from fairseq_flexdepth.cli.average import average_checkpoints
from fairseq_flexdepth.cli.prune import prune_checkpoint
from fairseq_flexdepth.export.loaded_model import load_exported_model
from fairseq_flexdepth.export.stock_checkpoint import stock_checkpoint, stock_model
from fairseq_flexdepth.files.checkpoint_editing import load_checkpoint, save_checkpoint
from tests.integration import cli

Changes = Dict[str, Any]  # of fairseq-train's options: {"checkpoint.patience": 9}, or a choice with its own options

NOT_HERE = {"cpu_adam": "needs DeepSpeed's compiled extension", "lamb": "needs apex and a GPU"}
TOGETHER = {"composite", "pass_through"}  # an optimizer and its schedule, which need each other
# The options that a choice needs.
NEEDED: Dict[str, Changes] = {
    "adagrad": {"weight_decay": 0.1},
    "cosine": {"lr_period_updates": 4},
    "manual": {"epoch2lr": "{'1': 0.005, '2-9': 0.001}"},
    "nag": {"momentum": 0.9},
    "sgd": {"momentum": 0.9},
    "tri_stage": {"max_update": 9.0, "phase_ratio": (0.2, 0.4, 0.4)},
    "triangular": {"max_lr": 0.01, "lr_period_updates": 4.0},
}


def chosen(kind: str, name: str, **changes: Any) -> Changes:
    """The options that select *name* from one of fairseq's registries."""
    return {kind: {"_name": name, **NEEDED.get(name, {}), **changes}}


def of_registry(kind: str) -> List[Tuple[str, Changes]]:
    names = set(REGISTRIES[kind]["registry"]) - set(NOT_HERE) - TOGETHER
    return [(name, chosen(kind, name)) for name in sorted(names)]


EACH_UPDATE = {"checkpoint.save_interval_updates": 1, "dataset.validate_interval_updates": 1}
BEST_BLEU = {
    "task.eval_bleu": True,
    "task.eval_bleu_depths": "1-1",
    "checkpoint.best_checkpoint_metric": "bleu",
    "checkpoint.maximize_best_checkpoint_metric": True,
    "checkpoint.keep_best_checkpoints": 2,
    "checkpoint.patience": 9,
}
GROUP = {"optimizer": {"_name": "adam"}, "lr_scheduler": {"_name": "cosine"}, "lr": [0.005], "lr_float": 0.005}
SMOOTHED = "label_smoothed_cross_entropy"
OTHERS: List[Tuple[str, Changes]] = [
    ("EMA", {"ema.store_ema": True, "ema.ema_fp32": True}),
    ("quantisation noise", {"model.quant_noise_pq": 0.2}),
    ("accuracy", chosen("criterion", SMOOTHED, report_accuracy=True)),
    ("amp", {"common.amp": True}),
]
if torch.__version__ >= (2, 6):  # 1.12 has no dropout in half precision on a CPU
    OTHERS += [
        ("fp16", {"common.fp16": True, "common.fp16_no_flatten_grads": True}),  # flat ones are on a GPU
        ("fp16 without copies", {"common.fp16": True, "common.memory_efficient_fp16": True}),
    ]
if f"{SMOOTHED}_with_rdrop" in REGISTRIES["criterion"]["registry"]:  # of fairseq-fixed alone
    OTHERS.append(("R-Drop", chosen("criterion", f"{SMOOTHED}_with_rdrop", rdrop_alpha=0.5)))
OLD_ADAM = ("fairseq's adam", chosen("optimizer", "adam", use_old_adam=True))

# Each choice is tried once; one training covers several.
TOGETHER_ONCE: Any = itertools.zip_longest(
    [*of_registry("optimizer"), OLD_ADAM], of_registry("lr_scheduler"), OTHERS, fillvalue=("", {})
)
CASES: Dict[str, Changes] = {
    ", ".join(name for name, _ in row if name): {key: value for _, one in row for key, value in one.items()}
    for row in TOGETHER_ONCE
}
CASES["composite"] = {
    **chosen("optimizer", "composite", groups={"default": GROUP}), **chosen("lr_scheduler", "pass_through")
}  # fmt: skip
CASES["the best BLEU, on a plateau"] = {
    **BEST_BLEU, **EACH_UPDATE, **chosen("lr_scheduler", "reduce_lr_on_plateau", maximize_best_checkpoint_metric=True)
}  # fmt: skip


@pytest.fixture(scope="module")
def defaults(data: Path) -> Any:
    """fairseq-train's options for the tiny model, composed once, since that takes longer than training it."""
    words = [str(word) for word in cli.training(data, Path("unused"), "--max-tokens", 1000)[1:]]
    return convert_namespace_to_omegaconf(options.parse_args_and_arch(options.get_training_parser(), words))


def train(defaults: Any, folder: Path, updates: int, changes: Changes) -> None:
    """Run fairseq-train in this process."""
    cfg = copy.deepcopy(defaults)
    metrics.reset()
    vars(checkpoint_utils.save_checkpoint).pop("best", None)
    given = {"checkpoint.save_dir": str(folder), "optimization.max_update": updates, **changes}
    with open_dict(cfg), omegaconf_no_object_check():
        for name, value in given.items():
            group, _, option = name.partition(".")
            if option:
                setattr(cfg[group], option, value)
            else:
                cfg[group] = choice(group, value)
    fairseq_cli.train.main(cfg)


def choice(kind: str, changes: Changes) -> Any:
    """The options of a choice as the command line makes them: a Namespace if the choice has no dataclass."""
    name, registry = changes["_name"], REGISTRIES[kind]
    if name in registry["dataclass_registry"]:
        return OmegaConf.structured(registry["dataclass_registry"][name](**changes))
    parser = ArgumentParser()
    registry["registry"][name].add_args(parser)
    return Namespace(**{**vars(parser.parse_args([])), "lr": [0.005], kind: name, **changes})


@pytest.mark.parametrize("name", CASES)
def test_every_option_that_changes_a_checkpoint(name: str, defaults: Any, tmp_path: Path) -> None:
    for updates in (1, 3):  # the first amid an epoch of 2, the second after it
        train(defaults, tmp_path, updates, CASES[name])
    last = tmp_path / "checkpoint_last.pt"
    state = torch.load(str(last))
    assert [run["num_updates"] for run in state["optimizer_history"]] == [1, 3]
    save_checkpoint(average_checkpoints([str(last), str(last)]), str(tmp_path / "mean.pt"))
    save_checkpoint(prune_checkpoint(load_checkpoint(str(last), "--path"), 0.5), str(tmp_path / "pruned.pt"))
    loaded = load_exported_model(str(last), None)
    save_checkpoint(stock_checkpoint(loaded, stock_model(loaded, 2, 1)), str(tmp_path / "exported.pt"))
    assert load_exported_model(str(tmp_path / "exported.pt"), None).updates == 3
    for name in ("checkpoint_last.pt", "checkpoint_best.pt", "mean.pt", "pruned.pt"):
        fairseq_flexdepth.load(str(tmp_path / name)).translate("w1 w2", max_len_b=2)


@pytest.mark.parametrize("name", NOT_HERE)
def test_the_only_choices_left_out_cannot_run_here(name: str) -> None:
    with pytest.raises(ImportError, match="^Please install (apex|DeepSpeed)"):
        build_optimizer(choice("optimizer", {"_name": name, "lr": [0.1]}), [torch.nn.Parameter(torch.zeros(2))])
