"""CTranslate2's search with fairseq-generate's options, on a batch of a split."""

import time
from typing import Any, Dict, List, NamedTuple, Sequence, Tuple

from fairseq_flexdepth.corpus.engine import length_limit
from fairseq_flexdepth.corpus.hypothesis_filter import Target
from fairseq_flexdepth.corpus.split import Split


class CTranslate2Options(NamedTuple):
    """How CTranslate2 computes; the names are CTranslate2's."""

    device: str  # cpu or cuda
    device_index: int
    quantizations: Tuple[str, ...]  # types of the weights
    inter_threads: int  # parts of a batch that are decoded at the same time
    intra_threads: int  # threads of each of them


class CTranslate2Search:
    """Translates batches of *split* as fairseq's beam search would, with CTranslate2.

    Both searches keep 2 · beam candidates per step, end when *beam* hypotheses are finished, and divide the
    log-probability of a hypothesis by its tokens, the end symbol included, to the power of ``--lenpen``. They differ in

    - the padding symbol, and the end symbol before ``--min-len``: CTranslate2 excludes them before the softmax, fairseq
      after it, so that all log-probabilities are higher by the (small) probability of these symbols;
    - the step in which hypothesis number *beam* is finished: CTranslate2 keeps all that are finished in it and takes
      the best, fairseq as many as are missing;
    - a hypothesis that reaches the greatest length: fairseq writes an end symbol and counts its probability;
      CTranslate2 writes none. Here the end symbol is appended, not counted.
    - an empty source, whose translation is empty with CTranslate2.

    Args:
        split: the data, and the options of fairseq-generate.
        models: the model, as a list.
        nbest: whether all hypotheses of a sentence are needed, or the best one alone.
        inter_threads: parts into which a batch is split.

    Raises:
        ValueError: fairseq refuses the options.
    """

    def __init__(self, split: Split, models: List[Any], nbest: bool, inter_threads: int) -> None:
        self.split = split
        self.generator: Any = split.build_generator(models)  # fairseq's, for its checks and its limit of length
        self.strip = self.generator.symbols_to_strip_from_output
        self._parts = inter_threads
        self._end = split.task.target_dictionary.eos()
        self._length_penalty = float(self.generator.len_penalty if self.generator.normalize_scores else 0)
        self._options = {
            "beam_size": self.generator.beam_size,
            "num_hypotheses": self.generator.beam_size if nbest else 1,
            "length_penalty": self._length_penalty,
            "min_decoding_length": self.generator.min_len,
            "max_input_length": 0,  # no limit: batches have no longer sentences than the model's
            "return_end_token": True,  # tells which hypotheses are cut off
            "return_scores": True,
        }

    def __call__(self, translator: Any, batch: Sequence[int]) -> Tuple[Dict[int, List[Target]], float]:
        """Translate one batch.

        Args:
            translator: CTranslate2's ``Translator`` of an exported depth.
            batch: the sentence numbers.

        Returns:
            The hypotheses of each sentence by its number, the best first; and the seconds of the search.

        Raises:
            ValueError: the lengths that ``--max-len-a`` and ``--max-len-b`` allow are too short.
        """
        limit = length_limit(self.generator, self.split.sample(batch))
        if limit < max(1, self.generator.min_len):
            raise ValueError(f"--max-len-b: allows {limit} tokens; expected 1 or more, and --min-len or more")
        sources = [self._words(index) for index in batch]
        part = -(-len(batch) // self._parts) if self._parts > 1 else 0  # 0: all at once
        start = time.perf_counter()
        results = translator.translate_batch(sources, max_batch_size=part, max_decoding_length=limit, **self._options)
        seconds = time.perf_counter() - start
        found = {
            int(index): [self._target(*pair, limit) for pair in zip(result.hypotheses, result.scores)]
            for index, result in zip(batch, results)
        }
        return found, seconds

    def _words(self, index: int) -> List[str]:
        """Source sentence number *index* as CTranslate2 takes it: words, without the end symbol."""
        words = self.split.task.source_dictionary.symbols
        return [words[token] for token in self.split.dataset[index]["source"].tolist()[:-1]]

    def _target(self, words: List[str], score: float, limit: int) -> Target:
        tokens = [self.split.task.target_dictionary.index(word) for word in words]
        log_probability = score * max(1, len(tokens)) ** self._length_penalty
        if self._end not in tokens[-1:]:
            tokens.append(self._end)
        return Target(tokens, log_probability, len(tokens) > limit)
