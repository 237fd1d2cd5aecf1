"""One depth of a model as a checkpoint of fairseq's own ``transformer`` or ``transformer_lm``.

It loads without this package.

The checkpoint holds only the layers that run at this depth. Besides tensors it consists of numbers, strings, lists and
dictionaries, which torch's safe loader reads without any allowed class.
"""

from argparse import Namespace
from dataclasses import fields
from enum import Enum
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from fairseq import models
from fairseq.dataclass.configs import FairseqConfig
from fairseq.modules import SinusoidalPositionalEmbedding
from omegaconf import OmegaConf
from torch import Tensor, nn

from fairseq_flexdepth.compat import FAST_PATH_NAMES
from fairseq_flexdepth.decoding.model_depth import apply_depth, current_depth, depth_space
from fairseq_flexdepth.export import language_model
from fairseq_flexdepth.export.admin_folding import cannot_fold, fold_residual_scales
from fairseq_flexdepth.export.loaded_model import LoadedModel
from fairseq_flexdepth.models.config import FlatTransformerConfig
from fairseq_flexdepth.modules.admin import SCALE_SUFFIX

# The task options that a stock translation task needs: the languages, and how sentences become batches.
TASK_OPTIONS = (
    "data", "source_lang", "target_lang", "left_pad_source", "left_pad_target", "max_source_positions",
    "max_target_positions", "truncate_source",
)  # fmt: skip


class StockModel(NamedTuple):
    """One depth of a model, as weights and options of fairseq's ``transformer`` or ``transformer_lm``."""

    state: Dict[str, Tensor]  # the state_dict
    options: Dict[str, Any]  # of the model, by fairseq's flat names
    positions: Tuple[List[int], List[int]]  # the encoder and the decoder layers that run, counted from 1
    unsupported: List[str]  # reasons why fairseq's transformer cannot compute the same


def stock_model(
    loaded: LoadedModel, encoder_depth: Optional[int], decoder_depth: Optional[int], subnetworks: Optional[str] = None
) -> StockModel:
    """Take one depth out of a model.

    Args:
        loaded: the model.
        encoder_depth: the encoder depth (default: the deepest).
        decoder_depth: the decoder depth (default: the deepest).
        subnetworks: the strategy that chooses the layers of a depth (default: the model's own).

    Raises:
        ValueError: the model does not support this depth or strategy.
    """
    model = loaded.model
    positions = _positions(model, encoder_depth, decoder_depth, subnetworks)
    options = _model_options(model, *map(len, positions))
    state = _state(model, positions)
    unsupported = cannot_fold(state, options)
    if options["base_layers"]:
        unsupported.append(f"--base-layers {options['base_layers']}: layers of another kind")
    unchanged = set(state)
    if not unsupported and any(key.endswith(SCALE_SUFFIX) for key in state):
        before = dict(state)
        fold_residual_scales(state, options, position_tables(model))
        unchanged = {key for key in state if state[key] is before.get(key)}
    # Weights from the file keep its precision, without loss; weights computed here stay in float32.
    for key in unchanged:
        if state[key].is_floating_point():
            state[key] = state[key].to(loaded.precision)
    return StockModel(state, options, positions, unsupported)


def _positions(
    model: Any, encoder_depth: Optional[int], decoder_depth: Optional[int], subnetworks: Optional[str]
) -> Tuple[List[int], List[int]]:
    """The encoder and the decoder layers that run at this depth, counted from 1."""
    if hasattr(model, "set_depth"):
        apply_depth(model, encoder_depth, decoder_depth, subnetworks)
        n, m = current_depth(model)
        return list(model.encoder_subnetworks[n]), list(model.decoder_subnetworks[m])
    apply_depth(model, None, None, subnetworks)
    n, m = depth_space(model).choose(encoder_depth, decoder_depth)
    return list(range(1, n + 1)), list(range(1, m + 1))


