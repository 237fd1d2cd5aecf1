"""Verbs: the German principal parts and the forms made from them."""

from functools import lru_cache
from typing import Dict, List, NamedTuple, Tuple

from lexicon.verb_table import OTHER_VERBS, PERSON_VERBS

# German auxiliaries and modals: 1s, 3s, plural of the present, then of the past
AUXILIARIES: Dict[str, Tuple[str, ...]] = {
    "haben": ("habe", "hat", "haben", "hatte", "hatte", "hatten"),
    "sein": ("bin", "ist", "sind", "war", "war", "waren"),
    "werden": ("werde", "wird", "werden", "wurde", "wurde", "wurden"),
    "können": ("kann", "kann", "können", "konnte", "konnte", "konnten"),
    "müssen": ("muss", "muss", "müssen", "musste", "musste", "mussten"),
    "wollen": ("will", "will", "wollen", "wollte", "wollte", "wollten"),
    "dürfen": ("darf", "darf", "dürfen", "durfte", "durfte", "durften"),
    "sollen": ("soll", "soll", "sollen", "sollte", "sollte", "sollten"),
}


class Verb(NamedTuple):
    """One sense of a verb. English ``particle`` may leave the verb; ``fixed`` never does."""

    prefix: str
    base: str
    third: str
    base_participle: str
    auxiliary: str
    reflexive: bool
    english: str
    fixed: str
    particle: str
    late_particle: bool
    frame: Tuple[str, ...]
    objects: Tuple[str, ...]
    flags: str
    subjects: Tuple[str, ...] = ("person",)

    @property
    def infinitive(self) -> str:
        """``anrufen`` or ``lesen``."""
        return self.prefix + self.base

    @property
    def participle(self) -> str:
        """``angerufen`` or ``gelesen``."""
        return self.prefix + self.base_participle

    @property
    def zu_infinitive(self) -> str:
        """``anzurufen`` or ``zu lesen``."""
        return f"{self.prefix}zu{self.base}" if self.prefix else f"zu {self.base}"

    def present(self, person: str) -> str:
        """The finite present without the prefix; ``person`` is one of 1s 3s 1p 3p."""
        if self.base in AUXILIARIES:
            return auxiliary(self.base, person)
        if person == "3s" or not self.third.endswith("t"):  # ich weiß, wie er weiß
            return self.base if person.endswith("p") else self.third
        if person.endswith("p"):
            return self.base
        if self.base.endswith("eln"):
            return self.base[:-3] + "le"
        return self.base[:-1]


def auxiliary(lemma: str, person: str, past: bool = False) -> str:
    """A finite form of ``haben``, ``sein``, ``werden`` or a modal."""
    column = {"1s": 0, "3s": 1}.get(person, 2)
    return AUXILIARIES[lemma][column + (3 if past else 0)]


def parse_verb(line: str) -> Verb:
    """Parse one line of verb_table.py."""
    fields = [field.strip() for field in line.split("|")]
    if " " not in fields[0]:  # the first bar was the prefix's
        prefix, fields = fields[0], fields[1:]
    else:
        prefix = ""
    german, english, frame, objects, flags = fields[:5]
    base, third, participle, *sich = german.split()
    words = english.split()
    particle = words.pop() if words[-1][0] in "+=" else ""
    return Verb(
        prefix=prefix,
        base=base,
        third=third,
        base_participle=participle.rstrip("*"),
        auxiliary="sein" if participle.endswith("*") else "haben",
        reflexive=bool(sich),
        english=words[0],
        fixed=" ".join(words[1:]),
        particle=particle[1:],
        late_particle=particle.startswith("="),
        frame=tuple(frame.replace("-", "").split()),
        objects=tuple(objects.replace("-", "").split()),
        flags=flags,
        subjects=tuple(fields[5].split()) if len(fields) > 5 else ("person",),
    )


def _parse(table: str) -> List[Verb]:
    return [parse_verb(line) for line in table.strip().splitlines()]


VERBS = _parse(PERSON_VERBS) + _parse(OTHER_VERBS)
SEIN = parse_verb("sein ist gewesen* | be | - | - | n")
WERDEN = parse_verb("werden wird geworden* | become | - | - | n")
AUSSEHEN = parse_verb("aus|sehen sieht gesehen | look | - | - | n")
GEFALLEN = parse_verb("gefallen gefällt gefallen | like | dat | - | n")
SCHMECKEN = parse_verb("schmecken schmeckt geschmeckt | enjoy | dat | - | n")
REGNEN = parse_verb("regnen regnet geregnet | rain | - | - | n")


@lru_cache(maxsize=None)
def verbs_for(*subject_tags: str) -> Tuple[Verb, ...]:
    """The verbs that something with one of these tags can be the subject of."""
    return tuple(
        verb
        for verb in VERBS
        if any(tag in subject_tags for tag in verb.subjects + ("animal",) * ("a" in verb.flags))
    )
