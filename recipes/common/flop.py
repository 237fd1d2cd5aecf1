"""The floating-point operations (FLOP) of a training, per token.

A forward pass does 2 FLOP per parameter that runs, a forward and backward pass 3 times as many. Left out: attention
weights, which grow with the length, softmax, and the recomputation of --checkpoint-activations.
"""

from argparse import Namespace
from typing import Tuple

from fairseq.criterions import CRITERION_REGISTRY
from fairseq.models import ARCH_MODEL_REGISTRY, FairseqLanguageModel
from fairseq.models.speech_to_text import S2TTransformerModel

from fairseq_flexdepth.criterions.distillation import DistillationCriterion
from fairseq_flexdepth.criterions.layer_distillation import LayerDistillationCriterion
from fairseq_flexdepth.depth.teacher_layers import LayerMapping, map_layers, skip_mapping
from recipes.common.layer_passes import Passes, deepest_passes, training_passes
from recipes.common.model_size import ModelSize
from recipes.common.recipe_models import RecipeModel

BACKWARD = 3  # a forward and backward pass, in forward passes
FRAMES_OF_PIECE = 30  # assumed: frames of speech (10 ms each) per target token


def positions(options: Namespace) -> Tuple[float, float]:
    """Return the encoder positions and the decoder positions per token of a batch, which --max-tokens counts.

    Source and target of a translation count as equally long. A batch of speech consists of frames.
    """
    model = ARCH_MODEL_REGISTRY[options.arch]
    if issubclass(model, S2TTransformerModel):
        return 0.5 ** len(options.conv_kernel_sizes.split(",")), 1 / FRAMES_OF_PIECE
    return (0 if issubclass(model, FairseqLanguageModel) else 1), 1


def forward_flop(size: ModelSize, passes: Passes, places: Tuple[float, float]) -> float:
    """Return the FLOP of a forward pass per token.

    Args:
        size: the model's numbers of parameters.
        passes: how often its layers and its projection run per position.
        places: encoder positions and decoder positions per token.
    """
    encoder = size.below + passes.encoder * size.encoder_layer
    decoder = size.above + passes.decoder * size.decoder_layer + passes.exits * size.projection
    return 2 * (places[0] * encoder + places[1] * decoder)


def plain_flop(model: RecipeModel) -> float:
    """Return the FLOP of a training per token if the model ran at its full depth alone, without a teacher."""
    return BACKWARD * forward_flop(model.size, deepest_passes(model.options), positions(model.options))


def training_flop(model: RecipeModel) -> float:
    """Return the FLOP of a training per token: of the student, its teachers, and the projections between their layers.

    Raises:
        ValueError: --ckd-mapping does not fit the layers.
    """
    options = model.options
    flop = BACKWARD * forward_flop(model.size, training_passes(options), positions(options))
    if not _learns_from_teacher(options):
        return flop
    criterion = CRITERION_REGISTRY[options.criterion]
    teachers = model.teachers
    of_layers = issubclass(criterion, LayerDistillationCriterion)
    encoder_only = of_layers and options.kd_eta == 0 and not options.distill_decoder
    for teacher in teachers[:1] if encoder_only else teachers:
        passes = deepest_passes(teacher.options)
        passes = passes._replace(decoder=0, exits=0) if encoder_only else passes
        flop += forward_flop(teacher.size, passes, positions(teacher.options))
    return flop + (BACKWARD * 2 * _fused(model, teachers[0]) if of_layers else 0)


def _learns_from_teacher(options: Namespace) -> bool:
    """Whether the criterion runs a teacher: its weights are not all 0."""
    criterion = CRITERION_REGISTRY[options.criterion]
    if issubclass(criterion, LayerDistillationCriterion):
        return options.kd_eta + options.kd_lambda > 0
    return issubclass(criterion, DistillationCriterion) and options.kd_alpha > 0


def _fused(student: RecipeModel, teacher: RecipeModel) -> int:
    """The parameters of the projections between the layers of teacher and student."""
    options, total = student.options, 0
    for side in ("encoder", "decoder") if options.distill_decoder else ("encoder",):
        own, taught = (getattr(model.options, f"{side}_embed_dim") for model in (student, teacher))
        for layers in _mapping(student, teacher, side).values():
            needed = options.criterion == "ckd" or own != taught
            total += len(layers) * own * taught * needed
    return total


def _mapping(student: RecipeModel, teacher: RecipeModel, side: str) -> LayerMapping:
    """The teacher layers that each student layer learns from."""
    taught, own = (int(getattr(deepest_passes(model.options), side)) for model in (teacher, student))
    given = student.options.ckd_mapping
    return skip_mapping(taught, own) if given is None else map_layers(given, taught, own)
