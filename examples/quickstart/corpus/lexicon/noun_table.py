"""The nouns: German forms, English translation, and what they can mean and combine with.

Homonyms (Bank, Schloss, Tor, Gericht, Birne, Decke, Leiter) have one entry per sense. Their tags
never overlap, so the verb, the preposition or the article of a sentence decides the sense.
"""

# German, gender (w: weak masculine), plural | English [plural] | tags | modifiers it compounds with
# The first tag chooses the adjectives; "she": the English pronoun; "free": never with a possessive.
NOUNS_TABLE = """
Mann m Männer | man men | person free
Frau f Frauen | woman women | person free
Kind n Kinder | child children | person
Mädchen n Mädchen | girl | person free she
Junge w Jungen | boy | person free
Lehrer m Lehrer | teacher | person | study
Lehrerin f Lehrerinnen | teacher | person | study
Schüler m Schüler | pupil | person
Schülerin f Schülerinnen | pupil | person
Student w Studenten | student | person | study
Studentin f Studentinnen | student | person | study
Arzt m Ärzte | doctor | person
Ärztin f Ärztinnen | doctor | person
Nachbar w Nachbarn | neighbor | person
Nachbarin f Nachbarinnen | neighbor | person
Freund m Freunde | friend | person kin
Freundin f Freundinnen | friend | person kin
Kollege w Kollegen | colleague | person kin
Kollegin f Kolleginnen | colleague | person kin
Kunde w Kunden | customer | person
Leiter m Leiter | manager | person
Gast m Gäste | guest | person
Bruder m Brüder | brother | person kin
Schwester f Schwestern | sister | person kin
Onkel m Onkel | uncle | person kin
Tante f Tanten | aunt | person kin
Hund m Hunde | dog | animal | habitat
Katze f Katzen | cat | animal | habitat
Pferd n Pferde | horse | animal | habitat
Vogel m Vögel | bird | animal | habitat
Tisch m Tische | table | object furniture surface | place material
Stuhl m Stühle | chair | object furniture seat | place material
Schrank m Schränke | cupboard | object furniture container | place material
Regal n Regale | shelf shelves | object furniture surface | place material
Sofa n Sofas | sofa | object furniture seat
Teppich m Teppiche | carpet | object furniture surface
Bank f Bänke | bench benches | object seat | place material
Lampe f Lampen | lamp | object device hanging | place
Uhr f Uhren | clock | object device hanging | place
Bild n Bilder | picture | object picture hanging | topic children
Computer m Computer | computer | object device | school
Radio n Radios | radio | object device
Telefon n Telefone | telephone | object device
Maschine f Maschinen | machine | object device
Kamera f Kameras | camera | object device portable
Schlüssel m Schlüssel | key | object portable | place nested
Koffer m Koffer | suitcase | object portable box container | leather
Tasche f Taschen | bag | object portable box container | leather travel school
Kiste f Kisten | box | object box container | material
Schublade f Schubladen | drawer | object container
Leiter f Leitern | ladder | object portable | material
Geschenk n Geschenke | gift | object portable gift | occasion
Messer n Messer | knife knives | object portable
Teller m Teller | plate | object portable | material
Tasse f Tassen | cup | object portable
Mantel m Mäntel | coat | object clothes | season leather
Kleid n Kleider | dress | object clothes | season occasion
Hemd n Hemden | shirt | object clothes | season
Jacke f Jacken | jacket | object clothes | season leather
Decke f Decken | blanket | object washable
Batterie f Batterien | battery | object spare
Birne f Birnen | bulb | object spare
Tür f Türen | door | object door lock | place material nested
Fenster n Fenster | window | object lock | place nested
Tor n Tore | gate | object door lock | place material
Schloss n Schlösser | lock | object lock
Tor n Tore | goal | object score
Wand f Wände | wall | object wall | place nested
Decke f Decken | ceiling | object wall
Zaun m Zäune | fence | object wall | place material
Auto n Autos | car | object vehicle road
Fahrrad n Fahrräder | bicycle | object vehicle road
Bus m Busse | bus | object vehicle transit | school travel
Zug m Züge | train | object vehicle transit
Boot n Boote | boat | object vehicle built | material
Buch n Bücher | book | document portable text | topic children school subject
Brief m Briefe | letter | document text signed letter | love
Zeitung f Zeitungen | newspaper | document | topic school
Bericht m Berichte | report | document text task | topic work
Roman m Romane | novel | document text | topic love
Gedicht n Gedichte | poem | document text | love
Geschichte f Geschichten | story | document text story | love children
Lied n Lieder | song | document song | love children
Kuchen m Kuchen | cake | food | sweet
Torte f Torten | tart | food | sweet
Suppe f Suppen | soup | food hot | savory
Salat m Salate | salad | food | savory
Pizza f Pizzas | pizza | food | savory
Gericht n Gerichte | dish | food hot | savory
Apfel m Äpfel | apple | food fruit
Birne f Birnen | pear | food fruit
Kartoffel f Kartoffeln | potato | food fruit hot
Kaffee m - | coffee | drink
Tee m - | tea | drink
Milch f - | milk | drink
Geld n - | money | money
Haus n Häuser | house | place building built | place
Schule f Schulen | school | place building | topic
Museum n Museen | museum | place sight building | topic
Kirche f Kirchen | church | place sight building
Schloss n Schlösser | castle | place sight
Garten m Gärten | garden | place | place
Küche f Küchen | kitchen | place room | hotel
Büro n Büros | office | place room
Zimmer n Zimmer | room | place room | hotel
Wohnung f Wohnungen | apartment | place room
Restaurant n Restaurants | restaurant | place building | town
Hotel n Hotels | hotel | place building | town
Bahnhof m Bahnhöfe | station | place at
Markt m Märkte | market | place on | season
Stadt f Städte | city | place town | village
Dorf n Dörfer | village | place town | village
Park m Parks | park | place | town
Brücke f Brücken | bridge | place sight built crossing | material
Bank f Banken | bank | employer
Firma f Firmen | company | employer
Zeitung f Zeitungen | newspaper | employer
Gericht n Gerichte | court | authority
Regierung f Regierungen | government | authority
Frage f Fragen | question | idea question | school
Problem n Probleme | problem | idea puzzle
Aufgabe f Aufgaben | task | idea puzzle task | school subject
Regel f Regeln | rule | idea | school
Idee f Ideen | idea | idea plan
Plan m Pläne | plan | idea plan proposal | work travel
Vorschlag m Vorschläge | proposal | idea proposal
Antrag m Anträge | application | idea proposal signed
Fest n Feste | party | event | season occasion
Konzert n Konzerte | concert | event song | season school
Reise f Reisen | trip | event | season
Prüfung f Prüfungen | exam | event | school subject
Sitzung f Sitzungen | meeting | event | work
"""

