"""English inflection: plurals, articles and verb groups."""

from typing import Dict, Tuple

# base: (past, participle); every other verb is regular
IRREGULAR: Dict[str, Tuple[str, str]] = {
    line.split()[0]: (line.split()[1], line.split()[2])
    for line in """
be was been
become became become
begin began begun
break broke broken
bring brought brought
build built built
buy bought bought
choose chose chosen
come came come
do did done
drink drank drunk
drive drove driven
eat ate eaten
fall fell fallen
feed fed fed
find found found
forget forgot forgotten
get got gotten
give gave given
go went gone
hang hung hung
have had had
know knew known
leave left left
lend lent lent
lie lay lain
lose lost lost
meet met met
put put put
read read read
run ran run
say said said
see saw seen
sell sold sold
send sent sent
sing sang sung
sit sat sat
sleep slept slept
spend spent spent
stand stood stood
take took taken
teach taught taught
tell told told
think thought thought
throw threw thrown
understand understood understood
wake woke woken
write wrote written
""".strip().splitlines()
}

DOUBLING = ("ban", "begin", "forget", "get", "plan", "put", "run", "sit", "stop")

# One English auxiliary for a whole German tense or modal ...
AUXILIARY_TENSES = {
    "future": "will",
    "können": "can",
    "konnte": "could",
    "sollen": "should",
    "müssen": "must",
}
# ... or a phrase of which the first word is inflected; True: in the past
PHRASE_TENSES = {
    "wollen": ("want", "to", False),
    "wollte": ("want", "to", True),
    "dürfen": ("be", "allowed to", False),
    "durfte": ("be", "allowed to", True),
    "musste": ("have", "to", True),
    "not müssen": ("have", "to", False),
    "gern": ("like", "to", False),
}
PAST_TENSES = ("perfect", "preterite")


def plural_of(noun: str) -> str:
    """The regular plural."""
    if noun.endswith(("s", "x", "sh", "ch", "tato")):
        return noun + "es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + "s"


def with_article(phrase: str) -> str:
    """``a`` or ``an`` in front, chosen by the first letter."""
    return ("an " if phrase[0].lower() in "aeiou" else "a ") + phrase


def third_person(verb: str) -> str:
    """``reads``, ``goes``, ``tidies``, ``has``."""
    if verb == "have":
        return "has"
    if verb.endswith(("s", "x", "sh", "ch", "o")):
        return verb + "es"
    return plural_of(verb)


def _ends_with_consonant_y(verb: str) -> bool:
    return verb.endswith("y") and verb[-2] not in "aeiou"


def past(verb: str) -> str:
    """The simple past (of ``be``: the singular)."""
    if verb in IRREGULAR:
        return IRREGULAR[verb][0]
    if verb.endswith("e"):
        return verb + "d"
    if _ends_with_consonant_y(verb):
        return verb[:-1] + "ied"
    return verb + (verb[-1] if verb in DOUBLING else "") + "ed"


def participle(verb: str) -> str:
    """The past participle."""
    return IRREGULAR[verb][1] if verb in IRREGULAR else past(verb)


def gerund(verb: str) -> str:
    """The -ing form."""
    if verb.endswith("ie"):
        return verb[:-2] + "ying"
    if verb.endswith("e") and not verb.endswith("ee") and verb != "be":
        return verb[:-1] + "ing"
    return verb + (verb[-1] if verb in DOUBLING else "") + "ing"


def conjugate_be(person: str, in_past: bool) -> str:
    """``am``, ``is``, ``are``, ``was``, ``were`` for a person of ``1s 3s 1p 3p``."""
    if in_past:
        return "was" if person.endswith("s") else "were"
    return {"1s": "am", "3s": "is"}.get(person, "are")


def _finite(verb: str, in_past: bool, person: str, operator: bool) -> Tuple[str, str]:
    """Operator and main verb; ``operator`` asks for do-support (negation or inversion)."""
    if verb == "be":
        return conjugate_be(person, in_past), ""
    if operator:
        return ("did" if in_past else "does" if person == "3s" else "do"), verb
    if in_past:
        return "", past(verb)
    return "", third_person(verb) if person == "3s" else verb


def verb_group(verb: str, tense: str, person: str, operator: bool, passive: bool) -> Tuple[str, str]:
    """The finite operator (``does``, ``will``, ``is`` or nothing) and the rest of the verb group.

    ``tense`` is a German tense or modal (``present``, ``perfect``, ``können``, ...); with ``operator``
    the group can be negated or inverted.
    """
    first, rest = ("be", participle(verb)) if passive else (verb, "")
    if tense in AUXILIARY_TENSES:
        return AUXILIARY_TENSES[tense], f"{first} {rest}".strip()
    if tense in ("present_perfect", "pluperfect"):
        has = "has" if person == "3s" else "have"
        return "had" if tense == "pluperfect" else has, f"{participle(first)} {rest}".strip()
    if tense in PHRASE_TENSES:
        head, link, in_past = PHRASE_TENSES[tense]
        first, rest = head, f"{link} {first} {rest}".strip()
    else:
        in_past = tense in PAST_TENSES
    finite_operator, main = _finite(first, in_past, person, operator)
    return finite_operator, f"{main} {rest}".strip()
