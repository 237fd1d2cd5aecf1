"""What the two stacks do differently, made alike."""

from argparse import Namespace
from typing import Any

import numpy
import pytest
import torch
from fairseq import models, tasks
from fairseq.data import data_utils
from fairseq.dataclass import FairseqDataclass
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fairseq_flexdepth import compat
from fairseq_flexdepth.models.transformer import FlexDepthTransformer
from fairseq_flexdepth.tasks.translation import FlexDepthTranslationTask
from tests import tiny


def test_a_checkpoint_with_a_namespace_loads_safely(tmp_path):
    torch.save({"args": Namespace(arch="transformer"), "model": torch.ones(2)}, tmp_path / "checkpoint.pt")
    assert torch.load(tmp_path / "checkpoint.pt")["args"].arch == "transformer"


def test_a_dictionary_in_the_state_of_a_task_loads_safely(tmp_path):
    torch.save({"task_state": {"target_dictionary": tiny.dictionary(9)}}, tmp_path / "checkpoint.pt")
    assert torch.load(tmp_path / "checkpoint.pt")["task_state"]["target_dictionary"] == tiny.dictionary(9)


class Unsafe:
    """What a checkpoint may not hold."""


@pytest.mark.skipif(not hasattr(torch.serialization, "add_safe_globals"), reason="no safe loader in this torch")
def test_the_safe_loader_stays_on(tmp_path):
    torch.save(Unsafe(), tmp_path / "checkpoint.pt")
    with pytest.raises(Exception, match="Weights only load failed"):
        torch.load(tmp_path / "checkpoint.pt")


class FastPathLayer(nn.Module):
    """An encoder layer as 0.12.2 makes it: a weight, and its copy for the fast path."""

    def __init__(self):
        super().__init__()
        self.can_use_fastpath = True
        self.fc1 = nn.Linear(2, 2)
        for name in compat.FAST_PATH_NAMES:
            setattr(self, name, nn.Parameter(torch.zeros(2)))


def test_copies_of_weights_are_no_parameters_but_keep_their_place_in_the_state():
    layer, plain = FastPathLayer(), FastPathLayer()
    compat.disable_encoder_fast_path([layer])
    assert not layer.can_use_fastpath
    assert [name for name, _ in layer.named_parameters()] == ["fc1.weight", "fc1.bias"]
    assert list(layer.state_dict()) == list(plain.state_dict())
    assert layer.double().in_proj_weight.dtype == torch.float64


def test_a_layer_without_copies_stays_as_it_is():
    layer = nn.Linear(2, 2)
    compat.disable_encoder_fast_path([layer])
    assert list(layer.state_dict()) == ["weight", "bias"]


def test_copies_in_a_checkpoint_are_dropped_where_the_layer_has_no_place_for_them():
    copies = {f"encoder.layers.0.{name}": torch.zeros(2) for name in compat.FAST_PATH_NAMES}
    state = {**copies, "encoder.layers.0.fc1.weight": torch.ones(2)}
    compat.drop_fast_path_keys(state, "encoder.layers.0", FastPathLayer())
    assert len(state) == len(copies) + 1
    compat.drop_fast_path_keys(state, "encoder.layers.0", nn.Linear(2, 2))
    assert list(state) == ["encoder.layers.0.fc1.weight"]


def test_without_autocast_there_is_no_type_to_cast_to():
    with compat.explicit_autocast() as half:
        assert half is None


def test_autocast_is_off_within_and_on_again_afterwards():
    # A machine without a GPU cannot enter torch.autocast("cuda"), only switch it on.
    before = torch.is_autocast_enabled()
    torch.set_autocast_enabled(True)
    try:
        with compat.explicit_autocast() as half:
            assert half in (torch.float16, torch.bfloat16)
            assert not torch.is_autocast_enabled()
        assert torch.is_autocast_enabled()
    finally:
        torch.set_autocast_enabled(before)


def registrations():
    return len(models.MODEL_REGISTRY), len(models.ARCH_MODEL_REGISTRY), len(tasks.TASK_REGISTRY)


def test_registering_again_returns_what_is_registered():
    class Other:
        pass

    before = registrations()
    for register, name, expected in (
        (compat.register_model, "tied_multi_transformer", FlexDepthTransformer),
        (compat.register_task, "translation_flexdepth", FlexDepthTranslationTask),
    ):
        assert register(name, FairseqDataclass)(Other) is expected
    assert compat.register_architecture("tied_multi_transformer", "tied_multi_transformer_tiny")(Other) is not Other
    assert compat.register_criterion("tied_multi_cross_entropy", FairseqDataclass)(Other) is not Other
    assert registrations() == before


@settings(derandomize=True, deadline=None, database=None)
@given(
    st.lists(st.integers(1, 20), max_size=40),
    st.integers(20, 100),
    st.sampled_from([None, 1, 3, 8]),
    st.sampled_from([1, 2, 8]),
    st.booleans(),
)
def test_batches_hold_every_sentence_once_and_no_more_than_is_allowed(sizes, tokens, sentences, multiple, listed):
    indices: Any = numpy.arange(100, 100 + len(sizes), dtype=numpy.int64)
    sizes_of = numpy.array([0] * 100 + sizes, dtype=numpy.int64)
    batches = data_utils.batch_by_size(
        list(indices) if listed else indices,
        lambda index: sizes_of[index],
        num_tokens_vec=sizes_of[100:],
        max_tokens=tokens,
        max_sentences=sentences,
        required_batch_size_multiple=multiple,
    )
    assert [index for batch in batches for index in batch] == list(indices)
    for batch in batches:
        assert len(batch) * max(sizes_of[index] for index in batch) <= tokens
        assert len(batch) <= (sentences or len(sizes))
