"""Refuse code in the options of a checkpoint that fairseq evaluates with Python's ``eval``."""

import ast
from argparse import Namespace
from typing import Any, Dict, Iterator, Tuple, Union

from omegaconf import OmegaConf

from fairseq_flexdepth.files.safe_loader import UnsafeCheckpointError

# The options that fairseq evaluates; some of them for every Transformer.
EVALUATED = {
    *("adaptive_input_cutoff", "adaptive_softmax_cutoff", "character_filters", "conv_aggregator_layers"),
    *("conv_feature_layers", "encoder_layers", "decoder_layers", "encoder_attention", "decoder_attention"),
    *("self_attention", "gated_attention", "project_input", "downsample", "pretrained", "feature_encoder_spec"),
    *("encoder_xformers_att_config", "decoder_xformers_att_config", "xformers_att_config", "wer_args"),
    *("left_pad_source", "left_pad_target", "decoder_zero_init", "encoder_glu", "decoder_glu", "weight_softmax"),
    *("encoder_kernel_size_list", "decoder_kernel_size_list"),
    *("adam_betas", "adamax_betas", "adafactor_eps", "lamb_betas"),
    *(f"pipeline_{side}{part}" for side in ("", "encoder_", "decoder_") for part in ("balance", "devices")),
    # options of the models in fairseq's examples
    *("conv_enc_config", "conv_dec_config", "vggblock_enc_config", "transformer_enc_config", "transformer_dec_config"),
    *("transformer_context", "transformer_sampling", "model_overrides"),
}
# The syntax of plain values such as "[(512, 3)] * 20", "(20000,60000)", "True" and "{'a': -1}".
VALUES = (
    *(ast.Expression, ast.Constant, ast.Tuple, ast.List, ast.Set, ast.Dict, ast.Load),
    *(ast.UnaryOp, ast.USub, ast.BinOp, ast.Add, ast.Sub, ast.Mult),
)


def refuse_code(path: str, state: Dict[str, Any]) -> None:
    """Check the options in the contents *state* of the checkpoint *path*.

    Raises:
        UnsafeCheckpointError: an option that fairseq evaluates is more than a plain value.
    """
    for name, value in _options(state):
        if name in EVALUATED and isinstance(value, (str, bytes)) and _is_code(value):
            raise UnsafeCheckpointError(f"{path}: its option {name} contains code instead of a value: {value!s}")


def _options(state: Dict[str, Any]) -> Iterator[Tuple[str, Any]]:
    """The names and values of all options, in all groups and nested groups."""
    cfg = state.get("cfg")
    groups = [state.get("args"), OmegaConf.to_container(cfg) if OmegaConf.is_config(cfg) else cfg]
    while groups:
        group = groups.pop()
        options = vars(group) if isinstance(group, Namespace) else group
        if isinstance(options, dict):
            yield from options.items()
            groups.extend(options.values())


def _is_code(value: Union[str, bytes]) -> bool:
    """Whether *value* is an expression of more than literals, or refers to another option (``${...}``)."""
    text = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    if "${" in text:
        return True
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # eval fails on it, too
        return False
    bare_name = isinstance(tree.body, ast.Name)
    return not bare_name and not all(isinstance(node, VALUES) for node in ast.walk(tree))
