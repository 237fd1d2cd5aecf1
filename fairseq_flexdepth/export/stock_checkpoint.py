"""One depth of a model as a checkpoint of fairseq's own ``transformer``, which needs nothing of this package.

It physically holds the layers that run at that depth. What it consists of besides tensors (numbers, strings, lists and
dictionaries) torch's safe loader takes without being told of any class.
"""

import os
from argparse import Namespace
from dataclasses import fields
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import torch
from fairseq import checkpoint_utils, models, tasks, utils
from fairseq.dataclass.configs import FairseqConfig
from fairseq.models.transformer import TransformerModel, TransformerModelBase
from fairseq.models.transformer_align import TransformerAlignModel
from fairseq.modules import SinusoidalPositionalEmbedding
from omegaconf import OmegaConf
from torch import Tensor, nn

from fairseq_flexdepth.compat import FAST_PATH_NAMES
from fairseq_flexdepth.decoding.model_depth import TASKS, apply_depth, current_depth, depth_space
from fairseq_flexdepth.export.admin_folding import cannot_fold, fold_residual_scales
from fairseq_flexdepth.files.checkpoints import brief, check_finite, read_checkpoint
from fairseq_flexdepth.files.safe_loader import allow_safe_checkpoints
from fairseq_flexdepth.models.config import FlatTransformerConfig
from fairseq_flexdepth.models.transformer import FlexDepthTransformer
from fairseq_flexdepth.modules.admin import SCALE_SUFFIX

EXPORTABLE = (FlexDepthTransformer, TransformerModel, TransformerModelBase, TransformerAlignModel)
# Of the task's options those that say how a sentence becomes a batch.
TASK_OPTIONS = (
    "data", "source_lang", "target_lang", "left_pad_source", "left_pad_target", "max_source_positions",
    "max_target_positions", "truncate_source",
)  # fmt: skip


class LoadedModel(NamedTuple):
    """A translation model and its task, as decoding has them, and the precision of the file's weights."""

    model: Any
    task: Any
    precision: torch.dtype
    updates: int


class StockModel(NamedTuple):
    """One depth of a model in the terms of fairseq's ``transformer``."""

    state: Dict[str, Tensor]
    options: Dict[str, Any]  # of the model, under fairseq's flat names
    positions: Tuple[List[int], List[int]]  # the encoder's and the decoder's layers that run, counted from 1
    unsupported: List[str]  # why fairseq's transformer would not compute the same


def load_translation_model(path: str, data: Optional[str]) -> LoadedModel:
    """Load a checkpoint of ours, or of fairseq's ``transformer``, as ``fairseq-generate`` does.

    Args:
        path: the checkpoint.
        data: the directory with the dictionaries; by default the one that the checkpoint names.

    Raises:
        ValueError: the file is no such checkpoint, its weights are not finite, or there are no dictionaries.
    """
    allow_safe_checkpoints()
    state = read_checkpoint("--path", path, {} if data is None else {"data": data})
    _check_kind(path, state["cfg"])
    check_finite(state["model"], f"--path {path}")
    precision = _precision(state["model"])
    task = _task(state["cfg"].task)
    state["args"] = None  # its cfg, made of them, is there: fairseq would take seconds to make it again
    try:
        (model,), _, _ = checkpoint_utils.load_model_ensemble_and_task([path], task=task, state=state)
    except (RuntimeError, KeyError) as error:  # torch's; 0.12.2's encoder layers raise the other
        raise ValueError(f"--path {path}: its weights are not those of its model: {brief(error)}") from error
    return LoadedModel(model.eval(), task, precision, state["optimizer_history"][-1]["num_updates"])


