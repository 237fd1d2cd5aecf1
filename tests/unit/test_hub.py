"""fairseq's hub interface with depths."""

from pathlib import Path
from types import SimpleNamespace

import pytest

import fairseq_flexdepth
from fairseq_flexdepth.decoding.hub import FlexDepthHubInterface
from fairseq_flexdepth.decoding.model_depth import current_depth
from fairseq_flexdepth.models.transformer import FlexDepthTransformer
from tests import tiny


@pytest.fixture
def model() -> FlexDepthTransformer:
    return tiny.flexible_model()


def hub(*models: FlexDepthTransformer) -> FlexDepthHubInterface:
    options = SimpleNamespace(generation=SimpleNamespace(replace_unk=None), tokenizer=None, bpe=None)
    task = tiny.task()
    task.max_positions = lambda: (64, 64)
    return FlexDepthHubInterface(options, task, models)


def test_the_depths_of_an_ensemble_are_those_of_all_its_models(model: FlexDepthTransformer) -> None:
    other = tiny.flexible_model(seed=2, encoder_layers=6, encoder_depths="divisors", decoder_depths="2")
    assert hub(model).depths == [(n, m) for n in (1, 2, 3) for m in (1, 2)]
    assert hub(model, other).depths == [(1, 2), (2, 2), (3, 2)]


def test_a_depth_is_set_in_all_models(model: FlexDepthTransformer) -> None:
    interface = hub(model, tiny.flexible_model(seed=2))
    interface.set_depth(2, 1)
    assert [current_depth(member) for member in interface.models] == [(2, 1), (2, 1)]
    interface.set_depth()
    assert [current_depth(member) for member in interface.models] == [(3, 2), (3, 2)]


def test_a_depth_that_one_model_lacks_changes_no_model(model: FlexDepthTransformer) -> None:
    interface = hub(model, tiny.flexible_model(seed=2, decoder_depths="2"))
    with pytest.raises(ValueError, match="^--dec-layers 1: this model supports 2$"):
        interface.set_depth(2, 1)
    assert [current_depth(member) for member in interface.models] == [(3, 2), (3, 2)]


def test_a_missing_checkpoint_is_named(tmp_path: Path) -> None:
    here = tmp_path / "here.pt"
    here.touch()
    with pytest.raises(FileNotFoundError, match="not_here.pt: no such checkpoint$"):
        fairseq_flexdepth.load(f"{here}:{tmp_path / 'not_here.pt'}")
