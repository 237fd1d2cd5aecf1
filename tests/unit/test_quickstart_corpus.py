"""The quickstart's corpus: the same on every Python, split cleanly, and grammatical in both languages."""

import dataclasses
import hashlib
import importlib
import re
from pathlib import Path

import pytest

CORPUS = Path(__file__).resolve().parents[2] / "examples" / "quickstart" / "corpus"

with pytest.MonkeyPatch.context() as patch:  # examples/ is not installed
    patch.syspath_prepend(str(CORPUS))
    generate = importlib.import_module("generate")
    nouns = importlib.import_module("lexicon.nouns")
    verbs = importlib.import_module("lexicon.verbs")
    clause_words = importlib.import_module("lexicon.clause_words")
    english = importlib.import_module("grammar.english")
    clauses = importlib.import_module("grammar.clauses")
    phrases = importlib.import_module("grammar.phrases")
    sentences = importlib.import_module("grammar.sentence")
    draw = importlib.import_module("sampling.draw")
    variants = importlib.import_module("sampling.variants")

SIZES = {"test": 50, "valid": 50, "train": 1500}
SUBORDINATING = "dass|weil|obwohl|ob|damit|bevor|als|nachdem"
PERSONS = ("1s", "3s", "1p", "3p")


@pytest.fixture(scope="module")
def splits():
    return generate.generate(SIZES, seed=1)


@pytest.fixture(scope="module")
def pairs(splits):
    return [pair for split in splits.values() for pair in split]


def verb_of(infinitive, fixed=""):
    return next(verb for verb in verbs.VERBS if verb.infinitive == infinitive and verb.fixed == fixed)


def noun_of(german, tag=""):
    return next(noun for noun in nouns.NOUNS if noun.german == german and (not tag or tag in noun.tags))


def the(german, plural=False, word="der", **options):
    return phrases.noun_phrase(noun_of(german), plural, word, **options)


def clause_of(infinitive, tense="present", direct=None, subject=None, **options):
    """Subject, verb and at most a direct object."""
    parts = (
        [] if direct is None else [clauses.Part(direct.style, direct.german("acc"), direct.english, direct)]
    )
    verb = verb_of(infinitive, options.pop("fixed", ""))
    return clauses.Clause(subject or the("Lehrerin"), verb, tense, tuple(parts), **options)


# The corpus as a whole


def test_same_seed_gives_the_same_bytes_on_every_python():
    text = "\n".join("\t".join(pair) for pair in generate.generate({"test": 300}, seed=1)["test"])
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert digest[:16] == "6f18097664d322b0", "the corpus changed: if on purpose, record its new digest"


def test_another_seed_gives_other_sentences():
    first, second = (generate.generate({"test": 50}, seed)["test"] for seed in (1, 2))
    assert len(set(first) & set(second)) < 5


def test_test_set_does_not_depend_on_the_size_of_train(splits):
    assert generate.generate({**SIZES, "train": 1}, seed=1)["test"] == splits["test"]


def test_splits_have_the_sizes_asked_for_and_share_no_source(splits, pairs):
    assert {split: len(content) for split, content in splits.items()} == SIZES
    assert len({german for german, _ in pairs}) == sum(SIZES.values())


