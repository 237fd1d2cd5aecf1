"""A whole sentence in both languages, and its punctuation."""

from typing import List, NamedTuple, Tuple


class Sentence(NamedTuple):
    """Words and free-standing commas, before punctuation is tidied; ``end`` is the end mark.

    ``orders`` are other right orders of the English words.
    """

    german: str
    english: str
    end: str = "."
    orders: Tuple[str, ...] = ()

    def tidied(self) -> Tuple[str, str]:
        """The German and the English sentence with tidied punctuation."""
        return tidy(self.german, self.end), tidy(self.english, self.end)


def tidy(text: str, end: str) -> str:
    """Attach commas, drop doubled and outer ones, capitalise the first word, and add the end mark."""
    words: List[str] = []
    for word in text.split():
        if word != ",":
            words.append(word)
        elif words and not words[-1].endswith(","):
            words[-1] += ","
    sentence = " ".join(words).rstrip(",")
    return sentence[0].upper() + sentence[1:] + end
