"""Tiny dictionaries, tasks, models and batches, all seeded, for the tests."""

from argparse import Namespace
from types import SimpleNamespace
from typing import Any, Dict, List, Optional, Sequence

import torch
from fairseq import models
from fairseq.data import Dictionary
from fairseq.models.lstm import LSTMModel
from fairseq.models.lstm import base_architecture as lstm_architecture
from fairseq.models.transformer import TransformerModel, base_architecture
from fairseq.sequence_generator import SequenceGenerator

import fairseq_flexdepth  # noqa: F401  (registers our architectures)
from fairseq_flexdepth.compat import FAST_PATH_NAMES
from fairseq_flexdepth.models.transformer import FlexDepthTransformer

NORMS: Dict[str, Dict[str, Any]] = {
    "Post-LN": {},
    "Pre-LN": {"encoder_normalize_before": True, "decoder_normalize_before": True},
}


def dictionary(size: int) -> Dictionary:
    """A dictionary of exactly *size* entries, fairseq's four special ones included."""
    words = Dictionary()
    for index in range(size - len(words)):
        words.add_symbol(f"word{index}")
    return words


def task(source_size: int = 17, target_size: int = 21, joined: bool = False) -> Any:
    """A stand-in for a translation task with the attributes that building a model needs."""
    source = dictionary(source_size)
    return SimpleNamespace(
        source_dictionary=source,
        target_dictionary=source if joined else dictionary(target_size),
        profiles_residuals=True,
        gives_loss_scale=True,
    )


def options(**changes: Any) -> Namespace:
    """The options of a tiny Transformer without dropout, with 3 encoder and 2 decoder layers."""
    tiny = {
        "encoder_embed_dim": 12,
        "encoder_ffn_embed_dim": 14,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_layers": 3,
        "decoder_layers": 2,
        "dropout": 0.0,
        "max_source_positions": 64,
        "max_target_positions": 64,
    }
    args = Namespace(**{**tiny, **changes})
    base_architecture(args)
    return args


def flexible_model(seed: int = 1, for_task: Optional[Any] = None, **changes: Any) -> FlexDepthTransformer:
    """A model of this package, built as fairseq builds it."""
    torch.manual_seed(seed)
    args = options(**changes)
    args.arch = "tied_multi_transformer"
    return models.build_model(args, for_task or task())


def plain_model(seed: int = 1, source_size: int = 17, target_size: int = 21, **changes: Any) -> TransformerModel:
    """fairseq's own ``transformer``."""
    torch.manual_seed(seed)
    model = TransformerModel.build_model(options(**changes), task(source_size, target_size))
    for layer in model.encoder.layers:  # 0.12.2's inference path differs in the last digits
        layer.can_use_fastpath = False
    return model


def lstm_model(seed: int = 1, **changes: Any) -> LSTMModel:
    """fairseq's own ``lstm``, without dropout."""
    torch.manual_seed(seed)
    sizes = {"encoder_embed_dim": 10, "decoder_embed_dim": 10, "decoder_out_embed_dim": 10, "dropout": 0.0}
    args = Namespace(criterion="", max_source_positions=64, max_target_positions=64, **{**sizes, **changes})
    lstm_architecture(args)
    return LSTMModel.build_model(args, task())


def stock_model(like: FlexDepthTransformer, encoder_layers: int, decoder_layers: int, **changes: Any) -> Any:
    """fairseq's own ``transformer`` of the given depth, with the weights of the first layers of *like*."""
    return stock_subnetwork(like, range(1, encoder_layers + 1), range(1, decoder_layers + 1), **changes)


def stock_subnetwork(
    like: FlexDepthTransformer, encoder_positions: Sequence[int], decoder_positions: Sequence[int], **changes: Any
) -> Any:
    """fairseq's own ``transformer`` that consists of these layers of *like*."""
    joined = task(len(like.encoder.dictionary), len(like.decoder.dictionary))
    args = options(**changes)
    if args.share_all_embeddings:
        joined = task(len(like.encoder.dictionary), joined=True)
    args.encoder_layers, args.decoder_layers = len(encoder_positions), len(decoder_positions)
    model = TransformerModel.build_model(args, joined)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(parameter_called(like, name_in_whole(name, encoder_positions, decoder_positions)))
    for layer in model.encoder.layers:  # 0.12.2's inference path differs in the last digits
        layer.can_use_fastpath = False
    return model


def name_in_whole(name: str, encoder_positions: Sequence[int], decoder_positions: Sequence[int]) -> str:
    """The name of a sub-network's parameter in the whole model."""
    side, layers, index, *rest = (name + "...").split(".")
    if layers not in ("layers", "transformer_layers"):  # fairseq's speech encoder has the latter
        return name
    positions = encoder_positions if side == "encoder" else decoder_positions
    return ".".join([side, layers, str(positions[int(index)] - 1), *rest]).rstrip(".")


