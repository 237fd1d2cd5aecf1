"""The computed layer runs and projections of an update, against those that a real update makes."""

from itertools import combinations, product
from typing import Any, Dict, List, Tuple

import pytest
from fairseq import models
from fairseq.criterions import build_criterion

from fairseq_flexdepth.criterions import distillation
from fairseq_flexdepth.depth.supported_depths import DepthSpace
from fairseq_flexdepth.models.teacher import Teacher
from fairseq_flexdepth.modules.losses import distilled_cross_entropy, linear_cross_entropy
from recipes.common.flop import forward_flop, training_flop
from recipes.common.layer_passes import Passes, deepest_passes, training_passes
from recipes.common.recipe_models import RecipeModel, RecipeModels
from tests import tiny

WORDS, LENGTH, SENTENCES = 21, 5, 2
SIZES = (
    "--encoder-embed-dim", "12", "--encoder-ffn-embed-dim", "14", "--encoder-attention-heads", "2",
    "--decoder-embed-dim", "12", "--decoder-ffn-embed-dim", "14", "--decoder-attention-heads", "2",
)  # fmt: skip
TIED = ("--arch", "tied_multi_transformer", "--encoder-layers", "3", "--decoder-layers", "3", *SIZES)
PLAIN = ("--arch", "transformer", "--encoder-layers", "3", "--decoder-layers", "2", *SIZES)
MANY = ("--criterion", "tied_multi_cross_entropy")
ONE = ("--criterion", "label_smoothed_cross_entropy")
TASKS = ("--criterion", "multi_task_depth_cross_entropy", "--encoder-depths", "divisors", "--decoder-depths", "1,3")
TAUGHT = ("--criterion", "word_kd", "--teacher-path", "work/teacher/seed1/averaged.pt")
CASES = {
    "plain": (*PLAIN, *ONE),
    "tied 3×3": (*TIED, *MANY),
    "the deepest pair of many": (*TIED, *ONE, "--subnetworks", "optimal"),
    "one pair after another": (*TIED, *MANY, "--accumulate-depths", "--task", "translation"),
    "divisors": (*TIED, *TASKS, "--subnetworks", "optimal", "--encoder-layers", "4", "--encoder-layerdrop", "0"),
    "sampled": (*TIED, *MANY, "--sample-encoder-depths", "2", "--sample-decoder-depths", "1"),
    "taught": (*PLAIN, *TAUGHT),
    "taught at all depths": (*TIED, *TAUGHT),
    "not taught": (*PLAIN, *TAUGHT, "--kd-alpha", "0"),
}


def recipe_model(options: Tuple[str, ...]) -> RecipeModel:
    """The model of a recipe of which a plain model is the teacher."""
    sizes = ["--nwordssrc", str(WORDS), "--nwordstgt", str(WORDS), "--destdir", "bin"]
    training = ["--save-dir", "work/system/seed1", *options]
    teacher = ["--save-dir", "work/teacher/seed1", *PLAIN, *ONE]
    commands = [["fairseq-preprocess", *sizes], *(["fairseq-train", "bin", *one] for one in (teacher, training))]
    return RecipeModels(commands).model("work/system/seed1")


def count_layers(model: Any, rows: Dict[str, float]) -> None:
    """Add the rows that each side's layers and the output projection get."""
    for side in ("encoder", "decoder"):
        for layer in getattr(model, side).layers.children():
            layer.register_forward_pre_hook(
                lambda _, inputs, side=side: rows.update({side: rows[side] + inputs[0][..., 0].numel()})
            )
    model.decoder.output_projection.register_forward_pre_hook(
        lambda _, inputs: rows.update(exits=rows["exits"] + inputs[0][..., 0].numel())
    )


def count_projected(monkeypatch: pytest.MonkeyPatch, rows: Dict[str, float]) -> None:
    """Add the rows that the losses of many depths project."""
    for module in (linear_cross_entropy, distilled_cross_entropy):
        run = module.loss_in_chunks

        def counted(features: Any, *others: Any, run: Any = run, **more: Any) -> Any:
            rows["exits"] += len(features.features)
            return run(features, *others, **more)

        monkeypatch.setattr(module, "loss_in_chunks", counted)


def draws(options: Any, model: Any) -> List[DepthSpace]:
    """Every choice of depths that an update can draw, each equally probable."""
    if not hasattr(model, "depth_space"):
        return [DepthSpace((), ())]
    sides = []
    for side in ("encoder", "decoder"):
        depths = getattr(model.depth_space, side)
        sides.append(combinations(depths, getattr(options, f"sample_{side}_depths", 0) or len(depths)))
    return [DepthSpace(below, above) for below, above in product(*sides)]


@pytest.mark.parametrize("case", CASES)
def test_an_update_runs_as_often_as_computed(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, taught_by = recipe_model(CASES[case]), recipe_model((*PLAIN, *ONE))
    options = recipe.options
    model, teacher = (models.build_model(one.options, tiny.task(WORDS, WORDS)) for one in (recipe, taught_by))
    monkeypatch.setattr(distillation, "load_teacher", lambda path, task: Teacher([teacher]))
    own, taught = dict.fromkeys(Passes._fields, 0.0), dict.fromkeys(Passes._fields, 0.0)
    count_layers(model, own)
    count_layers(teacher, taught)
    count_projected(monkeypatch, own)
    criterion = build_criterion(options, tiny.task(WORDS, WORDS))
    drawn = draws(options, model)
    for depths in drawn:
        monkeypatch.setattr(DepthSpace, "sample", lambda *_, depths=depths: depths)
        sample = tiny.sample([LENGTH] * SENTENCES, [LENGTH] * SENTENCES, WORDS, WORDS)
        criterion(model.train(), sample)[0].backward()
    tokens = LENGTH * SENTENCES * len(drawn)
    counted = [Passes(*(rows[name] / tokens for name in Passes._fields)) for rows in (own, taught)]
    assert training_passes(options) == pytest.approx(counted[0])
    runs_teacher = criterion.__class__.__name__ == "WordKDCriterion" and options.kd_alpha > 0
    assert counted[1] == (deepest_passes(recipe.teachers[0].options) if runs_teacher else (0, 0, 0))
    # A teacher runs forward, the model forward and backward, which is three times the work.
    flop = 3 * forward_flop(recipe.size, counted[0], (1, 1))
    flop += forward_flop(recipe.teachers[0].size, counted[1], (1, 1)) if recipe.teachers else 0
    assert training_flop(recipe) == pytest.approx(flop)


def test_layerdrop_runs_its_share_of_the_layers() -> None:
    options = recipe_model((*TIED, *ONE, "--encoder-layerdrop", "0.25", "--decoder-layerdrop", "0.5")).options
    assert training_passes(options) == Passes(2.25, 1.5, 1)
