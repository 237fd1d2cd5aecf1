"""Applying a depth to a model, and reading the depth of a model."""

from typing import Optional, Tuple

import pytest
from fairseq.models.transformer import TransformerModel

from fairseq_flexdepth.decoding.model_depth import apply_depth, common_pairs, current_depth, describe_depth
from fairseq_flexdepth.models.transformer import FlexDepthTransformer
from tests import tiny

Asked = Tuple[Optional[int], Optional[int]]  # --enc-layers and --dec-layers


@pytest.fixture
def model() -> FlexDepthTransformer:
    return tiny.flexible_model()


@pytest.fixture
def stock(model: FlexDepthTransformer) -> TransformerModel:
    return tiny.stock_model(model, 3, 2)


@pytest.mark.parametrize(
    ("asked", "runs"), [((2, 1), (2, 1)), ((2, None), (2, 2)), ((None, 1), (3, 1)), ((None, None), (3, 2))]
)
def test_the_depth_asked_for_is_set(asked: Asked, runs: Tuple[int, int], model: FlexDepthTransformer) -> None:
    apply_depth(model, *asked)
    assert current_depth(model) == runs


def test_asking_for_nothing_keeps_what_was_chosen(model: FlexDepthTransformer) -> None:
    model.set_depth(2, 1)
    apply_depth(model, None, None)
    assert current_depth(model) == (2, 1)


def test_a_depth_outside_the_space_is_refused(model: FlexDepthTransformer) -> None:
    with pytest.raises(ValueError, match="^--enc-layers 4: this model supports 1,2,3$"):
        apply_depth(model, 4, None)


@pytest.mark.parametrize(
    ("asked", "named"),
    [((2, None), "--enc-layers 2"), ((None, 1), "--dec-layers 1"), ((2, 1), "--enc-layers 2 --dec-layers 1")],
)
def test_a_model_without_depths_is_refused(asked: Asked, named: str, stock: TransformerModel) -> None:
    message = f"^{named}: the checkpoint's TransformerModel always runs all its layers; train with --arch tied_multi"
    with pytest.raises(ValueError, match=message):
        apply_depth(stock, *asked)


def test_another_strategy_may_say_which_layers_run(model: FlexDepthTransformer) -> None:
    apply_depth(model, 2, 1, "left")
    assert (model.encoder.layers.active, model.decoder.layers.active) == ((1, 2), (1,))
    apply_depth(model, 1, 1, "optimal")
    assert (model.encoder.layers.active, model.decoder.layers.active) == ((3,), (1,))
    assert describe_depth([model]) == "1 of 3 encoder layers, 1 of 2 decoder layers (optimal)"
    apply_depth(model, None, None, "head")
    assert current_depth(model) == (3, 2)
    with pytest.raises(ValueError, match="^--subnetworks tail: expected one of head, seq, left, middle_left, optimal$"):
        apply_depth(model, None, None, "tail")


def test_a_model_without_depths_has_no_strategies(stock: TransformerModel) -> None:
    with pytest.raises(ValueError, match="^--subnetworks left: the checkpoint's TransformerModel always runs all"):
        apply_depth(stock, None, None, "left")


def test_a_model_without_depths_is_allowed_without_options(stock: TransformerModel) -> None:
    apply_depth(stock, None, None)
    assert describe_depth([stock]) is None


def test_the_depth_in_words(model: FlexDepthTransformer, stock: TransformerModel) -> None:
    assert describe_depth([model]) == "3 of 3 encoder layers, 2 of 2 decoder layers"
    model.set_depth(2, 1)
    alike, other = tiny.flexible_model(), tiny.flexible_model(encoder_layers=6)
    alike.set_depth(2, 1)
    shallow = "2 of 3 encoder layers, 1 of 2 decoder layers"
    assert describe_depth([model, alike, stock]) == shallow
    assert describe_depth([model, other]) == f"{shallow}; 6 of 6 encoder layers, 2 of 2 decoder layers"


def test_models_without_depths_have_one_pair() -> None:
    assert common_pairs([tiny.plain_model()]) == [(3, 2)]
    assert common_pairs([tiny.lstm_model(encoder_layers=2, decoder_layers=2)]) == [(2, 2)]
