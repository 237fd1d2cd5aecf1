"""The depth space: which (encoder depth, decoder depth) pairs a model is trained for and can decode at."""

import logging
import random
import re
from typing import List, NamedTuple, Optional, Sequence, Tuple

logger = logging.getLogger(__name__)

DepthPair = Tuple[int, int]


def from_fastest(pairs: Sequence[DepthPair]) -> List[int]:
    """The positions of *pairs* from the fastest to the deepest: by decoder layers, then by encoder layers.

    Eq. 1 of tied_multi.
    """
    return sorted(range(len(pairs)), key=lambda position: (pairs[position][1], pairs[position][0]))


def written_pair(pair: DepthPair) -> str:
    """A pair as options take it: ``3-2``."""
    return f"{pair[0]}-{pair[1]}"


def parse_pairs(text: str, option: str) -> List[DepthPair]:
    """The pairs, in ascending order, that ``1-1,3-2`` writes down.

    Raises:
        ValueError: *text*, which *option* holds, is no such list.
    """
    found = [re.fullmatch(r"(\d+)-(\d+)", part.strip()) for part in text.split(",")]
    pairs = {(int(match.group(1)), int(match.group(2))) for match in found if match}
    if None in found:
        raise ValueError(f"{option} {text}: expected encoder and decoder depths such as 1-1,3-2")
    return sorted(pairs)


def parse_depths(text: str, layers: int, option: str) -> Tuple[int, ...]:
    """The depths, in ascending order, that an option such as ``--encoder-depths`` asks for.

    Args:
        text: ``all`` (1 to *layers*), ``divisors`` (those of *layers*: flexible_depth, Eq. 4) or a list ``1,2,6``.
        layers: the number of layers in the stack.
        option: the option's name, for error messages.

    Raises:
        ValueError: *text* is none of these, names no depth, or one that the stack does not have.
    """
    every = tuple(range(1, layers + 1))
    if text == "all":
        return every
    if text == "divisors":
        divisors = tuple(depth for depth in every if layers % depth == 0)
        if layers > 2 and len(divisors) == 2:
            logger.warning(f"{option} divisors: {layers} layers are a prime number, with the depths 1,{layers} alone")
        return divisors
    try:
        depths = sorted({int(part) for part in text.split(",")})
    except ValueError:
        raise ValueError(
            f"{option} {text}: expected all, divisors or depths separated by commas such as 1,2,{layers}"
        ) from None
    if depths[0] < 1 or depths[-1] > layers:
        raise ValueError(f"{option} {text}: depths must lie between 1 and {layers}, the number of layers")
    return tuple(depths)


def _choose(given: Optional[int], allowed: Sequence[int], option: str) -> int:
    if given is None:
        return allowed[-1]
    if given not in allowed:
        raise ValueError(f"{option} {given}: this model supports {','.join(map(str, allowed))}")
    return given


class DepthSpace(NamedTuple):
    """Every combination of these encoder depths and decoder depths, both in ascending order."""

    encoder: Tuple[int, ...]
    decoder: Tuple[int, ...]

    @property
    def pairs(self) -> List[DepthPair]:
        """All pairs, the decoder depth changing fastest."""
        return [(n, m) for n in self.encoder for m in self.decoder]

    @property
    def deepest(self) -> DepthPair:
        """The deepest encoder with the deepest decoder."""
        return self.encoder[-1], self.decoder[-1]

    def choose(self, encoder_depth: Optional[int], decoder_depth: Optional[int]) -> DepthPair:
        """The pair asked for; a depth left out is the deepest.

        Raises:
            ValueError: a depth is outside the space.
        """
        return (
            _choose(encoder_depth, self.encoder, "--enc-layers"),
            _choose(decoder_depth, self.decoder, "--dec-layers"),
        )

    def sample(self, encoder_count: int, decoder_count: int, seed: int, update: int) -> "DepthSpace":
        """The sub-space drawn for one update (flexible_depth §4.2, Table 5); a count of 0 keeps all depths.

        It depends on *seed* and *update* alone: every rank draws the same, and a resumed run repeats its draws.

        Raises:
            ValueError: more depths are asked for than there are, or fewer than 0.
        """
        generator = random.Random(f"depths of update {update} with seed {seed}")
        return DepthSpace(
            _draw(self.encoder, encoder_count, generator, "--sample-encoder-depths"),
            _draw(self.decoder, decoder_count, generator, "--sample-decoder-depths"),
        )


def _draw(depths: Tuple[int, ...], count: int, generator: random.Random, option: str) -> Tuple[int, ...]:
    if not 0 <= count <= len(depths):
        raise ValueError(f"{option} {count}: expected 0 (all) to {len(depths)}, the number of depths in the space")
    return tuple(sorted(generator.sample(depths, count))) if count else depths
