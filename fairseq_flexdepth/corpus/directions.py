"""One direction of a task for several languages: its sentence pairs, and the tags that mark the languages."""

from typing import Any, Dict, List, Sequence, Set

from fairseq.data import Dictionary

from fairseq_flexdepth.protocols import SentencePairs


def of_one_direction(dataset: Any) -> Any:
    """The data set of the direction that is translated: ``multilingual_translation`` numbers its sentences anew."""
    direction = getattr(dataset, "eval_key", None)
    return dataset if direction is None else dataset.datasets[direction]


def sentence_pairs(dataset: Any) -> SentencePairs:
    """The sentence pairs in a data set of fairseq, with its numbering: the multilingual tasks wrap them."""
    while not hasattr(dataset, "src"):
        (dataset,) = [dataset.dataset] if hasattr(dataset, "dataset") else dataset.datasets
    return dataset


class LanguageTags:
    """The tags that mark languages in the sentences of *task*, which are no words of the text."""

    def __init__(self, task: Any) -> None:
        self._words = task.tag_words
        self._numbers: Dict[int, Set[int]] = {}  # by the identity of a dictionary

    def numbers(self, dictionary: Dictionary) -> Set[int]:
        """The numbers of the tags in *dictionary*."""
        if id(dictionary) not in self._numbers:
            self._numbers[id(dictionary)] = {dictionary.index(word) for word in self._words}
        return self._numbers[id(dictionary)]

    def without(self, tokens: Sequence[int], dictionary: Dictionary) -> List[int]:
        """*tokens* as fairseq-preprocess writes them: without tags, and with the end symbol at the end."""
        tags = self.numbers(dictionary)
        if not tags:
            return list(tokens)
        return [token for token in tokens if token not in tags and token != dictionary.eos()] + [dictionary.eos()]
