"""``fairseq-flexdepth params``: parameter counts of the model of a fairseq-train command line, without its data."""

import argparse
import json
from typing import TYPE_CHECKING, Dict, NamedTuple, Optional, Tuple

from fairseq_flexdepth.cli.fairseq_options import quiet
from fairseq_flexdepth.cli.training_model import SPECIAL_SYMBOLS, build_training_model

if TYPE_CHECKING:
    from torch import nn

NAME = "params"
HELP = "count the parameters of a fairseq-train command line; no data needed"

# Module names of embeddings and output projections in fairseq's Transformers, LSTMs and language models.
EMBEDDING_NAMES = frozenset(
    ("embed_tokens", "embed_positions", "output_projection", "fc_out", "embed_out", "adaptive_softmax")
)


class ParameterCounts(NamedTuple):
    """Numbers of parameters; a shared parameter counts once."""

    embeddings: int
    encoder: int
    decoder: int

    @property
    def total(self) -> int:
        """All parameters of the model."""
        return self.embeddings + self.encoder + self.decoder

    def as_dict(self) -> Dict[str, int]:
        """The object that ``--json`` prints; ``with_adam_moments`` adds the two moments of each parameter."""
        return {
            "total": self.total,
            "embeddings": self.embeddings,
            "encoder": self.encoder,
            "decoder": self.decoder,
            "with_adam_moments": 3 * self.total,
        }


def count_parameters(model: "nn.Module") -> ParameterCounts:
    """Count a model's parameters.

    Embeddings are the token embeddings, learned positions and the output projection. A parameter of both encoder and
    decoder counts for the encoder, a parameter of neither for the decoder.
    """
    from torch import nn

    from fairseq_flexdepth.models.trained_parameters import trained_parameters

    counts = {"embeddings": 0, "encoder": 0, "decoder": 0}
    for name, parameter, owner in trained_parameters(model):
        parts = name.split(".")
        if isinstance(owner, nn.Embedding) or not EMBEDDING_NAMES.isdisjoint(parts):
            side = "embeddings"
        else:
            side = "encoder" if parts[0] == "encoder" else "decoder"
        counts[side] += parameter.numel()
    return ParameterCounts(**counts)


def vocabulary_sizes(both: Optional[int], source: Optional[int], target: Optional[int]) -> Tuple[int, int]:
    """The sizes of the source and the target vocabulary.

    Args:
        both: ``--vocab-size``.
        source: ``--source-vocab-size``, which overrides it for the source.
        target: ``--target-vocab-size``, which overrides it for the target.

    Raises:
        ValueError: a size is missing or only large enough for the special symbols.
    """
    given = {"--vocab-size": both, "--source-vocab-size": source, "--target-vocab-size": target}
    for option, size in given.items():
        if size is not None and size <= SPECIAL_SYMBOLS:
            raise ValueError(f"{option} {size}: expected {SPECIAL_SYMBOLS + 1} or more, special symbols included")
    source = both if source is None else source
    target = both if target is None else target
    if source is None or target is None:
        raise ValueError("--vocab-size: required unless --source-vocab-size and --target-vocab-size are given")
    return source, target

EXAMPLES = (
    "fairseq-flexdepth params --vocab-size 32768 --arch tied_multi_transformer_wmt_en_de",
    "fairseq-flexdepth params --vocab-size 32768 --arch cycle_shared_transformer --share-all-embeddings",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options of the sub-command."""
    parser.usage = "%(prog)s --vocab-size V [fairseq-train options] [--json]"
    parser.epilog = (
        "A size includes fairseq's 4 special symbols. --user-dir fairseq_flexdepth is implied and DATA may "
        "be left out; all other options are options of fairseq-train."
    )
    parser.add_argument(
        "--vocab-size", type=int, metavar="V", help="number of symbols in the source and in the target vocabulary"
    )
    parser.add_argument("--source-vocab-size", type=int, metavar="S", help="number of symbols in the source vocabulary")
    parser.add_argument("--target-vocab-size", type=int, metavar="T", help="number of symbols in the target vocabulary")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(fairseq_options=[])


def table(counts: ParameterCounts) -> str:
    """A text table: each count exactly, and in millions."""
    rows = counts.as_dict()
    label_width = max(len(label) for label in rows)
    number_width = max(len(f"{number:,}") for number in rows.values())
    return "\n".join(
        f"{label.replace('_', ' '):<{label_width}}  {number:>{number_width},}  {number / 1e6:>7.1f}M"
        for label, number in rows.items()
    )


def run(args: argparse.Namespace) -> int:
    """Print the parameter counts.

    Raises:
        ValueError: fairseq refuses the options, or a vocabulary size is missing.
    """
    source, target = vocabulary_sizes(args.vocab_size, args.source_vocab_size, args.target_vocab_size)
    with quiet():
        counts = count_parameters(build_training_model(args.fairseq_options, source, target))
    print(json.dumps(counts.as_dict()) if args.json else table(counts))
    return 0
