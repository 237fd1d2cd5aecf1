"""The depth selector: class token, padding, choices, embeddings, and what its checkpoint must fit."""

from argparse import Namespace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Dict, List, Optional

import pytest
import torch
from fairseq import models

from fairseq_flexdepth.decoding.selector_checkpoint import load_selector
from fairseq_flexdepth.models.depth_selector import DepthSelector, translation_embeddings
from tests import tiny
from tests.labels import PAIRS, WORDS, labels_of, sentences, write_checkpoint


def selector(seed: int = 1, pairs: Optional[List[Any]] = None, words: int = WORDS, **changes: Any) -> DepthSelector:
    """A tiny one, built the way fairseq builds it, in evaluation mode."""
    torch.manual_seed(seed)
    labels = labels_of(sentences(3, seed=1))
    if pairs is not None:
        labels = SimpleNamespace(pairs=pairs, relative_seconds=torch.ones(len(pairs)).numpy())  # type: ignore
    sizes = {
        "encoder_embed_dim": 12, "encoder_ffn_embed_dim": 14, "encoder_attention_heads": 2, "encoder_layers": 2,
        "dropout": 0.0, "max_source_positions": 10,
    }  # fmt: skip
    cfg = Namespace(arch="depth_selector", **{**sizes, **changes})
    return models.build_model(cfg, SimpleNamespace(source_dictionary=tiny.dictionary(words), labels=labels)).eval()


VARIANTS: Dict[str, Dict[str, Any]] = {
    "Post-LN": {},
    "Pre-LN": {"encoder_normalize_before": True},
    "learned positions": {"encoder_learned_pos": True},
}


@pytest.mark.parametrize("changes", list(VARIANTS.values()), ids=list(VARIANTS))
def test_padding_on_either_side_changes_nothing(changes: Dict[str, Any]) -> None:
    model = selector(**changes)
    alone = torch.tensor([[5, 6, 7, 2], [8, 9, 10, 2]])
    left = torch.tensor([[1, 1, 5, 6, 7, 2], [1, 1, 8, 9, 10, 2], [4, 5, 6, 7, 8, 2]])
    right = torch.tensor([[5, 6, 7, 2, 1, 1], [8, 9, 10, 2, 1, 1], [4, 5, 6, 7, 8, 2]])
    expected = model(alone, torch.tensor([4, 4]))
    assert expected.shape == (2, len(PAIRS))
    assert not torch.allclose(expected[0], expected[1], atol=1e-3)
    for padded in (left, right):
        assert torch.allclose(model(padded)[:2], expected, atol=1e-5)
    assert torch.equal(model(left), model(right))


def test_the_class_token_follows_each_sentence_and_is_what_is_classified() -> None:
    model, seen = selector(), []
    model.encoder.embed_tokens.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    states = []
    model.encoder.layers[-1].register_forward_hook(lambda module, inputs, output: states.append(output))
    logits = model(torch.tensor([[5, 6, 2, 1], [5, 6, 7, 2]]))
    assert seen[0].tolist() == [[1, 5, 6, 2, WORDS], [5, 6, 7, 2, WORDS]]
    assert torch.equal(logits, model.output(states[0][-1]))  # states: length × batch × width
    assert model.encoder.embed_tokens.weight.size(0) == WORDS + 1


@pytest.mark.parametrize("changes", list(VARIANTS.values()), ids=list(VARIANTS))
def test_the_longest_sentence_fits(changes: Dict[str, Any]) -> None:
    model = selector(**changes)
    assert model.max_positions() == 10
    assert torch.isfinite(model(torch.tensor([[5] * 9 + [2]]))).all()


def test_reduced_precision_keeps_what_identifies_the_selector() -> None:
    model, tokens = selector(), torch.tensor([[1, 5, 6, 2], [5, 6, 7, 2]])
    expected = model.probabilities(model(tokens))
    reduced = selector().to(torch.bfloat16)
    assert torch.allclose(reduced.probabilities(reduced(tokens)), expected, atol=0.03)
    assert reduced.depth_pairs.dtype == reduced.dictionary_checksum.dtype == torch.int64


def test_every_parameter_is_trained() -> None:
    model = selector().train()
    model(torch.tensor([[5, 6, 7, 2]])).square().sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    assert model.encoder.embed_tokens.weight.grad[WORDS].abs().max() > 0


def test_the_choice_is_the_highest_output_or_the_deepest_pair() -> None:
    model = selector(pairs=[(2, 2), (1, 1), (2, 1), (1, 2)])
    assert model.deepest == 0
    outputs = torch.tensor([[0.1, 0.2, 0.6, 0.5], [0.1, 0.2, 0.49, 0.3], [0.2, 0.5, 0.5, 0.1]])
    assert model.choose(outputs, 0.5).tolist() == [2, 0, 1]
    assert model.choose(outputs, 0.0).tolist() == [2, 2, 1]
    assert model.choose(outputs, 1.0).tolist() == [0, 0, 0]


def test_outputs_are_sigmoids_or_a_softmax() -> None:
    model, logits = selector(), torch.tensor([[1.0, -2.0, 0.5, 3.0]])
    assert torch.allclose(model.probabilities(logits.half()), torch.sigmoid(logits), atol=1e-3)
    model.exclusive = True
    assert model.probabilities(logits).sum().item() == pytest.approx(1)
    assert model.probabilities(logits.half()).dtype == torch.float32


