"""The depth space: all depth pairs (encoder depth n, decoder depth m) that a model is trained for and can decode at.

A language model has no encoder: the encoder depth of all its pairs is 0.
"""

import logging
import random
import re
from typing import List, NamedTuple, Optional, Sequence, Tuple

logger = logging.getLogger(__name__)

DepthPair = Tuple[int, int]

NO_ENCODER = (0,)  # the encoder depths of a model that has a decoder only
DEPTH_SUFFIX = r"(?:e(\d+))?d(\d+)"  # a pattern of what depth_suffix writes, with a group per depth


def from_fastest(pairs: Sequence[DepthPair]) -> List[int]:
    """Indices of *pairs* from the fastest to the slowest: by decoder layers, then by encoder layers.

    This is the order of [dabre2020] Eq. 1.
    """
    return sorted(range(len(pairs)), key=lambda position: (pairs[position][1], pairs[position][0]))


def written_pair(pair: DepthPair) -> str:
    """A depth pair in the form that options take, such as ``3-2``; without an encoder the decoder depth alone."""
    return f"{pair[0]}-{pair[1]}" if pair[0] else str(pair[1])


def depth_suffix(pair: DepthPair) -> str:
    """A depth pair in the names of logged values: ``e<n>d<m>``, without encoder ``d<m>``."""
    return f"e{pair[0]}d{pair[1]}" if pair[0] else f"d{pair[1]}"


def parse_pairs(text: str, option: str) -> List[DepthPair]:
    """Parse a list of depth pairs such as ``1-1,3-2``.

    Args:
        text: the list.
        option: option name for error messages.

    Returns:
        The pairs in ascending order, each once.

    Raises:
        ValueError: *text* is not a list of depth pairs.
    """
    found = [re.fullmatch(r"([1-9]\d*)-([1-9]\d*)", part.strip()) for part in text.split(",")]
    pairs = {(int(match.group(1)), int(match.group(2))) for match in found if match}
    if None in found:
        raise ValueError(f"{option} {text}: expected encoder and decoder depths such as 1-1,3-2")
    return sorted(pairs)


def parse_decoder_depths(text: str, option: str) -> List[DepthPair]:
    """Parse a list of decoder depths of a language model such as ``1,3``, as :func:`parse_pairs` does.

    Raises:
        ValueError: *text* is not a list of depths.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise ValueError(f"{option} {text}: expected decoder depths of a language model such as 1,3")
    return [(NO_ENCODER[0], depth) for depth in sorted(set(map(int, parts)))]


def parse_depths(text: str, layers: int, option: str) -> Tuple[int, ...]:
    """Parse the depths of an option such as ``--encoder-depths``.

    Args:
        text: ``all`` (1 to *layers*), ``divisors`` (of *layers*: [wang2020] Eq. 4) or a list such as ``1,2,6``.
        layers: the number of layers in the stack.
        option: option name for error messages.

    Returns:
        The depths in ascending order, each once.

    Raises:
        ValueError: *text* has none of these forms, or a depth lies outside 1 to *layers*.
    """
    every = tuple(range(1, layers + 1))
    if text == "all":
        return every
    if text == "divisors":
        divisors = tuple(depth for depth in every if layers % depth == 0)
        if layers > 2 and len(divisors) == 2:
            logger.warning(f"{option} divisors: {layers} is a prime number, so the only depths are 1,{layers}")
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
    """The depth that *option* gives, or the deepest if it gives none."""
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
        """All depth pairs; the decoder depth changes fastest."""
        return [(n, m) for n in self.encoder for m in self.decoder]

    @property
    def deepest(self) -> DepthPair:
        """The pair of the deepest encoder and the deepest decoder."""
        return self.encoder[-1], self.decoder[-1]

    def choose(self, encoder_depth: Optional[int], decoder_depth: Optional[int]) -> DepthPair:
        """Check the depths of ``--enc-layers`` and ``--dec-layers``; ``None`` stands for the deepest.

        Raises:
            ValueError: a depth is outside the space, or the model has no encoder, and *encoder_depth* is given.
        """
        if self.encoder == NO_ENCODER and encoder_depth:
            raise ValueError(f"--enc-layers {encoder_depth}: a language model has no encoder; give --dec-layers alone")
        return (
            _choose(encoder_depth, self.encoder, "--enc-layers"),
            _choose(decoder_depth, self.decoder, "--dec-layers"),
        )

    def sample(
        self, encoder_count: int, decoder_count: int, seed: int, update: int, sandwich: bool = False
    ) -> "DepthSpace":
        """Sample the depths of one update ([wang2020] §4.2, Table 5).

        They depend on *seed* and *update* alone: every rank samples the same depths, and so does a resumed run.

        Args:
            encoder_count: the number of encoder depths; 0 keeps all.
            decoder_count: the number of decoder depths; 0 keeps all.
            seed: fairseq's ``--seed``.
            update: the number of the update.
            sandwich: always sample the shallowest and the deepest depth of a side, the sandwich rule of Yu and Huang
                (2019, "Universally slimmable networks and improved training techniques", §3.2).

        Raises:
            ValueError: a count is negative, or above the number of depths in the space, or 1 with *sandwich*, or the
                model has no encoder, and an *encoder_count* is given.
        """
        if self.encoder == NO_ENCODER and encoder_count:
            raise ValueError(
                f"--sample-encoder-depths {encoder_count}: a language model has no encoder; leave the option out"
            )
        generator = random.Random(f"depths of update {update} with seed {seed}")
        return DepthSpace(
            _draw(self.encoder, encoder_count, generator, "--sample-encoder-depths", sandwich),
            _draw(self.decoder, decoder_count, generator, "--sample-decoder-depths", sandwich),
        )


def _draw(
    depths: Tuple[int, ...], count: int, generator: random.Random, option: str, sandwich: bool
) -> Tuple[int, ...]:
    """Sample *count* of the depths without replacement, with the first and the last if *sandwich*; 0 keeps all."""
    if not 0 <= count <= len(depths):
        raise ValueError(f"{option} {count}: expected 0 (all) to {len(depths)}, the number of depths in the space")
    if count == 0:
        return depths
    if not sandwich or count == len(depths):
        return tuple(sorted(generator.sample(depths, count)))
    if count == 1:
        raise ValueError(f"{option} 1: expected 0 (all), or 2 or more with --sandwich-rule")
    return (depths[0], *sorted(generator.sample(depths[1:-1], count - 2)), depths[-1])
