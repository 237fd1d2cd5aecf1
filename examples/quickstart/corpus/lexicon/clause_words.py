"""The words that join clauses: verbs taking a clause, conjunctions, question words."""

from typing import Tuple

from lexicon.verbs import Verb, parse_verb


def _parse(table: str) -> Tuple[Verb, ...]:
    return tuple(parse_verb(line) for line in table.strip().splitlines())


# ..., dass
SPEECH_VERBS = _parse(
    """
sagen sagt gesagt | say | - | - | n
wissen weiß gewusst | know | - | - | n
hoffen hofft gehofft | hope | - | - | n
glauben glaubt geglaubt | believe | - | - | n
vermuten vermutet vermutet | suspect | - | - | n
behaupten behauptet behauptet | claim | - | - | n
schreiben schreibt geschrieben | write | - | - | n
fest|stellen stellt gestellt | notice | - | - | n
ein|sehen sieht gesehen | realize | - | - | n
"""
)
# ..., ob / warum / wann
WONDERING_VERBS = _parse(
    """
fragen fragt gefragt | ask | - | - | n
fragen fragt gefragt sich | wonder | - | - | n
vergessen vergisst vergessen | forget | - | - | n
heraus|finden findet gefunden | find out | - | - | n
nach|sehen sieht gesehen | check | - | - | n
"""
)
# ..., ... zu: the subject of the infinitive is the main clause's subject
SUBJECT_CONTROL_VERBS = _parse(
    """
versuchen versucht versucht | try | - | - | n
vergessen vergisst vergessen | forget | - | - | n
hoffen hofft gehofft | hope | - | - | n
planen plant geplant | plan | - | - | n
versprechen verspricht versprochen | promise | - | - | n
an|fangen fängt gefangen | begin | - | - | n
vor|haben hat gehabt | intend | - | - | n
auf|hören hört gehört | stop | - | - | n
"""
)
# ..., ... zu: it is the main clause's object
OBJECT_CONTROL_VERBS = _parse(
    """
bitten bittet gebeten | ask | acc | person | n
überreden überredet überredet | persuade | acc | person | n
auf|fordern fordert gefordert | urge | acc | person | n
helfen hilft geholfen | help | dat | person | n
erlauben erlaubt erlaubt | allow | dat | person | n
raten rät geraten | advise | dat | person | n
bei|bringen bringt gebracht | teach | dat | person | n
"""
)

# German | English | worlds of the main and the subordinate clause
CONJUNCTIONS = (
    ("weil", "because", "same"),
    ("weil", "because", "now past"),
    ("obwohl", ", although", "same"),
    ("wenn", "if", "now now"),
    ("bevor", "before", "same"),
    ("während", ", while", "same"),
    ("damit", "so that", "now now"),
    ("als", "when", "past past"),
    ("nachdem", "after", "past past"),
)
TIMELESS = ("wenn", "damit", "bevor", "während")  # no future after these
DYNAMIC = ("bevor", "nachdem", "damit", "während")  # an event, not a state
COORDINATIONS = (
    ("aber", ", but"),
    ("und", ", and"),
    ("denn", "because"),
    ("deshalb", ", so"),
    ("trotzdem", ", but still"),
)
INVERTING = ("deshalb", "trotzdem")
# German | English | the form of the English verb
PURPOSES = (
    ("um", "to", "to"),
    ("um", "to", "to"),
    ("ohne", "without", "-ing"),
    ("statt", "instead of", "-ing"),
)
QUESTION_WORDS = (("warum", "why"), ("wann", "when"), ("wie oft", "how often"), ("wo", "where"))
JUDGEMENTS = (
    ("wichtig", "important"),
    ("schwer", "hard"),
    ("leicht", "easy"),
    ("langweilig", "boring"),
    ("gefährlich", "dangerous"),
    ("möglich", "possible"),
    ("schön", "nice"),
)