def _state(model: Any, positions: Tuple[List[int], List[int]]) -> Dict[str, Tensor]:
    """The ``state_dict`` with only these layers, renumbered from 0.

    A shared layer appears once per position, always with the same tensors, which are stored only once: in a checkpoint
    and by CTranslate2.
    """
    layers = ("encoder.layers.", "decoder.layers.")
    state = {
        key: tensor
        for key, tensor in model.state_dict().items()
        # 0.12.2's sinusoidal positions have an empty tensor of this name, which a new model creates itself.
        if not key.startswith(layers) and not key.endswith("embed_positions._float_tensor")
    }
    for side, prefix, kept in zip(("encoder", "decoder"), layers, positions):
        for index, position in enumerate(kept):
            for key, tensor in getattr(model, side).layers[position - 1].state_dict().items():
                if key not in FAST_PATH_NAMES:  # copies that 0.12.2 creates itself and fairseq-fixed does not have
                    state[f"{prefix}{index}.{key}"] = tensor
    return state


def position_tables(model: Any) -> Dict[str, Tensor]:
    """The position embeddings of ``encoder`` and ``decoder``, positions × channels, up to the model's longest input."""
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
    """The options of fairseq's model for this model with these numbers of layers."""
    if language_model.is_language_model(model):
        return {name: _plain(value) for name, value in language_model.model_options(model, decoder_layers).items()}
    names = [option.name for option in fields(FlatTransformerConfig) if not option.name.startswith("_")]
    options = {name: _plain(getattr(model.cfg, name)) for name in names}
    options.update(encoder_layers=encoder_layers, decoder_layers=decoder_layers)
    for side in ("encoder", "decoder"):
        options[f"{side}_layers_to_keep"] = None  # the layers are numbered anew
        options[f"{side}_embed_path"] = None  # else fairseq would read this file before the weights
    return options


def _plain(value: Any) -> Any:
    """Convert *value* to plain numbers, strings, ``None`` or lists: fairseq's choices are subclasses of ``str``."""
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value) if isinstance(value, str) else [_plain(item) for item in value]


def stock_options(loaded: LoadedModel, stock: StockModel) -> Namespace:
    """The options with which ``fairseq-train`` would build this model, in the form of its parsed command line."""
    arch, task = stock_names(loaded)
    return Namespace(**{"arch": arch, "task": task, **_task_options(loaded), **stock.options})


def stock_names(loaded: LoadedModel) -> Tuple[str, str]:
    """fairseq's ``--arch`` and ``--task`` for this kind of model."""
    of_text = language_model.is_language_model(loaded.model)
    return ("transformer_lm", "language_modeling") if of_text else ("transformer", "translation")


def _task_options(loaded: LoadedModel) -> Dict[str, Any]:
    if language_model.is_language_model(loaded.model):
        return {name: _plain(value) for name, value in language_model.task_options(loaded.task).items()}
    return {name: _plain(getattr(loaded.task.cfg, name)) for name in TASK_OPTIONS}


def stock_checkpoint(loaded: LoadedModel, stock: StockModel) -> Dict[str, Any]:
    """The contents of the checkpoint file, which ``fairseq-generate`` loads without ``--user-dir``."""
    # All sections with their defaults: fairseq's Python interface reads several of them.
    cfg = OmegaConf.to_container(OmegaConf.structured(FairseqConfig), enum_to_str=True)
    arch, task = stock_names(loaded)
    cfg["model"] = {"_name": arch, **vars(stock_options(loaded, stock))}
    cfg["task"] = {"_name": task, **_task_options(loaded)}
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
        "criterion": None,  # a training that continues with a criterion with parameters reads this key
        "optimizer_history": [history],
        "last_optimizer_state": None,
        "extra_state": {},
    }


def build_stock(loaded: LoadedModel, stock: StockModel) -> nn.Module:
    """Build fairseq's model with these weights, in evaluation mode, which checks that they fit.

    Raises:
        ValueError: a weight is missing, has another shape or is not part of the model.
    """
    model = models.build_model(stock_options(loaded, stock), loaded.task)
    try:
        model.load_state_dict(dict(stock.state), strict=True)
    except RuntimeError as error:
        raise ValueError(f"fairseq's {stock_names(loaded)[0]} cannot hold this model: {error}") from error
    return model.eval()