# German link form (with its -s-, -n-, -er-) | English | modifier groups
MODIFIERS_TABLE = """
Garten | garden | place
Küchen | kitchen | place
Schul | school | place school
Büro | office | place
Stadt | city | place town habitat
Keller | basement | place
Hotel | hotel | place hotel
Kirchen | church | place
Bahnhofs | station | place
Museums | museum | place town
Wald | forest | place town habitat
Bauern | farm | place habitat
Berg | mountain | town village habitat
Hafen | harbor | place town village
Holz | wooden | material
Glas | glass | material
Metall | metal | material
Stein | stone | material
Plastik | plastic | material
Leder | leather | leather
Kunst | art | topic study
Physik | physics | topic study subject
Chemie | chemistry | topic study subject
Deutsch | German | study subject
Musik | music | topic study
Sport | sports | topic study
Natur | nature | topic
Technik | technology | topic
Geschichts | history | topic study
Reise | travel | topic travel
Kinder | children's | children
Liebes | love | love
Apfel | apple | sweet
Kirsch | cherry | sweet
Nuss | nut | sweet
Pflaumen | plum | sweet
Orangen | orange | sweet
Schokoladen | chocolate | sweet
Zitronen | lemon | sweet
Käse | cheese | savory
Gemüse | vegetable | savory
Fisch | fish | savory
Tomaten | tomato | savory
Pilz | mushroom | savory
Zwiebel | onion | savory
Bohnen | bean | savory
Nudel | noodle | savory
Sommer | summer | season
Winter | winter | season
Herbst | autumn | season
Weihnachts | Christmas | season occasion
Geburtstags | birthday | occasion
Hochzeits | wedding | occasion
Arbeits | work | work
Wochen | weekly | work
Gartenhaus | garden house | nested
Waldhaus | forest house | nested
Stadthaus | city house | nested
Hotelzimmer | hotel room | nested
"""
