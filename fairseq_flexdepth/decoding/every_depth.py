"""A batch translated at every depth pair, with the encoder run once for all of its depths."""

import contextlib
import time
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import torch
from torch import Tensor

from fairseq_flexdepth.decoding.depth import common_pairs
from fairseq_flexdepth.decoding.split import Sample, Split
from fairseq_flexdepth.depth.space import DepthPair, DepthSpace

EncoderOut = Dict[str, List[Tensor]]


class Decoded(NamedTuple):
    """A batch at one depth pair."""

    texts: Dict[int, str]  # the best translation of each sentence, by its number
    seconds: float  # the pair's share of the encoder's run, and beam search


@dataclass
class _Ensemble:
    models: List[Any]
    pairs: List[DepthPair]
    generator: Any


class EveryDepth:
    """Translates batches of *split* at all depth pairs that its ensembles have.

    Args:
        split: the data and the models: one ensemble of several depths, or one for each pair.

    Raises:
        ValueError: two ensembles have the same pair, or fairseq refuses the options.
    """

    def __init__(self, split: Split) -> None:
        self.split = split
        self.ensembles = [
            _Ensemble(models, common_pairs(models), split.build_generator(models)) for models in split.ensembles
        ]
        paths: Dict[DepthPair, str] = {}
        for ensemble, path in zip(self.ensembles, split.paths):
            for pair in ensemble.pairs:
                if pair in paths:
                    raise ValueError(f"--path {path}: decodes at {pair}, which {paths[pair]} does already")
                paths[pair] = path
        self.pairs = sorted(paths)
        self._warm = False

    def decode(self, number: int, batch: Sequence[int]) -> Dict[DepthPair, Decoded]:
        """The sentences *batch*, which is number *number*, at every pair."""
        if not self._warm:  # the first batch of a process is slow, whatever its depth
            self._warm = True
            self.decode(number, batch[:1])
        sample = self.split.sample(batch)
        results: Dict[DepthPair, Decoded] = {}
        for ensemble in self.ensembles:
            results.update(self._decode(ensemble, number, sample))
        return results

    def _decode(self, ensemble: _Ensemble, number: int, sample: Sample) -> Dict[DepthPair, Decoded]:
        encoded, seconds = self._encode(ensemble, sample)
        results = {}
        for pair in ensemble.pairs:
            for model in ensemble.models:
                if hasattr(model, "set_depth"):
                    model.set_depth(*pair)
            self.split.seed_batch(number)
            start = self._now()
            with _given_encoder_outs(ensemble.generator, encoded.get(pair[0])):
                found = self.split.search(ensemble.generator, sample, ensemble.models)
            strip = ensemble.generator.symbols_to_strip_from_output
            searched = self._now() - start
            texts = {
                index: self.split.target_text(hypotheses[0]["tokens"].tolist(), strip)
                for index, hypotheses in zip(sample["id"].tolist(), found)
            }
            results[pair] = Decoded(texts, searched + seconds.get(pair[0], 0.0))
        return results

    @torch.no_grad()
    def _encode(
        self, ensemble: _Ensemble, sample: Sample
    ) -> Tuple[Dict[int, List[EncoderOut]], Dict[int, float]]:
        """Every model's output at each encoder depth and what it cost; nothing where there is but one pair."""
        if len(ensemble.pairs) == 1:
            return {}, {}
        depths = sorted({n for n, _ in ensemble.pairs})
        decoder_depths = sorted({m for _, m in ensemble.pairs})
        net_input = sample["net_input"]
        encoded: Dict[int, List[EncoderOut]] = {depth: [] for depth in depths}
        seconds = dict.fromkeys(depths, 0.0)
        for model in ensemble.models:
            plan, _ = model.plans(DepthSpace(tuple(depths), tuple(decoder_depths)))
            start = self._now()
            stacked = model.encoder.forward_exits(plan, net_input["src_tokens"], net_input["src_lengths"])
            taken = self._now() - start
            for index, (depth, run) in enumerate(zip(depths, plan.exits)):
                encoded[depth].append(_exit(stacked, index, len(depths)))
                seconds[depth] += taken * len(plan.path(run)) / len(plan.runs)
        return encoded, seconds

    def _now(self) -> float:
        if self.split.use_cuda:
            torch.cuda.synchronize()
        return time.perf_counter()


def _exit(stacked: EncoderOut, index: int, exits: int) -> EncoderOut:
    """One of the outputs stacked on the batch axis, in the form of fairseq's ``encoder_out``."""
    outputs = stacked["encoder_out"][0].chunk(exits, dim=1)  # source length × batch × channels each
    return {
        "encoder_out": [outputs[index]],
        "encoder_padding_mask": [mask.chunk(exits)[index] for mask in stacked["encoder_padding_mask"]],
        "encoder_embedding": [],
        "encoder_states": [],
        "src_tokens": [],
        "src_lengths": [],
    }


@contextlib.contextmanager
def _given_encoder_outs(generator: Any, encoder_outs: Any) -> Iterator[None]:
    """Let fairseq's *generator* use these outputs of its models' encoders; ``None`` lets it run them."""
    if encoder_outs is None:
        yield
        return
    generator.model.forward_encoder = lambda net_input: encoder_outs
    try:
        yield
    finally:
        del generator.model.forward_encoder
