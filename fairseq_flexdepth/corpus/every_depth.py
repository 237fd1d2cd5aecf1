"""Translate a batch at every depth pair, with one run of the encoder for all encoder depths."""

import contextlib
from dataclasses import dataclass
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import torch
from torch import Tensor

from fairseq_flexdepth.corpus.engine import Decoded, ModelDepth, chosen_pairs
from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.decoding.clock import seconds_now
from fairseq_flexdepth.decoding.greedy_options import drafting_depths
from fairseq_flexdepth.depth.supported_depths import DepthPair, DepthSpace
from fairseq_flexdepth.modules.device_copies import lists_of
from fairseq_flexdepth.protocols import FlexibleModel, Sample

# fairseq's ``encoder_out``.
EncoderOut = Dict[str, List[Tensor]]


@dataclass
class _Ensemble:
    """Models that translate together, and the depth pairs to decode at."""

    models: List[Any]
    pairs: List[DepthPair]
    generator: Any
    drafting: Dict[DepthPair, Any]  # a generator for each pair that is also decoded with drafts


class EveryDepth:
    """Translates batches of *split* at every depth pair of its ensembles, with fairseq's search.

    Args:
        split: the data and the models: one or more ensembles, each of one depth or of several.
        depths: the depth pairs to decode at (default: all depth pairs of the ensembles).
        compare: whether several ensembles may have the same depth pair.
        draft: ``draft_dec_layers`` and the options that belong to it: decode once more, with these drafts, at every
            depth pair that this depth can draft for.

    Raises:
        ValueError: as :func:`chosen_pairs`, or *draft* can draft for none of the depth pairs, or the options are
            refused.
    """

    def __init__(
        self,
        split: Split,
        depths: Optional[Sequence[DepthPair]] = None,
        compare: bool = False,
        draft: Optional[Dict[str, Any]] = None,
    ) -> None:
        self.split = split
        pairs = chosen_pairs(split, depths, compare)
        self.ensembles = [
            _Ensemble(models, found, split.build_generator(models), self._drafting(models, found, draft))
            for models, found in zip(split.ensembles, pairs)
        ]
        if draft and not any(ensemble.drafting for ensemble in self.ensembles):
            split.build_generator(self.ensembles[0].models, **draft)  # raises the reason
            raise ValueError(f"--draft-dec-layers {draft['draft_dec_layers']}: drafts for none of these depth pairs")
        # By whether there are drafts.
        self._drafts: Dict[bool, Optional[int]] = {False: None}
        if draft:
            self._drafts = {False: 0, True: int(draft["draft_dec_layers"])}
        self.model_depths = [
            ModelDepth(model, pair, drafting)
            for model, ensemble in enumerate(self.ensembles)
            for drafted, drafting in self._drafts.items()
            for pair in (ensemble.drafting if drafted else ensemble.pairs)
        ]
        self._warm = False

    def _drafting(
        self, models: Sequence[Any], pairs: Sequence[DepthPair], draft: Optional[Dict[str, Any]]
    ) -> Dict[DepthPair, Any]:
        """A generator with drafts for each of *pairs* that can have them."""
        generators: Dict[DepthPair, Any] = {}
        if not draft or not hasattr(models[0], "set_depth"):
            return generators
        for pair in pairs:
            set_depth(models, pair)
            if int(draft["draft_dec_layers"]) in drafting_depths(models[0]):
                generators[pair] = self.split.build_generator(list(models), **draft)
        return generators

    def each(self, number: int, batch: Sequence[int]) -> Iterator[Tuple[ModelDepth, Decoded]]:
        """Translate one batch by every ensemble at each of its depth pairs, then once more with drafts."""
        if not self._warm:  # the first batch of a process is slow at any depth
            self._warm = True
            sample = self.split.sample(batch[:1])
            for ensemble in self.ensembles:
                list(self._decode(ensemble, number, sample, ensemble.pairs[-1:]))
        sample = self.split.sample(batch)
        for position, ensemble in enumerate(self.ensembles):
            for pair, drafted, decoded in self._decode(ensemble, number, sample, ensemble.pairs):
                yield ModelDepth(position, pair, self._drafts[drafted]), decoded

    def _decode(
        self, ensemble: _Ensemble, number: int, sample: Sample, pairs: Sequence[DepthPair]
    ) -> Iterator[Tuple[DepthPair, bool, Decoded]]:
        sentences = sample["id"].tolist()
        self.split.seed_batch(number)  # --retain-dropout draws in the encoder, too
        encoded, seconds = self._encode(ensemble.models, sample, pairs)
        searches = [(pair, ensemble.generator) for pair in pairs]
        searches += [(pair, search) for pair, search in ensemble.drafting.items() if pair in pairs]
        for index, (pair, generator) in enumerate(searches):
            set_depth(ensemble.models, pair)
            self.split.seed_batch(number)
            start = seconds_now(self.split.use_cuda)
            with _given_encoder_outs(generator, encoded.get(pair[0])):
                found = self.split.search(generator, sample, ensemble.models)
            searched = seconds_now(self.split.use_cuda) - start
            strip = generator.symbols_to_strip_from_output
            best = lists_of([hypotheses[0]["tokens"] for hypotheses in found])
            texts = {index: self.split.target_text(tokens, strip) for index, tokens in zip(sentences, best)}
            yield pair, index >= len(pairs), Decoded(texts, searched + seconds.get(pair[0], 0.0))

    @torch.no_grad()
    def _encode(
        self, models: Sequence[FlexibleModel], sample: Sample, pairs: Sequence[DepthPair]
    ) -> Tuple[Dict[int, List[EncoderOut]], Dict[int, float]]:
        """Run every model's encoder once for all encoder depths; with a single depth pair, beam search runs it itself.

        Returns:
            By encoder depth: the ``encoder_out`` of every model, and the seconds, which are the whole run's multiplied
            by the share of the layer runs that this depth uses. Both are empty for a single depth pair.
        """
        if len(pairs) == 1:
            return {}, {}
        depths = sorted({n for n, _ in pairs})
        decoder_depths = sorted({m for _, m in pairs})
        net_input = sample["net_input"]
        encoded: Dict[int, List[EncoderOut]] = {depth: [] for depth in depths}
        seconds = dict.fromkeys(depths, 0.0)
        for model in models:
            plan, _ = model.plans(DepthSpace(tuple(depths), tuple(decoder_depths)))
            start = seconds_now(self.split.use_cuda)
            stacked = model.encoder.forward_exits(plan, net_input["src_tokens"], net_input["src_lengths"])
            taken = seconds_now(self.split.use_cuda) - start
            for index, (depth, run) in enumerate(zip(depths, plan.exits)):
                encoded[depth].append(_exit(stacked, index, len(depths)))
                seconds[depth] += taken * len(plan.path(run)) / len(plan.runs)
        return encoded, seconds



