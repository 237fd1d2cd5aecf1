"""Whole splits through CTranslate2: the engine of ``sweep`` and ``oracle``, and the teacher of ``distill``."""

import os
from typing import Any, Callable, Dict, Iterator, List, Optional, Sequence, Tuple

import ctranslate2
import torch

from fairseq_flexdepth.corpus.ctranslate2_search import CTranslate2Options, CTranslate2Search
from fairseq_flexdepth.corpus.engine import Decoded, ModelDepth, chosen_pairs
from fairseq_flexdepth.corpus.hypothesis_filter import NEED_ALL, Target
from fairseq_flexdepth.corpus.split import Split
from fairseq_flexdepth.decoding.model_depth import current_depth, depth_space
from fairseq_flexdepth.depth.supported_depths import DepthPair

# The folder with a model, by the position of its --path, at a depth pair, in a type of weights.
Exported = Callable[[int, DepthPair, str], str]


class _Translators:
    """CTranslate2's translators of the exported depths, loaded when they are first needed.

    They stay in memory (on a GPU: in its own) while their files take at most half of it; further ones are loaded for
    each batch.
    """

    def __init__(self, options: CTranslate2Options, exported: Exported) -> None:
        self.options = options
        self.exported = exported
        self._kept: Dict[ModelDepth, Any] = {}
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")  # bytes
        if options.device == "cuda":
            memory = torch.cuda.get_device_properties(options.device_index).total_memory
        self._free = memory // 2

    def of(self, depth: ModelDepth) -> Tuple[Any, bool]:
        """The translator, and whether it has just been loaded."""
        if depth in self._kept:
            return self._kept[depth], False
        quantization = depth.quantization or self.options.quantizations[0]
        folder = self.exported(depth.model, depth.pair, quantization)
        translator = ctranslate2.Translator(
            folder, self.options.device, device_index=self.options.device_index, compute_type=quantization,
            inter_threads=self.options.inter_threads, intra_threads=self.options.intra_threads,
        )  # fmt: skip
        size = os.path.getsize(os.path.join(folder, "model.bin"))
        if size <= self._free:
            self._free -= size
            self._kept[depth] = translator
        return translator, True


class CTranslate2Depths:
    """Translates batches of *split* at every depth pair of its models, in one or more types of weights.

    Args:
        split: the data and the models.
        options: how CTranslate2 computes.
        exported: exports a depth of a model.
        depths: the depth pairs to decode at (default: all depth pairs of the models).
        compare: whether several models may have the same depth pair.

    Raises:
        ValueError: as :func:`chosen_pairs`, or fairseq refuses the options.
    """

    def __init__(
        self,
        split: Split,
        options: CTranslate2Options,
        exported: Exported,
        depths: Optional[Sequence[DepthPair]] = None,
        compare: bool = False,
    ) -> None:
        self.split = split
        self.model_depths = [
            ModelDepth(model, pair, quantization=quantization)
            for model, pairs in enumerate(chosen_pairs(split, depths, compare))
            for quantization in options.quantizations
            for pair in pairs
        ]
        self._searches = [
            CTranslate2Search(split, models, False, options.inter_threads) for models in split.ensembles
        ]
        self._translators = _Translators(options, exported)

    def each(self, number: int, batch: Sequence[int]) -> Iterator[Tuple[ModelDepth, Decoded]]:
        """Translate one batch by every model at each of its depth pairs, in each type of weights."""
        for depth in self.model_depths:
            search = self._searches[depth.model]
            translator, loaded = self._translators.of(depth)
            if loaded:  # its first batch is slow
                search(translator, batch[:1])
            found, seconds = search(translator, batch)
            texts = {index: self.split.target_text(best.tokens, search.strip) for index, (best, *_) in found.items()}
            yield depth, Decoded(texts, seconds)


class CTranslate2Teacher:
    """Translates with the model of *split*, at the depth that it is set to.

    Args:
        split: the data and the teacher.
        options: how CTranslate2 computes, in one type of weights.
        exported: exports a depth of the model.
        hypothesis_filter: one of ``HYPOTHESIS_FILTERS``, which says whether the best hypothesis is enough.

    Raises:
        ValueError: fairseq refuses the options.
    """

    def __init__(self, split: Split, options: CTranslate2Options, exported: Exported, hypothesis_filter: str) -> None:
        (model,) = split.models
        pair = current_depth(model) if hasattr(model, "set_depth") else depth_space(model).deepest
        self._depth = ModelDepth(0, pair, quantization=options.quantizations[0])
        self._search = CTranslate2Search(split, split.models, hypothesis_filter in NEED_ALL, options.inter_threads)
        self._translators = _Translators(options, exported)
        self.strip = self._search.strip

    def translate(self, number: int, batch: Sequence[int]) -> Dict[int, List[Target]]:
        """Translate one batch, as a :class:`~fairseq_flexdepth.corpus.engine.Teacher`."""
        found, _ = self._search(self._translators.of(self._depth)[0], batch)
        return found