def test_sentences_are_punctuated_and_neither_tiny_nor_huge(pairs):
    lengths = sorted(len(german.split()) for german, _ in pairs)
    assert 9 <= lengths[len(lengths) // 2] <= 14
    for pair in pairs:
        assert pair[0][-1] == pair[1][-1]
        for sentence in pair:
            assert re.fullmatch(r"[A-ZÄÖÜ][\w']*(,? [\w']+)*[.?]", sentence), sentence
            assert 3 <= len(sentence.split()) <= 35


# Several right translations


def test_variants_change_the_english_alone_and_stay_grammatical(pairs):
    drawn = generate.generate({**SIZES, "train": 400}, seed=1, variants=True)
    assert generate.generate({"test": 50}, seed=1, variants=True)["test"] == drawn["test"]
    changed = 0
    both = list(zip(pairs, [pair for split in drawn.values() for pair in split]))
    for (german, plain), (same, variant) in both:
        assert german == same
        changed += plain != variant
        assert re.fullmatch(r"[A-ZÄÖÜ][\w']*(,? [\w']+)*[.?]", variant), variant
        assert not re.search(r"\b(a [aeiou]|an [^aeiou])", variant), variant
    assert 0.4 < changed / len(both) < 0.7


def test_a_synonym_and_its_article_and_the_order_of_clauses_are_drawn():
    sentence = sentences.Sentence("x", "a car is big because it rains", ".", ("because it rains , a car is big",))
    found = {variants.draw_variant(sentence, draw.Draw(seed)).tidied()[1] for seed in range(150)}
    assert {"A car is large because it rains.", "Since it rains, an automobile is big."} <= found
    assert len(found) == 16
    moved = clause_of("schlafen")
    assert moved.english_orders() == ()
    moved = clause_of("schlafen", front="time")
    moved = dataclasses.replace(moved, parts=(clauses.Part("time", "heute", "today"),))
    assert (moved.english(), moved.english_orders()) == ("today , the teacher sleeps", ("the teacher sleeps today",))


def test_synonyms_have_one_sense_in_the_lexicon():
    synonyms = importlib.import_module("lexicon.synonyms").SYNONYMS
    own = {noun.english for noun in nouns.NOUNS} | {noun.english_plural for noun in nouns.NOUNS}
    own |= {verb.english for verb in verbs.VERBS}
    for phrase, choices in synonyms.items():
        assert phrase == choices[0]
        assert not set(choices[1:]) & own, f"{phrase}: {choices} means something else, too"


# Word order


def finite_forms():
    """Every finite form that can end a subordinate clause, prefix included."""
    complement_verbs = clause_words.SPEECH_VERBS + clause_words.WONDERING_VERBS
    complement_verbs += clause_words.SUBJECT_CONTROL_VERBS + clause_words.OBJECT_CONTROL_VERBS
    others = (verbs.SEIN, verbs.WERDEN, verbs.AUSSEHEN, verbs.REGNEN, verbs.GEFALLEN, verbs.SCHMECKEN)
    forms = {form for row in verbs.AUXILIARIES.values() for form in row} | {"gibt", "gab"}
    for verb in (*verbs.VERBS, *complement_verbs, *others):
        forms |= {verb.prefix + verb.present(person) for person in PERSONS}
    return forms


def test_subordinate_clauses_end_with_their_finite_verb(pairs):
    ends = [
        match.group(1)
        for german, _ in pairs
        for match in re.finditer(rf"(?:^|, )(?:{SUBORDINATING}) [^,]* (\w+)\.$", german)
    ]
    assert len(ends) > 200
    assert set(ends) <= finite_forms()


@pytest.mark.parametrize(
    ("infinitive", "tense", "main", "final", "english_words"),
    [
        ("anrufen", "present", "ruft Anna an", "Anna anruft", "calls Anna"),
        ("zurückrufen", "present", "ruft Anna zurück", "Anna zurückruft", "calls Anna back"),
        ("rufen", "present", "ruft Anna", "Anna ruft", "shouts for Anna"),
        ("anrufen", "perfect", "hat Anna angerufen", "Anna angerufen hat", "called Anna"),
        ("anrufen", "wollen", "will Anna anrufen", "Anna anrufen will", "wants to call Anna"),
        ("einladen", "future", "wird Anna einladen", "Anna einladen wird", "will invite Anna"),
        ("abholen", "musste", "musste Anna abholen", "Anna abholen musste", "had to pick up Anna"),
    ],
)
def test_verb_second_and_verb_final(infinitive, tense, main, final, english_words):
    fixed = "for" if infinitive == "rufen" else ""
    clause = clause_of(infinitive, tense, phrases.name_phrase("Anna", "f"), fixed=fixed)
    assert clause.german_main() == f"die Lehrerin {main}"
    assert clause.german_verb_final(lead="weil") == f"weil die Lehrerin {final}"
    assert clause.english() == f"the teacher {english_words}"


def test_separable_prefixes_close_main_clauses_and_join_the_verb_elsewhere():
    separable = [verb for verb in verbs.VERBS if verb.prefix]
    assert len(separable) > 40
    for verb in separable:
        clause = clauses.Clause(the("Hund"), verb, "present")
        assert clause.german_main().endswith(f" {verb.third} {verb.prefix}")
        assert clause.german_verb_final().endswith(f" {verb.prefix}{verb.third}")
        assert clause.german_infinitive() == f"{verb.prefix}zu{verb.base}"


def test_negation_and_questions_need_an_english_auxiliary():
    clause = clause_of("lesen", direct=the("Brief"), negated=True)
    assert clause.english() == "the teacher does not read the letter"
    assert clause.english(inverted=True, lead="why") == "why does the teacher not read the letter"
    assert clause_of("lesen", "müssen", negated=True).english() == "the teacher does not have to read"
    assert clause_of("lesen", "können", negated=True).english() == "the teacher cannot read"


def test_a_fronted_object_returns_to_its_place_in_english():
    clause = clause_of("kaufen", direct=the("Tisch"), front="definite")
    assert clause.german_main() == "den Tisch kauft die Lehrerin"
    assert clause.english() == "the teacher buys the table"


def test_particles_follow_pronouns_and_precede_phrases():
    assert clause_of("aussuchen", direct=the("Tisch")).english() == "the teacher chooses the table"
    assert clause_of("anprobieren", direct=the("Mantel")).english() == "the teacher tries on the coat"
    pronoun = phrases.referring_to(the("Mantel"))
    assert clause_of("anprobieren", direct=pronoun).german_main() == "die Lehrerin probiert ihn an"
    assert clause_of("anprobieren", direct=pronoun).english() == "the teacher tries it on"


# Agreement


@pytest.mark.parametrize(
    ("phrase", "case", "expected"),
    [
        (("Tisch", False, "der"), "acc", "den alten Tisch"),
        (("Tisch", False, "ein"), "nom", "ein alter Tisch"),
        (("Lampe", False, "ein"), "dat", "einer alten Lampe"),
        (("Haus", True, "zwei two"), "nom", "zwei alte Häuser"),
        (("Haus", True, "der"), "dat", "den alten Häusern"),
        (("Student", False, "der"), "acc", "den alten Studenten"),
        (("Arzt", False, "der"), "gen", "des alten Arztes"),
        (("Auto", True, "kein"), "acc", "keine alten Autos"),
    ],
)
def test_articles_adjectives_and_nouns_agree(phrase, case, expected):
    words = importlib.import_module("lexicon.words")
    old = next(adjective for adjective in words.ADJECTIVES if adjective.german == "alt")
    german, plural, word = phrase
    assert the(german, plural, word, adjectives=[old]).german(case) == expected


def test_pronouns_take_the_antecedents_gender():
    table, girl, girls = the("Tisch"), the("Mädchen"), the("Mädchen", plural=True)
    referring = [phrases.referring_to(phrase) for phrase in (table, girl, girls)]
    assert [phrase.german("nom") for phrase in referring] == ["er", "es", "sie"]
    assert [phrase.english_subject for phrase in referring] == ["it", "she", "they"]


def test_sie_is_told_apart_by_the_verb():
    she, they = (phrases.referring_to(the("Lehrerin", plural=plural)) for plural in (False, True))
    sentences_of = [clause_of("schlafen", subject=subject) for subject in (she, they)]
    assert [clause.german_main() for clause in sentences_of] == ["sie schläft", "sie schlafen"]
    assert [clause.english() for clause in sentences_of] == ["she sleeps", "they sleep"]


def test_only_a_distinguishable_object_may_lead():
    woman, child, man = the("Frau"), the("Kind"), the("Mann")
    assert not phrases.distinguishable(woman, child, "acc")
    assert phrases.distinguishable(woman, man, "acc")
    assert phrases.distinguishable(woman, the("Kind", plural=True), "acc")
    assert phrases.distinguishable(woman, the("Lampe"), "acc")  # lamps do not act


# The lexicon


def test_every_compound_translates_into_its_parts():
    built = 0
    for head in nouns.NOUNS:
        for group in head.groups:
            for modifier in nouns.MODIFIERS[group]:
                noun = nouns.compound(modifier, head)
                assert noun.german == modifier.german + head.german.lower()
                assert noun.english == f"{modifier.english} {head.english}"
                assert (noun.gender, noun.tags) == (head.gender, head.tags)
                built += 1
    assert built > 500


def test_compounds_in_the_corpus_are_translated_as_two_words(pairs):
    seen = [english for german, english in pairs if "Gartentür" in german or "Apfelkuchen" in german]
    assert all(re.search(r"garden doors?|apple cakes?", sentence) for sentence in seen)


def test_a_verb_admits_one_sense_of_each_homonym():
    for verb in verbs.VERBS:
        for tags in (verb.objects, verb.subjects):
            senses = {(noun.german, noun.english) for noun in nouns.nouns_with(*tags)}
            assert len(senses) == len({german for german, _ in senses}), verb


def test_no_two_verbs_of_one_form_and_frame_differ_in_english():
    for verb in verbs.VERBS:
        for other in verbs.VERBS:
            alike = verb[:6] == other[:6] and verb.frame == other.frame
            if alike and set(verb.objects) & set(other.objects) and set(verb.subjects) & set(other.subjects):
                assert (verb.english, verb.fixed) == (other.english, other.fixed)


@pytest.mark.parametrize(
    ("verb", "forms"),
    [
        ("read", ("reads", "read", "read", "reading")),
        ("tidy", ("tidies", "tidied", "tidied", "tidying")),
        ("go", ("goes", "went", "gone", "going")),
        ("lie", ("lies", "lay", "lain", "lying")),
        ("stop", ("stops", "stopped", "stopped", "stopping")),
        ("agree", ("agrees", "agreed", "agreed", "agreeing")),
    ],
)
def test_english_verb_forms(verb, forms):
    inflections = (english.third_person, english.past, english.participle, english.gerund)
    assert tuple(inflect(verb) for inflect in inflections) == forms


def test_tidy_attaches_and_drops_commas():
    assert (
        sentences.tidy(", das Buch , das er liest , , gefällt ihr ,", ".")
        == "Das Buch, das er liest, gefällt ihr."
    )


# The command line


def run(output, *options):
    return generate.main(["--output", str(output), "--pairs", "20", "--valid", "3", "--test", "2", *options])


def test_the_command_writes_six_files_and_nothing_else(tmp_path, capsys):
    assert run(tmp_path / "new" / "corpus") == 0
    files = {
        path.name: len(path.read_text("utf-8").splitlines()) for path in (tmp_path / "new/corpus").iterdir()
    }
    assert files == {
        "train.de": 20, "train.en": 20, "valid.de": 3, "valid.en": 3, "test.de": 2, "test.en": 2,
    }  # fmt: skip
    assert "20 pairs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--pairs", "-3"], "argument --pairs: expected an integer of at least 1, got '-3'"),
        (["--valid", "0"], "argument --valid: expected an integer of at least 1, got '0'"),
        (["--test", "many"], "argument --test: expected an integer of at least 1, got 'many'"),
        (["--seed", "-1"], "argument --seed: expected an integer of at least 0, got '-1'"),
        (["--depth", "3"], "unrecognized arguments: --depth 3"),
    ],
)
def test_bad_options_give_one_line_and_status_2(tmp_path, capsys, options, message):
    with pytest.raises(SystemExit, match=r"^2$"):
        run(tmp_path / "corpus", *options)
    assert capsys.readouterr().err == f"generate.py: error: {message}\n"
    assert not (tmp_path / "corpus").exists()


def test_output_is_required(capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        generate.main([])
    assert capsys.readouterr().err == "generate.py: error: the following arguments are required: --output\n"


def test_an_output_that_is_a_file_is_refused(tmp_path, capsys):
    (tmp_path / "corpus").write_text("mine")
    assert run(tmp_path / "corpus") == 2
    assert capsys.readouterr().err == f"generate.py: error: --output {tmp_path / 'corpus'}: File exists\n"
    assert (tmp_path / "corpus").read_text() == "mine"


def test_nothing_is_left_behind_when_a_file_cannot_be_written(tmp_path, capsys):
    (tmp_path / "train.en").mkdir()
    assert run(tmp_path) == 2
    assert "train.en is a directory" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["train.en"]


def test_an_exhausted_grammar_is_an_error_not_an_endless_loop(monkeypatch):
    monkeypatch.setattr(generate, "PATIENCE", 0)
    with pytest.raises(ValueError, match="test: expected 5 new pairs, the grammar has only 0"):
        generate.generate({"test": 5}, seed=1)


def test_nothing_can_be_picked_from_nothing():
    with pytest.raises(ValueError, match="expected at least one item, got none"):
        draw.Draw(1).pick([])
