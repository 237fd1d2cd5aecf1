"""The verbs: German principal parts, English translation, and the complements each one takes.

The translation of a verb often hangs on a word far from it: the separable prefix at the end of
the clause (ruft ... an, ruft ... zurück) or the preposition (freut sich auf, freut sich über).
"""

# prefix|infinitive, 3rd person, participle (*: perfect with sein) [sich] | English | frame | objects | flags
#
# English: "+up" moves around the object, "=aloud" follows it.
# Frame: acc, dat, preposition:case; where something is: place, upon, inside, home (of persons);
#     where it goes: goal, onto, into, newhome.
# Flags: g goes with "gern", d durative ("seit"), p has a passive, m takes manner adverbs, a also for
#     animals, n never deliberate (no "will", no "um ... zu").
PERSON_VERBS = """
lesen liest gelesen | read | acc | document | gpm
vor|lesen liest gelesen | read =aloud | dat acc | story letter | gm
schreiben schreibt geschrieben | write | acc | text | gpm
ab|schreiben schreibt geschrieben | copy | acc | text | pm
auf|schreiben schreibt geschrieben | write +down | acc | question plan story | pm
unterschreiben unterschreibt unterschrieben | sign | acc | signed | p
kaufen kauft gekauft | buy | acc | furniture device portable clothes vehicle food | gp
verkaufen verkauft verkauft | sell | acc | furniture device clothes vehicle food building | gp
ein|kaufen kauft gekauft | go shopping | - | - | g
suchen sucht gesucht | look for | acc | portable clothes animal box | d
aus|suchen sucht gesucht | choose | acc | clothes furniture gift | pg
besuchen besucht besucht | visit | acc | person sight | gp
untersuchen untersucht untersucht | examine | acc | animal device vehicle | pm
finden findet gefunden | find | acc | portable clothes animal | pn
öffnen öffnet geöffnet | open | acc | lock container | pm
schließen schließt geschlossen | close | acc | lock container | pm
ab|schließen schließt geschlossen | lock | acc | door | p
auf|machen macht gemacht | open | acc | lock box | pm
zu|machen macht gemacht | close | acc | lock box | pm
an|machen macht gemacht | turn +on | acc | device | p
aus|machen macht gemacht | turn +off | acc | device | p
holen holt geholt | fetch | acc | portable box | p
ab|holen holt geholt | pick +up | acc | person gift | gp
nehmen nimmt genommen | take | acc | portable transit | -
mit|nehmen nimmt genommen | take =along | acc | portable animal clothes | g
an|nehmen nimmt genommen | accept | acc | proposal gift | gp
auf|nehmen nimmt genommen | record | acc | song | p
ab|nehmen nimmt genommen | lose weight | - | - | n
zu|nehmen nimmt genommen | gain weight | - | - | n
bringen bringt gebracht | take | acc goal | portable document box | m
mit|bringen bringt gebracht | bring =along | acc | portable food gift | g
zurück|bringen bringt gebracht | bring +back | acc | portable document box | p
geben gibt gegeben | give | dat acc | document portable | -
zurück|geben gibt gegeben | give +back | dat acc | document portable | -
ab|geben gibt gegeben | hand +in | acc | task signed | p
auf|geben gibt gegeben | give +up | acc | plan | pn
aus|geben gibt gegeben | spend | acc | money | g
ein|laden lädt geladen | invite | acc | person | gp
rufen ruft gerufen | shout for | acc | person animal | -
an|rufen ruft gerufen | call | acc | person | gp
zurück|rufen ruft gerufen | call =back | acc | person | -
kennen kennt gekannt | know | acc | person place | dn
verstehen versteht verstanden | understand | acc | idea story | n
auf|stehen steht gestanden* | get up | - | - | m
stehen steht gestanden | stand | place | - | d
sehen sieht gesehen | see | acc | person animal vehicle | n
an|sehen sieht gesehen | look at | acc | picture sight clothes | gm
fern|sehen sieht gesehen | watch television | - | - | g
zu|sehen sieht gesehen | watch | dat | person animal | g
treffen trifft getroffen | meet | acc | person | g
essen isst gegessen | eat | acc | food | gpma
kochen kocht gekocht | cook | acc | hot | gp
bestellen bestellt bestellt | order | acc | food | gp
probieren probiert probiert | taste | acc | food | gp
an|probieren probiert probiert | try +on | acc | clothes | g
trinken trinkt getrunken | drink | acc | drink | gm
schälen schält geschält | peel | acc | fruit | pm
wechseln wechselt gewechselt | change | acc | spare | pm
waschen wäscht gewaschen | wash | acc | clothes washable road | pm
an|ziehen zieht gezogen | put +on | acc | clothes | gm
aus|ziehen zieht gezogen | take +off | acc | clothes | m
ziehen zieht gezogen | pull | acc | box | m
um|ziehen zieht gezogen* | move | newhome | - | -
reparieren repariert repariert | repair | acc | device vehicle furniture lock | gpm
putzen putzt geputzt | clean | acc | room | p
auf|räumen räumt geräumt | tidy +up | acc | room | p
bauen baut gebaut | build | acc | built | gp
um|bauen baut gebaut | remodel | acc | building room | p
streichen streicht gestrichen | paint | acc | wall door | pm
malen malt gemalt | paint | acc | picture | gp
vergessen vergisst vergessen | forget | acc | portable plan event | n
verlieren verliert verloren | lose | acc | portable | n
vor|bereiten bereitet bereitet | prepare | acc | event | gpm
vor|stellen stellt gestellt | introduce | dat acc | person | -
ab|stellen stellt gestellt | park | acc | road | p
aus|stellen stellt gestellt | exhibit | acc | picture | p
stellen stellt gestellt | put | acc onto | device box | m
legen legt gelegt | put | acc into | document clothes gift washable | m
ab|lehnen lehnt gelehnt | reject | acc | proposal gift | p
weg|werfen wirft geworfen | throw +away | acc | portable document clothes | -
ab|sagen sagt gesagt | cancel | acc | event | p
verschieben verschiebt verschoben | postpone | acc | event | p
erklären erklärt erklärt | explain | dat acc | idea | gm
zeigen zeigt gezeigt | show | dat acc | document picture room | g
schicken schickt geschickt | send | dat acc | document gift signed | -
leihen leiht geliehen | lend | dat acc | portable road | -
empfehlen empfiehlt empfohlen | recommend | dat acc | sight food | -
schenken schenkt geschenkt | give | dat acc | gift clothes picture | g
erzählen erzählt erzählt | tell | dat acc | story | g
lösen löst gelöst | solve | acc | puzzle | gpm
beantworten beantwortet beantwortet | answer | acc | question letter | pm
lieben liebt geliebt | love | acc | person animal | dn
brauchen braucht gebraucht | need | acc | device clothes portable room spare | dn
verlassen verlässt verlassen | leave | acc | place | m
betreten betritt betreten | enter | acc | building room | m
füttern füttert gefüttert | feed | acc | animal | gp
schießen schießt geschossen | score | acc | score | -
helfen hilft geholfen | help | dat | person | g
danken dankt gedankt | thank | dat | person | -
zu|hören hört gehört | listen to | dat | person | gm
folgen folgt gefolgt* | follow | dat | person animal transit | ma
zu|stimmen stimmt gestimmt | agree with | dat | person proposal | -
begegnen begegnet begegnet* | run into | dat | person animal | n
antworten antwortet geantwortet | reply to | dat | person | m
warten wartet gewartet | wait for | auf:acc | person transit | dma
denken denkt gedacht | think of | an:acc | person event | gn
nach|denken denkt gedacht | think about | über:acc | idea story | g
sprechen spricht gesprochen | talk to | mit:dat | person | gm
freuen freut gefreut sich | look forward to | auf:acc | event | n
freuen freut gefreut sich | be happy about | über:acc | gift clothes food | n
erinnern erinnert erinnert sich | remember | an:acc | person event place | gn
interessieren interessiert interessiert sich | be interested in | für:acc | sight idea picture | n
kümmern kümmert gekümmert sich | take care of | um:acc | person animal | gd
auf|passen passt gepasst | watch over | auf:acc | animal box | -
lachen lacht gelacht | laugh at | über:acc | story song | -
teil|nehmen nimmt genommen | take part in | an:dat | event | g
träumen träumt geträumt | dream of | von:dat | animal event | n
sitzen sitzt gesessen | sit on | auf:dat | seat | gd
arbeiten arbeitet gearbeitet | work for | bei:dat | employer | gd
ein|steigen steigt gestiegen* | get on | in:acc | transit | m
aus|steigen steigt gestiegen* | get off | aus:dat | transit | m
um|steigen steigt gestiegen* | change trains | - | - | -
schlafen schläft geschlafen | sleep | - | - | da
ein|schlafen schläft geschlafen* | fall asleep | - | - | nma
auf|wachen wacht gewacht* | wake up | - | - | na
lachen lacht gelacht | laugh | - | - | gm
tanzen tanzt getanzt | dance | - | - | g
singen singt gesungen | sing | - | - | gm
spielen spielt gespielt | play | place | - | gma
aus|gehen geht gegangen* | go out | - | - | g
aus|ruhen ruht geruht sich | rest | - | - | da
arbeiten arbeitet gearbeitet | work | place | - | gdm
wohnen wohnt gewohnt | live | home | - | gdn
bleiben bleibt geblieben* | stay | place | - | g
gehen geht gegangen* | go | goal | - | gm
laufen läuft gelaufen* | run | goal | - | ma
fahren fährt gefahren* | drive | goal | - | gm
zurück|kehren kehrt gekehrt* | return | goal | - | m
zurück|fahren fährt gefahren* | drive back | goal | - | m
an|kommen kommt gekommen* | arrive | place | - | n
mit|kommen kommt gekommen* | come along | - | - | g
"""

# The same with the subject's tags in a last field.
OTHER_VERBS = """
stehen steht gestanden | stand | place | - | d | furniture vehicle
stehen steht gestanden | stand | upon | - | d | device box
liegen liegt gelegen | lie | inside | - | d | document gift clothes
hängen hängt gehangen | hang on | an:dat | wall | d | hanging
fahren fährt gefahren* | go | goal | - | - | transit
ab|fahren fährt gefahren* | depart | - | - | - | transit
an|kommen kommt gekommen* | arrive | place | - | - | transit
an|fangen fängt gefangen | begin | - | - | - | event
auf|hören hört gehört | end | - | - | - | event
statt|finden findet gefunden | take place | place | - | - | event
funktionieren funktioniert funktioniert | work | - | - | d | device
kaputt|gehen geht gegangen* | break | - | - | - | device vehicle furniture
ab|lehnen lehnt gelehnt | reject | acc | proposal | p | authority
genehmigen genehmigt genehmigt | approve | acc | proposal | p | authority
verbieten verbietet verboten | ban | acc | event | p | authority
"""
