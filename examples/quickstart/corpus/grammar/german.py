"""German determiners, adjective endings, pronouns and contractions, by gender, number and case."""

from typing import Dict

CASES = ("nom", "acc", "dat", "gen")
GENDERS = ("m", "f", "n", "p")  # p: plural, which has one set of endings


def _table(rows: str) -> Dict[str, Dict[str, str]]:
    """One row per case, one column per gender; ``-`` is no ending."""
    return {
        case: {gender: cell.replace("-", "") for gender, cell in zip(GENDERS, row.split())}
        for case, row in zip(CASES, rows.strip().splitlines())
    }


DEFINITE = _table(
    """
der die das die
den die das die
dem der dem den
des der des der
"""
)
DER_ENDINGS = _table(
    """
er e es e
en e es e
em er em en
es er es er
"""
)
EIN_ENDINGS = _table(
    """
- e - e
en e - e
em er em en
es er es er
"""
)
WEAK = _table(
    """
e e e en
en e e en
en en en en
en en en en
"""
)
MIXED = _table(
    """
er e es en
en e es en
en en en en
en en en en
"""
)
STRONG = _table(
    """
er e es e
en e es e
em er em en
en er en er
"""
)
RELATIVE = _table(
    """
der die das die
den die das die
dem der dem denen
dessen deren dessen deren
"""
)
PRONOUNS: Dict[str, Dict[str, str]] = {
    "ich": {"nom": "ich", "acc": "mich", "dat": "mir"},
    "wir": {"nom": "wir", "acc": "uns", "dat": "uns"},
    "m": {"nom": "er", "acc": "ihn", "dat": "ihm"},
    "f": {"nom": "sie", "acc": "sie", "dat": "ihr"},
    "n": {"nom": "es", "acc": "es", "dat": "ihm"},
    "p": {"nom": "sie", "acc": "sie", "dat": "ihnen"},
}
DER_WORDS = ("dies", "jed", "welch")
EIN_WORDS = ("ein", "kein", "mein", "unser", "sein", "ihr")
CONTRACTIONS = {
    "in dem": "im",
    "in das": "ins",
    "an dem": "am",
    "an das": "ans",
    "zu dem": "zum",
    "zu der": "zur",
    "von dem": "vom",
    "bei dem": "beim",
}


def determiner(word: str, case: str, gender: str) -> str:
    """The inflected determiner; numbers and possessors' names stay as they are."""
    if word == "der":
        return DEFINITE[case][gender]
    if word in DER_WORDS:
        return word + DER_ENDINGS[case][gender]
    if word in EIN_WORDS:
        return word + EIN_ENDINGS[case][gender]
    if word == "viel":
        return word + STRONG[case][gender]
    return word


def adjective_ending(determined_by: str, case: str, gender: str) -> str:
    """Weak after ``der``-words, mixed after ``ein``-words, strong otherwise."""
    if determined_by == "der" or determined_by in DER_WORDS:
        return WEAK[case][gender]
    return (MIXED if determined_by in EIN_WORDS else STRONG)[case][gender]


def reflexive(person: str) -> str:
    """The accusative reflexive pronoun."""
    return {"1s": "mich", "1p": "uns"}.get(person, "sich")


def contract(preposition: str, phrase: str) -> str:
    """Preposition and noun phrase, with ``im``, ``zur``, ... where the phrase begins with an article."""
    article, _, rest = phrase.partition(" ")
    joined = f"{preposition} {article}"
    return f"{CONTRACTIONS.get(joined, joined)} {rest}".rstrip()