def set_depth(models: Sequence[Any], pair: DepthPair) -> None:
    """Set the depth pair of the *models* that have depths."""
    for model in models:
        if hasattr(model, "set_depth"):
            model.set_depth(*pair)


def _exit(stacked: EncoderOut, index: int, exits: int) -> EncoderOut:
    """The ``encoder_out`` of exit number *index*, out of all exits, which are stacked on the batch axis."""
    outputs = stacked["encoder_out"][0].chunk(exits, dim=1)  # source length × (exits · batch) × channels
    masks = stacked["encoder_padding_mask"]  # (exits · batch) × source length
    return {
        "encoder_out": [outputs[index]],  # source length × batch × channels
        "encoder_padding_mask": [mask.chunk(exits)[index] for mask in masks],  # batch × source length
        "encoder_embedding": [],
        "encoder_states": [],
        "src_tokens": [],
        "src_lengths": [],
    }


@contextlib.contextmanager
def _given_encoder_outs(generator: Any, encoder_outs: Optional[List[EncoderOut]]) -> Iterator[None]:
    """Make fairseq's *generator* use these encoder outputs, one per model; with ``None`` it runs the encoders."""
    if encoder_outs is None:
        yield
        return
    generator.model.forward_encoder = lambda net_input: encoder_outs
    try:
        yield
    finally:
        del generator.model.forward_encoder
