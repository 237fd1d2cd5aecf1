"""Adjectives, adverbs, names, times: the words that need no inflection table of their own."""

from typing import Dict, List, NamedTuple, Tuple

# German, comparative (-: none) | English, comparative | the nouns' first tags it goes with
ADJECTIVES_TABLE = """
alt älter | old, older | person animal object document place
jung jünger | young, younger | person animal
müde müder | tired, more tired | person
hungrig hungriger | hungry, hungrier | person
krank kränker | sick, sicker | person
glücklich glücklicher | happy, happier | person
traurig trauriger | sad, sadder | person
nervös nervöser | nervous, more nervous | person
freundlich freundlicher | friendly, friendlier | person
klug klüger | smart, smarter | person
fleißig fleißiger | diligent, more diligent | person
groß größer | tall, taller | person
groß größer | big, bigger | animal object place
klein kleiner | short, shorter | person
klein kleiner | small, smaller | animal object place
neu neuer | new, newer | object document place idea
teuer teurer | expensive, more expensive | object
billig billiger | cheap, cheaper | object
schwer schwerer | heavy, heavier | object
schwer schwerer | hard, harder | idea
leicht leichter | light, lighter | object
leicht leichter | easy, easier | idea
schön schöner | beautiful, more beautiful | object place event
schmutzig schmutziger | dirty, dirtier | object
sauber sauberer | clean, cleaner | object
kaputt - | broken, - | object
rot - | red, - | object
blau - | blue, - | object
grün - | green, - | object
schwarz - | black, - | object animal
weiß - | white, - | object animal
gelb - | yellow, - | object
lang länger | long, longer | document event
kurz kürzer | short, shorter | document event
interessant interessanter | interesting, more interesting | document idea
langweilig langweiliger | boring, more boring | document event
spannend spannender | exciting, more exciting | document event
berühmt berühmter | famous, more famous | place document
ruhig ruhiger | quiet, quieter | place
modern moderner | modern, more modern | place
wichtig wichtiger | important, more important | idea event
klar klarer | clear, clearer | idea
frisch frischer | fresh, fresher | food
süß süßer | sweet, sweeter | food
heiß heißer | hot, hotter | food
kalt kälter | cold, colder | food
lecker leckerer | delicious, more delicious | food
"""
COLORS = ("rot", "blau", "grün", "schwarz", "weiß", "gelb")
ATTRIBUTIVE_STEMS = {"teuer": "teur", "müde": "müd"}

MALE_NAMES = ("Peter", "Martin", "Paul", "Stefan", "Jan", "David", "Oliver", "Daniel")
FEMALE_NAMES = ("Anna", "Maria", "Julia", "Sophie", "Laura", "Clara", "Nina", "Emma")
CITIES = (
    ("Berlin", "Berlin"),
    ("Hamburg", "Hamburg"),
    ("München", "Munich"),
    ("Köln", "Cologne"),
    ("Wien", "Vienna"),
    ("Zürich", "Zurich"),
    ("Paris", "Paris"),
    ("Rom", "Rome"),
)

# German, English, and the tenses the expression allows: any, habit (present), future or past
TIMES = (
    ("heute", "today", "any"),
    ("am Morgen", "in the morning", "any"),
    ("am Nachmittag", "in the afternoon", "any"),
    ("am Abend", "in the evening", "any"),
    ("in der Nacht", "at night", "any"),
    ("am Wochenende", "on the weekend", "any"),
    ("am Montag", "on Monday", "any"),
    ("am Dienstag", "on Tuesday", "any"),
    ("am Freitag", "on Friday", "any"),
    ("am Sonntag", "on Sunday", "any"),
    ("im Sommer", "in the summer", "any"),
    ("im Winter", "in the winter", "any"),
    ("jeden Tag", "every day", "habit"),
    ("jeden Morgen", "every morning", "habit"),
    ("jeden Abend", "every evening", "habit"),
    ("jede Woche", "every week", "habit"),
    ("morgen", "tomorrow", "future"),
    ("morgen Abend", "tomorrow evening", "future"),
    ("bald", "soon", "future"),
    ("nächste Woche", "next week", "future"),
    ("nächstes Jahr", "next year", "future"),
    ("gestern", "yesterday", "past"),
    ("gestern Abend", "yesterday evening", "past"),
    ("letzte Woche", "last week", "past"),
    ("letztes Jahr", "last year", "past"),
    ("damals", "at that time", "past"),
)
CLOCK = ("zwei two", "drei three", "vier four", "sechs six", "sieben seven", "acht eight", "neun nine")
NUMBERS = ("zwei two", "drei three", "vier four", "fünf five", "sechs six", "zehn ten")
# dative plural | English plural
UNITS = ("Stunden hours", "Tagen days", "Wochen weeks", "Monaten months", "Jahren years")

MANNERS = (
    ("schnell", "quickly"),
    ("langsam", "slowly"),
    ("leise", "quietly"),
    ("vorsichtig", "carefully"),
    ("allein", "alone"),
    ("wieder", "again"),
    ("sofort", "immediately"),
    ("ohne Hilfe", "without help"),
)
FREQUENCIES = (
    ("oft", "often"),
    ("immer", "always"),
    ("selten", "rarely"),
    ("nie", "never"),
    ("manchmal", "sometimes"),
)
SENTENCE_ADVERBS = (
    ("leider", "unfortunately ,"),
    ("vielleicht", "perhaps"),
    ("wahrscheinlich", "probably"),
    ("natürlich", "of course ,"),
    ("zum Glück", "fortunately ,"),
)


class Adjective(NamedTuple):
    """An adjective in one sense: ``groß`` is tall of persons and big of things."""

    german: str
    comparative: str
    english: str
    english_comparative: str
    groups: Tuple[str, ...]

    @property
    def stem(self) -> str:
        """The stem to which attributive endings are added: ``teur`` of ``teuer``."""
        return ATTRIBUTIVE_STEMS.get(self.german, self.german)


def _parse() -> List[Adjective]:
    adjectives = []
    for line in ADJECTIVES_TABLE.strip().splitlines():
        german_field, english_field, groups = line.split("|")
        german, comparative = german_field.split()
        english, english_comparative = english_field.strip().split(", ")
        adjectives.append(Adjective(german, comparative, english, english_comparative, tuple(groups.split())))
    return adjectives


ADJECTIVES = _parse()
ADJECTIVES_OF: Dict[str, List[Adjective]] = {
    group: [adjective for adjective in ADJECTIVES if group in adjective.groups]
    for group in ("person", "animal", "object", "document", "food", "place", "idea", "event")
}
# Adjectives only persons, or only other things, can have: they tell what a pronoun stands for.
PERSON_ONLY = [adjective for adjective in ADJECTIVES if adjective.groups == ("person",)]