def _check_kind(path: str, cfg: Any) -> None:
    name = getattr(cfg.model, "_name", None) or getattr(cfg.model, "arch", None)
    kind = models.ARCH_MODEL_REGISTRY.get(name) or models.MODEL_REGISTRY.get(name)
    if kind not in EXPORTABLE:
        raise ValueError(
            f"--path {path}: holds a model of --arch {name}; expected a translation model of this package or of "
            "fairseq's transformer: language, speech and other models are not exported"
        )
    task = getattr(cfg.task, "_name", None)
    if task not in TASKS:
        raise ValueError(f"--path {path}: was trained with --task {task}; expected --task translation")


def _precision(state: Dict[str, Tensor]) -> torch.dtype:
    """The type in which all matrices are saved; single precision where they differ."""
    found = {tensor.dtype for tensor in state.values() if tensor.dim() > 1 and tensor.is_floating_point()}
    return found.pop() if len(found) == 1 else torch.float32


def _task(cfg: Any) -> Any:
    folder = cfg.data.split(os.pathsep)[0] if cfg.data else None
    if folder is None or not os.path.isdir(folder):
        raise ValueError(f"--data {folder or ''}: no such directory; give the one with the model's dictionaries")
    try:
        return tasks.setup_task(cfg)
    except Exception as error:
        if not isinstance(error, (OSError, ValueError)) and type(error) is not Exception:
            raise
        # fairseq's: no dictionary, or no file that tells the languages
        raise ValueError(f"--data {folder}: does not fit the checkpoint: {error}") from error


def stock_model(
    loaded: LoadedModel, encoder_depth: Optional[int], decoder_depth: Optional[int], subnetworks: Optional[str] = None
) -> StockModel:
    """The layers of one depth; a depth left out is the deepest.

    Raises:
        ValueError: the model does not support the depth, or not *subnetworks*.
    """
    model = loaded.model
    positions = _positions(model, encoder_depth, decoder_depth, subnetworks)
    options = _model_options(model, *map(len, positions))
    state = _state(model, positions)
    unsupported = cannot_fold(state, options)
    if options["base_layers"]:
        unsupported.append(f"--base-layers {options['base_layers']}: layers of another kind")
    exact = set(state)
    if not unsupported and any(key.endswith(SCALE_SUFFIX) for key in state):
        before = dict(state)
        fold_residual_scales(state, options, _position_tables(model))
        exact = {key for key in state if state[key] is before.get(key)}
    # What the file rounded stays in its few bits; what was computed here keeps all of them.
    for key in exact:
        if state[key].is_floating_point():
            state[key] = state[key].to(loaded.precision)
    return StockModel(state, options, positions, unsupported)


def _positions(
    model: Any, encoder_depth: Optional[int], decoder_depth: Optional[int], subnetworks: Optional[str]
) -> Tuple[List[int], List[int]]:
    if isinstance(model, FlexDepthTransformer):
        apply_depth(model, encoder_depth, decoder_depth, subnetworks)
        n, m = current_depth(model)
        return list(model.encoder_subnetworks[n]), list(model.decoder_subnetworks[m])
    apply_depth(model, None, None, subnetworks)
    n, m = depth_space(model).choose(encoder_depth, decoder_depth)
    return list(range(1, n + 1)), list(range(1, m + 1))


def _state(model: Any, positions: Tuple[List[int], List[int]]) -> Dict[str, Tensor]:
    """The ``state_dict`` with only these layers, renumbered.

    A layer that serves several positions is there once for each, the same tensors, which a file holds once;
    CTranslate2, too, stores equal tensors once.
    """
    layers = ("encoder.layers.", "decoder.layers.")
    state = {
        key: tensor
        for key, tensor in model.state_dict().items()
        # 0.12.2's sinusoidal positions have a tensor without a value, which they make again.
        if not key.startswith(layers) and not key.endswith("_float_tensor")
    }
    for side, kept in zip((model.encoder, model.decoder), positions):
        prefix = layers[side is model.decoder]
        for index, position in enumerate(kept):
            for key, tensor in side.layers[position - 1].state_dict().items():
                if key not in FAST_PATH_NAMES:  # 0.12.2 makes its copies again; fairseq-fixed has no place for them
                    state[f"{prefix}{index}.{key}"] = tensor
    return state


