"""Types of fairseq's objects for annotations, since fairseq itself is untyped.

A Protocol lists exactly the attributes and methods that this package uses of an object. Any object with these can take
its place, for example in a test. Where an argument is only passed on to fairseq, annotate it with fairseq's class.
"""

from argparse import Namespace
from typing import TYPE_CHECKING, Any, Dict, Iterable, Iterator, List, Optional, Protocol, Sequence, Tuple, Union

from torch import Tensor, nn

if TYPE_CHECKING:
    from omegaconf import DictConfig

# The options of a task, model or criterion: a Namespace if given as legacy arguments, else hydra's configuration.
Options = Union[Namespace, "DictConfig"]
# A batch as fairseq's collater makes it: ``id``, ``net_input``, ``target``, ``ntokens``, ``nsentences``.
Sample = Dict[str, Any]
# The hypotheses of one sentence as fairseq's beam search returns them, the best first: ``tokens``, ``score``, ...
Hypotheses = List[Dict[str, Any]]


class Symbols(Protocol):
    """fairseq's ``Dictionary``: words by number."""

    symbols: List[str]

    def __len__(self) -> int: ...

    def pad(self) -> int:
        """The number of the padding symbol."""

    def eos(self) -> int:
        """The number of the end symbol."""

    def unk(self) -> int:
        """The number of the unknown word."""


class SentencePairs(Protocol):
    """fairseq's ``LanguagePairDataset``: source sentences by number and, where the split has them, their targets."""

    src: Sequence[Tensor]
    src_sizes: Any  # an array: tokens of each source, its end symbol included
    tgt: Any  # as src; None where the split has no targets
    supports_prefetch: bool

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Dict[str, Any]: ...

    def prefetch(self, indices: Iterable[int]) -> None:
        """Read these sentences into memory."""

    def collater(self, samples: List[Dict[str, Any]]) -> Sample:
        """A batch of these sentences."""


class TranslationTask(Protocol):
    """A task of fairseq with source and target words."""

    cfg: Any

    @property
    def source_dictionary(self) -> Symbols:
        """The words of the source."""

    @property
    def target_dictionary(self) -> Symbols:
        """The words of the target."""


class EncoderDecoder(Protocol):
    """An encoder-decoder model of fairseq."""

    encoder: Any
    decoder: Any
    training: bool

    def max_positions(self) -> Tuple[int, int]:
        """The longest source and target, in tokens."""

    def get_targets(self, sample: Sample, net_output: Any) -> Tensor:
        """The target words: batch × target length."""


class FlexibleModel(EncoderDecoder, Protocol):
    """A model of this package, which runs at many depths."""

    depth_space: Any  # a DepthSpace
    chosen_depth: Optional[Tuple[int, int]]  # the depth pair set by set_depth; None: the deepest
    strategy: str  # for which layers a depth runs, as in --subnetworks

    def parameters(self) -> Iterator[Tensor]:
        """The parameters, as torch's modules list them."""

    def set_depth(self, encoder_depth: Optional[int] = None, decoder_depth: Optional[int] = None) -> Tuple[int, int]:
        """Run only this depth pair from now on, and return it; the default of each depth is the deepest."""

    def use_subnetworks(self, strategy: str) -> None:
        """Run the layers that *strategy* chooses for each depth."""

    def plans(self, depths: Any) -> Tuple[Any, Any]:
        """The depth plans of encoder and decoder for the depth space *depths*."""


class Optimizer(Protocol):
    """An optimizer of fairseq."""

    @property
    def params(self) -> Sequence[Tensor]:
        """The parameters that it updates."""


class TrainedModel(FlexibleModel, Protocol):
    """A model of this package as its criterions see it."""

    cfg: Any
    num_updates: int
    loss_scale: float  # the factor by which the optimizer will multiply the loss
    chosen_depth: Optional[Tuple[int, int]]  # the depth pair set by set_depth; None: all pairs are trained

    def parameters(self) -> Iterator[nn.Parameter]:
        """The parameters, each once."""

    def __call__(self, **arguments: Any) -> Any:
        """The losses of many depth pairs, or fairseq's output."""
