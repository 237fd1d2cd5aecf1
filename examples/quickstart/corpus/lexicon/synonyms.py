"""English words and phrases with the same meaning, between which ``--variants`` chooses.

Only words with one sense in this lexicon are listed, in every form that the grammar makes of them.
"""

from typing import Dict, Tuple

_TABLE = """
child | kid
children | kids
doctor | physician
doctors | physicians
customer | client
customers | clients
carpet | rug
carpets | rugs
sofa | couch
sofas | couches
bicycle | bike
bicycles | bikes
car | automobile
cars | automobiles
telephone | phone
telephones | phones
gift | present
gifts | presents
story | tale
stories | tales
cup | mug
cups | mugs
apartment | flat
apartments | flats
company | firm
companies | firms
trip | journey
trips | journeys
exam | test
exams | tests
task | assignment
tasks | assignments
begin | start
begins | starts
began | started
begun | started
beginning | starting
buy | purchase
buys | purchases
bought | purchased
buying | purchasing
repair | fix
repairs | fixes
repaired | fixed
repairing | fixing
choose | select
chooses | selects
chose | selected
chosen | selected
choosing | selecting
postpone | delay
postpones | delays
postponed | delayed
postponing | delaying
examine | inspect
examines | inspects
examined | inspected
examining | inspecting
build | construct
builds | constructs
built | constructed
big | large
bigger | larger
smart | clever
expensive | costly
dirty | filthy
delicious | tasty
tired | weary
diligent | industrious
quickly | fast | rapidly
immediately | at once | right away
carefully | cautiously
rarely | seldom
often | frequently
perhaps | maybe
unfortunately | sadly
fortunately | luckily
every | each
many | a lot of
next to | beside
because | since
although | though
whom | that | who
allowed to | permitted to
do not | don't
does not | doesn't
did not | didn't
is not | isn't
are not | aren't
was not | wasn't
were not | weren't
cannot | can't
will not | won't
"""

# by each phrase: itself, and the phrases that may replace it
SYNONYMS: Dict[str, Tuple[str, ...]] = {
    line.split(" | ")[0]: tuple(line.split(" | ")) for line in _TABLE.strip().splitlines()
}