def longest_sentences(loaded: LoadedModel) -> Tuple[int, int]:
    """The most tokens of a source, and of a translation, without the end symbol: fairseq takes and writes no more."""
    source, target = utils.resolve_max_positions(loaded.task.max_positions(), loaded.model.max_positions())
    return int(source) - 1, int(target) - 1


def _position_tables(model: Any) -> Dict[str, Tensor]:
    """Every side's position embeddings, positions × channels, of the length that the model's options say."""
    tables = {}
    for side in ("encoder", "decoder"):
        embedding = getattr(model, side).embed_positions
        if isinstance(embedding, SinusoidalPositionalEmbedding):
            longest = model.cfg.max_source_positions if side == "encoder" else model.cfg.max_target_positions
            size = embedding.padding_idx + 1 + longest, embedding.embedding_dim
            tables[side] = SinusoidalPositionalEmbedding.get_embedding(*size, embedding.padding_idx)
        elif embedding is not None:
            tables[side] = embedding.weight.detach()
    return tables


def _model_options(model: Any, encoder_layers: int, decoder_layers: int) -> Dict[str, Any]:
    names = [option.name for option in fields(FlatTransformerConfig) if not option.name.startswith("_")]
    options = {name: _plain(getattr(model.cfg, name)) for name in names}
    options.update(encoder_layers=encoder_layers, decoder_layers=decoder_layers)
    for side in ("encoder", "decoder"):
        options[f"{side}_layers_to_keep"] = None  # they are gone
        options[f"{side}_embed_path"] = None  # a file that would be read before the weights are
    return options


def _plain(value: Any) -> Any:
    """*value* as a number, a string, ``None`` or a list of them: fairseq's choices are classes of their own."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value) if isinstance(value, str) else [_plain(item) for item in value]


def stock_options(loaded: LoadedModel, stock: StockModel) -> Namespace:
    """The options of a ``fairseq-train`` that would build this model, as its command line gives them."""
    return Namespace(**{"arch": "transformer", "task": "translation", **_task_options(loaded.task), **stock.options})


def _task_options(task: Any) -> Dict[str, Any]:
    return {name: _plain(getattr(task.cfg, name)) for name in TASK_OPTIONS}


def stock_checkpoint(loaded: LoadedModel, stock: StockModel) -> Dict[str, Any]:
    """The checkpoint to save; it loads in ``fairseq-generate`` without ``--user-dir``."""
    # Every section that fairseq's Python interface looks into, with its defaults.
    cfg = OmegaConf.to_container(OmegaConf.structured(FairseqConfig), enum_to_str=True)
    cfg["model"] = {"_name": "transformer", **vars(stock_options(loaded, stock))}
    cfg["task"] = {"_name": "translation", **_task_options(loaded.task)}
    cfg["criterion"] = {"_name": "cross_entropy"}
    history = {
        "criterion_name": "CrossEntropyCriterion",
        "optimizer_name": "FairseqAdam",
        "lr_scheduler_state": {},
        "num_updates": loaded.updates,
    }
    return {
        "args": None,
        "cfg": cfg,
        "model": stock.state,
        "criterion": None,  # a training whose criterion has parameters looks for it
        "optimizer_history": [history],
        "last_optimizer_state": None,
        "extra_state": {},
    }


def build_stock(loaded: LoadedModel, stock: StockModel) -> nn.Module:
    """fairseq's ``transformer`` with these weights, which shows that they fit.

    Raises:
        ValueError: they do not.
    """
    model = models.build_model(stock_options(loaded, stock), loaded.task)
    try:
        model.load_state_dict(dict(stock.state), strict=True)
    except RuntimeError as error:
        raise ValueError(f"fairseq's transformer cannot hold this model: {error}") from error
    return model.eval()
