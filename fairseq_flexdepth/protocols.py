"""What this package needs of fairseq's objects, which are not typed: annotations say by these names what goes in."""

from typing import Any, Dict, Iterable, Iterator, List, Optional, Protocol, Sequence, Tuple

from torch import Tensor

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
    """A task of fairseq's with source and target words."""

    cfg: Any

    @property
    def source_dictionary(self) -> Symbols:
        """The words of the source."""

    @property
    def target_dictionary(self) -> Symbols:
        """The words of the target."""


class EncoderDecoder(Protocol):
    """An encoder-decoder of fairseq's."""

    encoder: Any
    decoder: Any
    training: bool

    def max_positions(self) -> Tuple[int, int]:
        """The longest source and target, in tokens."""

    def get_targets(self, sample: Sample, net_output: Any) -> Tensor:
        """The target words: batch × target length."""


class FlexibleModel(EncoderDecoder, Protocol):
    """A model of many depths of this package."""

    depth_space: Any  # a DepthSpace
    chosen_depth: Optional[Tuple[int, int]]  # the depth pair set by set_depth; None: the deepest
    strategy: str  # for which layers a depth runs, as in --subnetworks

    def parameters(self) -> Iterator[Tensor]:
        """The parameters, as torch's modules list them."""

    def set_depth(self, encoder_depth: Optional[int] = None, decoder_depth: Optional[int] = None) -> Tuple[int, int]:
        """Run this depth pair alone from now on."""

    def use_subnetworks(self, strategy: str) -> None:
        """Run the layers that *strategy* chooses."""

    def plans(self, depths: Any) -> Tuple[Any, Any]:
        """The depth plans of encoder and decoder."""


class Optimizer(Protocol):
    """An optimizer of fairseq's."""

    @property
    def params(self) -> Sequence[Tensor]:
        """The parameters that it steps on."""
