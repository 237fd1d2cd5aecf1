"""An engine decodes whole splits: fairseq's beam search, or CTranslate2's.

``sweep`` and ``oracle`` decode by an :class:`Engine`, ``distill`` by a :class:`Teacher`. ``every_depth.py`` and
``distill.py`` have fairseq's, ``ctranslate2_engine.py`` has CTranslate2's.
"""

from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Protocol, Sequence, Set, Tuple

from fairseq_flexdepth.corpus.hypothesis_filter import Target
from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.decoding.model_depth import common_pairs
from fairseq_flexdepth.depth.supported_depths import DepthPair, written_pair
from fairseq_flexdepth.protocols import Sample


class ModelDepth(NamedTuple):
    """One way to decode a batch: a model at one of its depth pairs, with or without drafts, in one type of weights."""

    model: int  # position of its --path
    pair: DepthPair
    draft: Optional[int] = None  # the decoder depth that drafts, 0 for no drafts; None where no rows have drafts
    quantization: Optional[str] = None  # CTranslate2's type of the weights; None with fairseq


class Decoded(NamedTuple):
    """A batch, decoded in one way."""

    texts: Dict[int, str]  # the best translation of each sentence, by sentence number
    seconds: float  # of the search; with fairseq's, and the depth pair's share of the encoder's run


class Engine(Protocol):
    """Decodes batches in every way that is asked for."""

    model_depths: List[ModelDepth]  # the ways; those of the first model come first

    def each(self, number: int, batch: Sequence[int]) -> Iterator[Tuple[ModelDepth, Decoded]]:
        """Decode one batch in every way, in any order.

        Args:
            number: the batch's number, which seeds sampling.
            batch: its sentence numbers.
        """


class Teacher(Protocol):
    """Translates batches for distillation."""

    strip: Set[int]  # symbols that are no part of a translation's text

    def translate(self, number: int, batch: Sequence[int]) -> Dict[int, List[Target]]:
        """Translate one batch; return the hypotheses of each sentence, the best first, by sentence number.

        Args:
            number: the batch's number, which seeds sampling.
            batch: its sentence numbers.
        """


def chosen_pairs(split: Split, depths: Optional[Sequence[DepthPair]], compare: bool) -> List[List[DepthPair]]:
    """The depth pairs to decode at, for each ensemble of *split*.

    Args:
        split: the models.
        depths: the depth pairs that are asked for; ``None`` for all that the ensembles support.
        compare: whether several ensembles may have the same depth pair.

    Raises:
        ValueError: two ensembles have the same depth pair and *compare* is false, an ensemble supports none of
            *depths*, or a depth pair in *depths* is supported by no ensemble.
    """
    pairs = [common_pairs(models) for models in split.ensembles]
    if depths is not None:
        pairs = supported_only(depths, pairs, split.paths)
    if not compare:
        _check_distinct(pairs, split.paths)
    return pairs


def supported_only(
    depths: Sequence[DepthPair], pairs: Sequence[Sequence[DepthPair]], paths: Sequence[str]
) -> List[List[DepthPair]]:
    """The depth pairs among *depths*, per ensemble; *pairs* and *paths* have one element per ensemble."""
    asked = ", ".join(map(written_pair, depths))
    for depth in depths:
        if not any(depth in found for found in pairs):
            supported = ", ".join(map(written_pair, sorted({pair for found in pairs for pair in found})))
            raise ValueError(f"--depths {written_pair(depth)}: {', '.join(paths)} supports {supported}")
    chosen = [[pair for pair in found if pair in depths] for found in pairs]
    for path, kept, found in zip(paths, chosen, pairs):
        if not kept:
            raise ValueError(f"--depths {asked}: {path} supports {', '.join(map(written_pair, found))} only")
    return chosen


def _check_distinct(pairs: Sequence[Sequence[DepthPair]], paths: Sequence[str]) -> None:
    owners: Dict[DepthPair, str] = {}
    for path, found in zip(paths, pairs):
        for pair in found:
            if pair in owners:
                raise ValueError(
                    f"--path {path}: decodes at {written_pair(pair)}, which {owners[pair]} does already; expected "
                    "models of different depths"
                )
            owners[pair] = path


def length_limit(generator: Any, sample: Sample) -> int:
    """The tokens after which fairseq's beam search must write the end symbol, computed as in its *generator*.

    The limit of ``--match-source-len``, which fairseq computes in another way, is not known here.
    """
    width = sample["net_input"]["src_tokens"].size(1)
    return min(int(generator.max_len_a * width + generator.max_len_b), generator.max_len - 1)
