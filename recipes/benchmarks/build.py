"""Models and batches for the benchmarks: sizes of fairseq's base ``transformer``, random weights, invented words."""

import argparse
from argparse import Namespace
from typing import Any, List

import torch
from fairseq import models
from fairseq.data import Dictionary
from fairseq.models.transformer import base_architecture
from fairseq.tasks.translation import TranslationTask

import fairseq_flexdepth
from fairseq_flexdepth.cli.fairseq_options import quiet
from fairseq_flexdepth.cli.training_model import build_training_model
from fairseq_flexdepth.protocols import EncoderDecoder, Sample
from fairseq_flexdepth.protocols import TranslationTask as TaskProtocol

PAD, EOS, FIRST_WORD = 1, 2, 4


def add_batch_options(parser: argparse.ArgumentParser, vocabulary: int) -> None:
    """Add the options of `batch`; *vocabulary* is the default of ``--vocabulary``."""
    parser.add_argument("--sentences", type=int, default=32, help="sentences per batch")
    parser.add_argument("--length", type=int, default=24, help="source and target tokens per sentence")
    parser.add_argument("--vocabulary", type=int, default=vocabulary)
    parser.add_argument("--seed", type=int, default=1)


def add_size_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of `batch` and `build_model`."""
    add_batch_options(parser, vocabulary=32_000)
    parser.add_argument("--layers", type=int, default=6, help="encoder layers, and decoder layers")
    parser.add_argument("--embed-dim", type=int, default=512)
    parser.add_argument("--ffn-dim", type=int, default=2048)
    parser.add_argument("--heads", type=int, default=8)
    parser.add_argument("--dropout", type=float, default=0.1, help="fairseq's default: 0.1")


def translation_task(vocabulary: int) -> TaskProtocol:
    """Return fairseq's own translation task (not our subclass), without data, for a *vocabulary* of this size."""
    words = Dictionary()
    for index in range(vocabulary - len(words)):
        words.add_symbol(f"w{index}")
    task = TranslationTask(Namespace(source_lang="a", target_lang="b", left_pad_source=True), words, words)
    return task


def build_model(
    task: TaskProtocol, arch: str, args: Namespace, encoder_layers: int, decoder_layers: int, **changes: Any
) -> Any:
    """Build a model as ``fairseq-train`` does.

    The options are those of fairseq's base model (Post-LN, separate embeddings) but for *args* and *changes*.
    """
    fairseq_flexdepth.register()
    options = Namespace(
        arch=arch,
        encoder_layers=encoder_layers,
        decoder_layers=decoder_layers,
        encoder_embed_dim=args.embed_dim,
        encoder_ffn_embed_dim=args.ffn_dim,
        encoder_attention_heads=args.heads,
        decoder_attention_heads=args.heads,
        dropout=args.dropout,
        **changes,
    )
    base_architecture(options)
    torch.manual_seed(args.seed)
    return models.build_model(options, task).to(args.device)


def training_model(options: List[str], args: Namespace) -> EncoderDecoder:
    """Build the model of a ``fairseq-train`` command line, in training mode."""
    torch.manual_seed(args.seed)
    with quiet():
        return build_training_model(options, args.vocabulary, args.vocabulary).to(args.device).train()


def batch(args: Namespace) -> Sample:
    """Return a batch without padding, in the form of fairseq's LanguagePairDataset."""
    generator = torch.Generator().manual_seed(args.seed)
    shape = (2, args.sentences, args.length)
    words = torch.randint(FIRST_WORD, args.vocabulary, shape, generator=generator)
    words[:, :, -1] = EOS
    source, target = words.to(args.device)  # each sentences × length
    return {
        "id": torch.arange(args.sentences),
        "net_input": {
            "src_tokens": source,
            "src_lengths": torch.full((args.sentences,), args.length, device=args.device),
            "prev_output_tokens": target.roll(1, dims=1),
        },
        "target": target,
        "ntokens": target.numel(),
        "nsentences": args.sentences,
    }