def sample(
    source_lengths: List[int], target_lengths: List[int], source_size: int = 17, target_size: int = 21, seed: int = 3
) -> Dict[str, Any]:
    """A batch as fairseq's LanguagePairDataset makes it: source padded left, target right, with end symbols."""
    generator = torch.Generator().manual_seed(seed)
    pad, eos, first_word = 1, 2, 4
    source = torch.full((len(source_lengths), max(source_lengths)), pad)
    target = torch.full((len(target_lengths), max(target_lengths)), pad)
    previous = torch.full_like(target, pad)
    for row, (source_length, target_length) in enumerate(zip(source_lengths, target_lengths)):
        source[row, -source_length:] = torch.randint(first_word, source_size, (source_length,), generator=generator)
        source[row, -1] = eos
        words = torch.randint(first_word, target_size, (target_length,), generator=generator)
        words[-1] = eos
        target[row, :target_length] = words
        previous[row, :target_length] = torch.cat([words[-1:], words[:-1]])
    return {
        "id": torch.arange(len(source_lengths)),
        "net_input": {
            "src_tokens": source,
            "src_lengths": torch.tensor(source_lengths),
            "prev_output_tokens": previous,
        },
        "target": target,
        "ntokens": int(target.ne(pad).sum()),
        "nsentences": len(source_lengths),
    }


def generate(generating: Sequence[Any], batch: Dict[str, Any], beam: int, **changes: Any) -> List[List[Dict]]:
    """The hypotheses of fairseq's beam search, up to 9 words each, with one model or an ensemble."""
    generator = SequenceGenerator(
        list(generating), generating[0].decoder.dictionary, beam_size=beam, max_len_b=8, **changes
    )
    return generator.generate(list(generating), batch)


@torch.no_grad()
def step_by_step(model: Any, previous: torch.Tensor, encoder_out: Any, state: Dict[str, Any]) -> torch.Tensor:
    """The decoder's output for *previous*, computed word by word with its caches in *state*."""
    steps = [
        model.decoder(previous[:, : end + 1], encoder_out, incremental_state=state)[0]
        for end in range(previous.size(1))
    ]
    return torch.cat(steps, dim=1)


def parameter_called(model: Any, name: str) -> torch.nn.Parameter:
    """The parameter with this name: ``named_parameters`` lists a shared parameter under its first name only."""
    owner, _, leaf = name.rpartition(".")
    return getattr(model.get_submodule(owner), leaf)


def give_weights(source: Any, model: Any) -> Any:
    """Give *model* the weights of *source*, which may share layers, at the same positions."""
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(parameter_called(source, name))
    return model


def as_of_the_other_stack(state: Dict[str, Any], layers: str, count: int) -> Dict[str, Any]:
    """A checkpoint's *state* as the other stack writes it, with or without 0.12.2's copies in encoder *layers*."""
    names = [f"{layers}.{index}.{name}" for index in range(count) for name in FAST_PATH_NAMES]
    if names[0] in state:  # this stack has 0.12.2
        return {key: value for key, value in state.items() if key not in names}
    return {**state, **{name: torch.zeros(1) for name in names}}


def untied_copy(model: FlexDepthTransformer, **changes: Any) -> FlexDepthTransformer:
    """A model without shared layers; each layer has the weights that *model* uses at its position."""
    return give_weights(model, flexible_model(seed=9, **changes))


def gradients(model: torch.nn.Module) -> Dict[str, torch.Tensor]:
    """The gradient of every trained parameter; zeros if it has none."""
    trained = {name: p for name, p in model.named_parameters() if name.split(".")[-1] not in FAST_PATH_NAMES}
    return {name: torch.zeros_like(p) if p.grad is None else p.grad for name, p in trained.items()}


def assert_gradients(model: torch.nn.Module, expected: Dict[str, torch.Tensor]) -> None:
    """Check that every gradient of *model* is the *expected* one, up to rounding."""
    for name, gradient in gradients(model).items():
        scale = expected[name].abs().max().clamp(min=0.05)  # a key bias has gradient 0: only rounding is left
        assert torch.allclose(gradient / scale, expected[name] / scale, atol=2e-5), name


def assert_gradients_are_sums(shared: Any, untied: Any) -> None:
    """Check that every gradient of *shared* is the sum of those of *untied* at the positions that share it."""
    sums: Dict[int, torch.Tensor] = {}
    for name, parameter in untied.named_parameters():
        key = id(parameter_called(shared, name))
        sums[key] = sums.get(key, torch.zeros_like(parameter)) + parameter.grad
    for name, parameter in shared.named_parameters():
        expected = sums.pop(id(parameter))
        scale = expected.abs().max().clamp(min=0.02)  # a key bias has gradient 0: only rounding is left
        assert torch.allclose(parameter.grad / scale, expected / scale, atol=1e-5), name
    assert not sums
