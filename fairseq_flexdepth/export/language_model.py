"""Language models as stock checkpoints: the options of fairseq's ``transformer_lm`` and of its task."""

from dataclasses import MISSING, fields
from typing import Any, Dict, List, Sequence

from fairseq.models.transformer_lm import TransformerLanguageModel, TransformerLanguageModelConfig
from fairseq.tasks.language_modeling import LanguageModelingConfig

from fairseq_flexdepth.export.unsupported_options import option
from fairseq_flexdepth.models.flexible_language_model import FlexDepthLanguageModel
from fairseq_flexdepth.models.language_model import SharedLanguageModel

# The model classes that can be exported.
MODELS = (FlexDepthLanguageModel, SharedLanguageModel, TransformerLanguageModel)

# Options that change the computation and that CTranslate2 refuses one at a time, or ignores.
_NOT_IN_CTRANSLATE2 = (
    "adaptive_input", "adaptive_softmax_cutoff", "character_embeddings", "no_token_positional_embeddings",
    "quant_noise_pq", "quant_noise_scalar", "scale_fc", "scale_attn", "scale_heads", "scale_resids",
    "decoder_xformers_att_config",
)  # fmt: skip


def is_language_model(model: Any) -> bool:
    """Whether *model* has a decoder only."""
    return not hasattr(model, "encoder")


def model_options(model: Any, layers: int) -> Dict[str, Any]:
    """The options of fairseq's ``transformer_lm`` for this model with this number of layers."""
    names = [known.name for known in fields(TransformerLanguageModelConfig) if not known.name.startswith("_")]
    options = {name: getattr(model.decoder.args, name) for name in names if hasattr(model.decoder.args, name)}
    options.update(decoder_layers=layers, decoder_layers_to_keep=None)  # the layers are numbered anew
    return options


def task_options(task: Any) -> Dict[str, Any]:
    """The options of fairseq's ``language_modeling`` that a stock task needs, without those of other sections."""
    names = [
        known.name
        for known in fields(LanguageModelingConfig)
        if not known.name.startswith("_") and known.default is not MISSING and not str(known.default).startswith("${")
    ]
    return {name: getattr(task.args, name) for name in names if hasattr(task.args, name)}


def unsupported_by_ctranslate2(options: Dict[str, Any], activations: Sequence[str]) -> List[str]:
    """The options of a stock language model that CTranslate2 does not support, each with the reason.

    Args:
        options: the options of the model.
        activations: the activations that CTranslate2 has.
    """
    reasons = [
        f"{option(name)}{'' if options[name] is True else f' {options[name]}'}: not in CTranslate2"
        for name in _NOT_IN_CTRANSLATE2
        if options.get(name)
    ]
    given, needed = options["decoder_output_dim"], options["decoder_input_dim"]
    if given != needed:
        reasons.append(f"--decoder-output-dim {given}: CTranslate2 needs the --decoder-input-dim, {needed}")
    if options["activation_fn"] not in activations:
        reasons.append(f"--activation-fn {options['activation_fn']}: CTranslate2 has {', '.join(activations)}")
    return reasons
