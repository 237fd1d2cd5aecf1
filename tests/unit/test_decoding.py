"""Choosing a depth, saying which was chosen, and fairseq's hub interface with depths."""

from types import SimpleNamespace

import pytest

import fairseq_flexdepth
from fairseq_flexdepth.decoding.depth import choose_depth, common_pairs, current_depth, describe_depth
from fairseq_flexdepth.decoding.hub import FlexDepthHubInterface
from tests import tiny


@pytest.fixture
def model():
    return tiny.flexible_model()


@pytest.fixture
def stock(model):
    return tiny.stock_model(model, 3, 2)


@pytest.mark.parametrize(
    ("asked", "runs"), [((2, 1), (2, 1)), ((2, None), (2, 2)), ((None, 1), (3, 1)), ((None, None), (3, 2))]
)
def test_the_depth_asked_for_is_set(asked, runs, model):
    choose_depth(model, *asked)
    assert current_depth(model) == runs


def test_asking_for_nothing_keeps_what_was_chosen(model):
    model.set_depth(2, 1)
    choose_depth(model, None, None)
    assert current_depth(model) == (2, 1)


def test_a_depth_outside_the_space_is_refused(model):
    with pytest.raises(ValueError, match="^--enc-layers 4: this model supports 1,2,3$"):
        choose_depth(model, 4, None)


@pytest.mark.parametrize(
    ("asked", "named"),
    [((2, None), "--enc-layers 2"), ((None, 1), "--dec-layers 1"), ((2, 1), "--enc-layers 2 --dec-layers 1")],
)
def test_a_model_without_depths_is_refused(asked, named, stock):
    message = f"^{named}: the checkpoint's TransformerModel always runs all its layers; train with --arch tied_multi"
    with pytest.raises(ValueError, match=message):
        choose_depth(stock, *asked)


def test_another_strategy_may_say_which_layers_run(model):
    choose_depth(model, 2, 1, "left")
    assert (model.encoder.layers.active, model.decoder.layers.active) == ((1, 2), (1,))
    choose_depth(model, 1, 1, "optimal")
    assert (model.encoder.layers.active, model.decoder.layers.active) == ((3,), (1,))
    assert describe_depth([model]) == "1 of 3 encoder layers, 1 of 2 decoder layers (optimal)"
    choose_depth(model, None, None, "head")
    assert current_depth(model) == (3, 2)
    with pytest.raises(ValueError, match="^--subnetworks tail: expected one of head, seq, left, middle_left, optimal$"):
        choose_depth(model, None, None, "tail")


def test_a_model_without_depths_has_no_strategies(stock):
    with pytest.raises(ValueError, match="^--subnetworks left: the checkpoint's TransformerModel always runs all"):
        choose_depth(stock, None, None, "left")


def test_a_model_without_depths_will_do_when_none_is_asked_for(stock):
    choose_depth(stock, None, None)
    assert describe_depth([stock]) is None


def test_the_depth_in_words(model, stock):
    assert describe_depth([model]) == "3 of 3 encoder layers, 2 of 2 decoder layers"
    model.set_depth(2, 1)
    alike, other = tiny.flexible_model(), tiny.flexible_model(encoder_layers=6)
    alike.set_depth(2, 1)
    shallow = "2 of 3 encoder layers, 1 of 2 decoder layers"
    assert describe_depth([model, alike, stock]) == shallow
    assert describe_depth([model, other]) == f"{shallow}; 6 of 6 encoder layers, 2 of 2 decoder layers"


def hub(*models):
    options = SimpleNamespace(generation=SimpleNamespace(replace_unk=None), tokenizer=None, bpe=None)
    task = tiny.task()
    task.max_positions = lambda: (64, 64)
    return FlexDepthHubInterface(options, task, models)


def test_the_depths_of_an_ensemble_are_those_of_all_its_models(model):
    other = tiny.flexible_model(seed=2, encoder_layers=6, encoder_depths="divisors", decoder_depths="2")
    assert hub(model).depths == [(n, m) for n in (1, 2, 3) for m in (1, 2)]
    assert hub(model, other).depths == [(1, 2), (2, 2), (3, 2)]


def test_a_depth_is_set_in_all_models(model):
    interface = hub(model, tiny.flexible_model(seed=2))
    interface.set_depth(2, 1)
    assert [current_depth(member) for member in interface.models] == [(2, 1), (2, 1)]
    interface.set_depth()
    assert [current_depth(member) for member in interface.models] == [(3, 2), (3, 2)]


def test_a_depth_that_one_model_lacks_changes_no_model(model):
    interface = hub(model, tiny.flexible_model(seed=2, decoder_depths="2"))
    with pytest.raises(ValueError, match="^--dec-layers 1: this model supports 2$"):
        interface.set_depth(2, 1)
    assert [current_depth(member) for member in interface.models] == [(3, 2), (3, 2)]


def test_a_missing_checkpoint_is_named(tmp_path):
    here = tmp_path / "here.pt"
    here.touch()
    with pytest.raises(FileNotFoundError, match="not_here.pt: no such checkpoint$"):
        fairseq_flexdepth.load(f"{here}:{tmp_path / 'not_here.pt'}")


def test_models_without_depths_have_one_pair() -> None:
    assert common_pairs([tiny.plain_model()]) == [(3, 2)]
    assert common_pairs([tiny.lstm_model(encoder_layers=2, decoder_layers=2)]) == [(2, 2)]