def test_embeddings_of_words_are_copied_and_the_class_token_s_stays() -> None:
    model = selector()
    own = model.encoder.embed_tokens.weight[WORDS].clone()
    given = torch.randn(WORDS, 12)
    model.initialise_embeddings(given)
    assert torch.equal(model.encoder.embed_tokens.weight[:WORDS], given)
    assert torch.equal(model.encoder.embed_tokens.weight[WORDS], own)


def test_initial_embeddings_are_those_of_the_translation_model(tmp_path: Path) -> None:
    translation = tiny.flexible_model()
    path = write_checkpoint(tmp_path / "a.pt", translation, "tied_multi_transformer")
    found = translation_embeddings(path, tiny.dictionary(WORDS))
    assert torch.equal(found, translation.encoder.embed_tokens.weight)


def test_initial_embeddings_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    words = tiny.dictionary(WORDS)
    with pytest.raises(ValueError, match=r"^--init-embeddings-from nowhere.pt: no such file$"):
        translation_embeddings("nowhere.pt", words)
    (tmp_path / "text.pt").write_text("no checkpoint")
    with pytest.raises(ValueError, match=r"text.pt: cannot be read as a fairseq checkpoint"):
        translation_embeddings(str(tmp_path / "text.pt"), words)
    with pytest.raises(ValueError, match=r"b.pt: has no encoder.embed_tokens.weight; expected a checkpoint of --task"):
        translation_embeddings(write_checkpoint(tmp_path / "b.pt", torch.nn.Linear(1, 1), "x"), words)
    path = write_checkpoint(tmp_path / "c.pt", tiny.flexible_model(), "tied_multi_transformer")
    with pytest.raises(ValueError, match=r"c.pt: has embeddings of 17 words, DATA's dictionary 18; expected"):
        translation_embeddings(path, tiny.dictionary(18))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoder_attention_heads": 5}, "--encoder-attention-heads 5: expected a divisor of the width, 12"),
        ({"encoder_attention_heads": 0}, "--encoder-attention-heads 0: expected a number of at least 1"),
        ({"encoder_ffn_embed_dim": 0}, "--encoder-ffn-embed-dim 0: expected a number of at least 1"),
        ({"encoder_layers": 0}, "--encoder-layers 0: expected a number of at least 1"),
    ],
)
def test_sizes_that_make_no_transformer_are_refused(changes: Dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        selector(**changes)


def test_a_task_without_labels_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^--arch depth_selector: expected --task depth_selection, given Simple"):
        DepthSelector.build_model(Namespace(), tiny.task())


def test_checkpoints_of_either_stack_load() -> None:
    model, other = selector(1), selector(2)
    tokens = torch.tensor([[5, 6, 7, 2]])
    state = {name: value.clone() for name, value in model.state_dict().items()}
    other.load_state_dict(tiny.as_of_the_other_stack(state, "encoder.layers", 2))
    assert torch.equal(other(tokens), model(tokens))


def test_loading_keeps_the_times_of_the_labels_at_hand() -> None:
    model, other = selector(1), selector(2)
    other.relative_seconds.fill_(0.5)
    other.load_state_dict(model.state_dict())
    assert other.relative_seconds.tolist() == [0.5] * 4


def test_a_checkpoint_that_does_not_fit_is_refused() -> None:
    state = selector().state_dict()
    with pytest.raises(ValueError, match=r"trained for the depth pairs \[\(1, 1\), .*\]; these labels are for \[\(2"):
        selector(pairs=[(2, 2), (1, 1), (1, 2), (2, 1)]).load_state_dict(state)
    with pytest.raises(ValueError, match=r"^the selector was trained with a source dictionary that differs from the"):
        selector(words=18).load_state_dict(state)
    with pytest.raises(ValueError, match=r"^--encoder-embed-dim 16: the checkpoint was trained with 12$"):
        selector(encoder_embed_dim=16).load_state_dict(state)
    other = "--arch depth_selector: the checkpoint was trained with another architecture"
    with pytest.raises(ValueError, match=f"^{other}$"):
        selector().load_state_dict(tiny.flexible_model().state_dict())


def test_what_is_no_selector_for_the_data_is_refused(tmp_path: Path) -> None:
    words = tiny.dictionary(WORDS)
    with pytest.raises(ValueError, match=r"^--depth-selector nowhere.pt: no such file$"):
        load_selector("nowhere.pt", words)
    (tmp_path / "text.pt").write_text("no checkpoint")
    with pytest.raises(ValueError, match=r"text.pt: cannot be read as a fairseq checkpoint"):
        load_selector(str(tmp_path / "text.pt"), words)
    path = write_checkpoint(tmp_path / "a.pt", tiny.flexible_model(), "tied_multi_transformer")
    with pytest.raises(ValueError, match=r"a.pt: expected a checkpoint of --arch depth_selector, given a tied_multi_t"):
        load_selector(path, words)
    path = write_checkpoint(tmp_path / "b.pt", selector(), "depth_selector")
    with pytest.raises(ValueError, match=r"b.pt: was trained with a source dictionary that differs from DATA"):
        load_selector(path, tiny.dictionary(18))
