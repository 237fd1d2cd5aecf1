"""The recipes' data scripts on miniatures of their data sets, and the preparation of text for fairseq."""

import os
import re
import shutil
import subprocess
import wave
from pathlib import Path
from typing import Callable, Dict, List

import pytest
from fairseq import options, tasks
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from sacrebleu import dataset as sacrebleu_sets

from recipes.common.data import bpe, miniature, miniature_text, moses, parallel, sentences, spoken_digits
from tests.integration import cli

SCRIPTS = cli.REPOSITORY / "recipes" / "common" / "data"
SENTENCES = 40
HELD_OUT = 4


def shell(*command: object, fails: bool = False, **environment: object) -> str:
    """Run a bash command with this Python's programs first on the PATH; return its output."""
    path = f"{cli.BIN}{os.pathsep}{os.environ['PATH']}"
    given = {"PATH": path, "WORKERS": "1", **{name: str(value) for name, value in environment.items()}}
    finished = subprocess.run(
        ["bash", *map(str, command)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        env={**{name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}, **given},
    )
    assert (finished.returncode != 0) == fails, finished.stdout
    return finished.stdout


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A function that makes the miniature of a data set, once."""
    folder = tmp_path_factory.mktemp("source")

    def make(name: str) -> Path:
        if not (folder / name).exists():
            miniature.main([name, str(folder / name), "--sentences", str(SENTENCES)])
        return folder / name

    return make


def lines(path: Path) -> List[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def contents(folder: Path) -> Dict[str, bytes]:
    """The files that a script wrote for later steps."""
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def newstests(*years: int) -> Dict[str, int]:
    return {f"newstest{year}": HELD_OUT for year in years}


TWO = {"valid": HELD_OUT, "test": HELD_OUT}
# name, arguments, languages, pairs by split; IWSLT's training text has a title and a description for every 20 sentences
SETS = {
    "grammar": ([], "de en", {"train": SENTENCES, **TWO}),
    "multi30k": ([], "de en", {"train": SENTENCES, **TWO}),
    "iwslt14_de_en": ([], "de en", {"train": 44, "valid": 2, "test": 5 * HELD_OUT}),
    "iwslt15_th_en": ([], "th en", {"train": 46, "valid": 2 * HELD_OUT, "test": 2 * HELD_OUT}),
    "ted": (["tr"], "tr en", {"train": SENTENCES, **TWO}),
    "wmt14_en_fr": ([], "en fr", {"train": SENTENCES, "valid": HELD_OUT, **newstests(2014)}),
    "wmt18_en_de": ([], "en de", {"train": SENTENCES, "valid": HELD_OUT, **newstests(2018)}),
    "wmt16_en_de": (
        [],
        "en de",
        {"train": SENTENCES, "valid": HELD_OUT, **newstests(2010, 2011, 2012, 2013, 2014, 2015, 2016, 2018, 2019)},
    ),
}


def is_translation(pair: Dict[str, str]) -> bool:
    """Whether the two sides are translations: German and English sentences from the same rules of the grammar."""
    other = next(language for language in pair if language != "en")
    if other != "de":
        return miniature_text.RESPELLED[other](pair["en"]).lower() == pair[other].lower()
    drawn = {(german.lower(), english.lower()) for german, english in miniature_text.german_english(0, 600)}
    return (pair["de"].lower(), pair["en"].lower()) in drawn


@pytest.mark.parametrize("name", SETS)
def test_each_set(name: str, source: Callable[[str], Path], tmp_path: Path) -> None:
    arguments, languages, counts = SETS[name]
    text = tmp_path / "text"
    output = shell(
        SCRIPTS / f"{name}.sh", text, *arguments, SOURCE=source(name), CHECKSUMS="skip", SEGMENTER="none"
    )  # fmt: skip
    assert "is used unverified" in output
    for split, count in counts.items():
        sides = {language: lines(text / f"{split}.{language}") for language in languages.split()}
        assert {len(side) for side in sides.values()} == {count}, split
        pairs = [dict(zip(sides, pair)) for pair in zip(*sides.values())]
        everything = "\n".join(line for side in sides.values() for line in side)
        assert not re.search("[\r\u00a0]|  |</?[a-z]|^ | $|^$|zu lang|^kurz$", everything, re.MULTILINE), split
        if not name.startswith("iwslt"):  # which have titles, and Q & A
            assert all(map(is_translation, pairs)), split
    assert not list(text.glob("*.part"))


@pytest.mark.parametrize("name", ["wmt16_en_de", "wmt18_en_de"])
def test_the_longest_pair(name: str, tmp_path: Path) -> None:
    for given, longest in (("", 80), ("50", 50)):
        printed = shell(SCRIPTS / f"{name}.sh", tmp_path / "text", DRY_RUN="1", LONGEST=given)
        assert f"/train en de --longest {longest} " in printed


def test_iwslt_keeps_fairseqs_split(source: Callable[[str], Path], tmp_path: Path) -> None:
    shell(SCRIPTS / "iwslt14_de_en.sh", tmp_path, SOURCE=source("iwslt14_de_en"), CHECKSUMS="skip")
    train, valid, test = (lines(tmp_path / f"{split}.en") for split in ("train", "valid", "test"))
    original = [pair[1] for pair in miniature.training("de", "en", SENTENCES)]
    assert original[0].lower() == train[2] == train[0].replace("miniature: ", "") == train[1].replace("about ", "")
    kept = [" ".join(line.lower().split()) for line in original if line.strip()]
    together = sorted(train + valid)
    assert all(line in together for line in kept if not line.startswith(("there is nothing", "too long", "not short")))
    # every 23rd of what is left, in its order: the second talk begins after line 22
    whole = train[:22] + valid[:1] + train[22:44] + valid[1:]
    assert valid == [whole[22], whole[45]]
    assert test[0].endswith("q & a, it's") and test[0] == test[0].lower()


def test_wikitext(source: Callable[[str], Path], tmp_path: Path) -> None:
    shell(SCRIPTS / "wikitext103.sh", tmp_path, SOURCE=source("wikitext103"), CHECKSUMS="skip")
    assert lines(tmp_path / "train.tokens")[:3] == [" ", " = Miniature 0 = ", " "]
    assert len(lines(tmp_path / "valid.tokens")) == len(lines(tmp_path / "test.tokens")) == HELD_OUT + 3


def test_spoken_digits_are_archives_of_librispeech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("kaldi_native_fbank")
    program = tmp_path / "bin/espeak-ng"
    program.parent.mkdir()
    monkeypatch.setenv("PATH", str(program.parent))
    with pytest.raises(ValueError, match="^espeak-ng: no such program, expected on the PATH"):
        spoken_digits.main([str(tmp_path)])
    with pytest.raises(ValueError, match="^--utterances 19: expected at least 20"):
        spoken_digits.main([str(tmp_path), "--utterances", "19"])
    sound = tmp_path / "sound.wav"
    with wave.open(str(sound), "wb") as file:
        file.setparams((1, 2, spoken_digits.RATE, 0, "NONE", ""))
        file.writeframes(b"\0\1" * spoken_digits.RATE)
    program.write_text(f"#!/bin/sh\nexec /bin/cat {sound}\n")
    program.chmod(0o755)
    for folder in ("first", "again"):
        spoken_digits.main([str(tmp_path / folder), "--utterances", "20"])
    archives = {path.name: path.read_bytes() for path in (tmp_path / "first").iterdir()}
    assert archives == {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()}
    monkeypatch.undo()
    shell(
        SCRIPTS / "librispeech.sh", tmp_path / "text", SOURCE=tmp_path / "first", CHECKSUMS="skip", VOCABULARY=30,
        SPLITS="train-clean-100 test-clean", MASKED=0.1,
    )  # fmt: skip
    rows = [row.split("\t") for row in lines(tmp_path / "text/train-clean-100.tsv")][1:]
    assert len(rows) == 20
    assert {word for row in rows for word in row[3].upper().split()} == set(spoken_digits.DIGITS)
    assert "time_mask_p: 0.1" in (tmp_path / "text/config.yaml").read_text()


def test_librispeech_is_data_of_the_speech_task(source: Callable[[str], Path], tmp_path: Path) -> None:
    pytest.importorskip("kaldi_native_fbank")
    shell(
        SCRIPTS / "librispeech.sh", tmp_path, SOURCE=source("librispeech"), CHECKSUMS="skip", VOCABULARY=40,
        SPLITS="train-clean-100 test-other",
    )  # fmt: skip
    subset = "train-clean-100"  # whose letters are all among the pieces
    arguments = options.parse_args_and_arch(
        options.get_generation_parser(),
        [str(tmp_path), "--task", "speech_to_text", "--config-yaml", "config.yaml", "--gen-subset", subset],
    )
    task = tasks.setup_task(arguments)
    task.load_dataset(subset)
    dataset = task.datasets[subset]
    rows = [row.split("\t") for row in lines(tmp_path / f"{subset}.tsv")]
    assert len(dataset) == len(rows) - 1 == 5
    for number, (utterance, _, frames, said, speaker) in enumerate(rows[1:]):
        example = dataset[number]
        assert example.source.shape == (int(frames), 80)
        pieces = task.target_dictionary.string(example.target)
        assert pieces.replace(" ", "").replace("▁", " ").strip() == said == said.lower()
        assert utterance.startswith(f"{speaker}-7-")
        assert abs(int(frames) - 5 * len(said)) < 4  # a letter sounds five frames long


def test_again_and_after_a_kill(source: Callable[[str], Path], tmp_path: Path) -> None:
    def run() -> str:
        return shell(SCRIPTS / "iwslt14_de_en.sh", tmp_path, SOURCE=source("iwslt14_de_en"), CHECKSUMS="skip")

    run()
    whole = contents(tmp_path)
    assert run() == f"{tmp_path}: exists already\n"
    (tmp_path / ".done").unlink()
    (tmp_path / "train.de").rename(tmp_path / "train.de.part")  # killed between the two sides' renaming
    with (tmp_path / "train.en.part").open("w") as half:
        half.write("Half a sen")
    shutil.rmtree(tmp_path / "original")
    run()
    assert contents(tmp_path) == whole


def test_a_dry_run_prints_all_and_makes_nothing(tmp_path: Path) -> None:
    for script in sorted(SCRIPTS.glob("*.sh")):
        arguments = ["pt"] if script.stem == "ted" else []
        output = shell(script, tmp_path / "text", *arguments, DRY_RUN=1, SEGMENTER="false")
        made = "generate.py" if script.stem == "grammar" else "curl --fail"  # it is generated
        assert made in output and "touch" in output, script
        assert not (tmp_path / "text").exists(), script


def test_what_is_wrong_with_a_file_is_said(source: Callable[[str], Path], tmp_path: Path) -> None:
    script, text = SCRIPTS / "iwslt14_de_en.sh", tmp_path / "text"
    output = shell(script, text, SOURCE=source("iwslt14_de_en"), fails=True)
    assert re.fullmatch(r"error: \S*/de-en.tgz: its md5 is \w+, expected 10936d\w+; it is damaged or [^\n]*\n", output)
    output = shell(script, text, SOURCE=tmp_path, fails=True)
    assert output.startswith(f"error: SOURCE={tmp_path} has no de-en.tgz (https://dl.fbaipublicfiles.com")
    output = shell(script, text, SOURCE=tmp_path / "none", fails=True)
    assert output == f"error: SOURCE={tmp_path}/none: no such folder\n"
    thai = SCRIPTS / "iwslt15_th_en.sh"
    output = shell(thai, text, IWSLT15_URL=f"file://{tmp_path}/gone.tgz", SEGMENTER="none", fails=True)
    assert output.count("error:") == 1 and "wit3.fbk.eu/2015-01" in output and "set SOURCE=folder" in output


def test_thai_needs_a_segmenter_that_works(tmp_path: Path) -> None:
    script, text = SCRIPTS / "iwslt15_th_en.sh", tmp_path / "text"
    expected = {
        "": "SEGMENTER: expected a command that reads Thai text and writes its words",
        "exit 3": "SEGMENTER=exit 3: failed with status 3 on a Thai sentence",
        "cat": "SEGMENTER=cat: wrote '.*' for a Thai sentence; expected several words with spaces between them",
        "tr ' ' x; echo a b": "SEGMENTER=tr ' ' x; echo a b: wrote several lines for a Thai sentence; expected one",
        "sed 's/./& /g'": "cannot download th-en.tgz from file://gone",
    }
    for command, message in expected.items():
        output = shell(script, text, SEGMENTER=command, IWSLT15_URL="file://gone", fails=True)
        assert re.search(f"^error: {message}", output, re.MULTILINE) and output.count("error:") == 1, output
    # for check.py: all that is wrong, and which file is needed
    output = shell(script, text, SEGMENTER="cat", SOURCE=tmp_path / "none", DRY_RUN="data", fails=True)
    assert re.findall(r"^error: (\S+)", output, re.MULTILINE) == [f"SOURCE={tmp_path}/none:", "SEGMENTER=cat:"]
    assert f"need {tmp_path}/none/th-en.tgz https://wit3.fbk.eu/" in output


def test_source_can_be_given_after_a_dead_link(source: Callable[[str], Path], tmp_path: Path) -> None:
    site, text = tmp_path / "site", tmp_path / "text"
    shutil.copytree(str(source("multi30k")), str(site))
    (tmp_path / "others").mkdir()
    (last,) = site.glob("test_2016_flickr.en*")
    last.rename(tmp_path / "others" / last.name)
    script, url = SCRIPTS / "multi30k.sh", f"file://{site}"
    output = shell(script, text, MULTI30K_URL=url, CHECKSUMS="skip", fails=True)
    assert f"Put {last.name} into {text}/downloads, or set SOURCE=folder, a folder with all files that are" in output
    shutil.rmtree(str(site))
    shell(script, text, MULTI30K_URL=url, CHECKSUMS="skip", SOURCE=tmp_path / "others")
    assert len(lines(text / "train.de")) == SENTENCES and len(lines(text / "test.en")) == HELD_OUT


def test_a_download_is_resumed_and_verified(source: Callable[[str], Path], tmp_path: Path) -> None:
    original = source("iwslt14_de_en") / "de-en.tgz"
    half = original.read_bytes()[:500]
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads" / "de-en.tgz.part").write_bytes(half)
    digest = subprocess.run(["md5sum", str(original)], stdout=subprocess.PIPE, encoding="ascii").stdout.split()[0]

    def run(text: str, checksum: str, fails: bool = False) -> str:
        return shell(
            SCRIPTS / "iwslt14_de_en.sh", tmp_path / text, fails=fails, IWSLT14_CHECKSUM=checksum,
            IWSLT14_URL=f"file://{original}", DOWNLOADS=tmp_path / "downloads",
        )  # fmt: skip

    output = run("a", "md5:0", fails=True)
    assert "expected 0" in output
    assert not (tmp_path / "downloads" / "de-en.tgz").exists()
    (tmp_path / "downloads" / "de-en.tgz.part").write_bytes(half)
    run("b", f"md5:{digest}")
    assert (tmp_path / "downloads" / "de-en.tgz").read_bytes() == original.read_bytes()


def test_cleaning(tmp_path: Path) -> None:
    assert sentences.clean("\ufeff a\u00a0b \t c\u200b\u2028d\x00\r") == "a b c d"
    (tmp_path / "a.de").write_bytes("eins\u2028zwei\r\n\ndrei\n".encode())
    (tmp_path / "a.en").write_bytes(b"one two\n\nthree")
    pairs = list(parallel.aligned([str(tmp_path / "a.de")], [str(tmp_path / "a.en")]))
    assert pairs == [("eins zwei", "one two"), ("", ""), ("drei", "three")]
    (tmp_path / "a.en").write_bytes(b"one two\n")
    with pytest.raises(ValueError, match="a.en ends after sentence 1, .*a.de goes on: they are not parallel"):
        list(parallel.aligned([str(tmp_path / "a.de")], [str(tmp_path / "a.en")]))
    assert [parallel.fits(pair, 10, 1.5) for pair in ((2, 3), (2, 4), (0, 0), (11, 10))] == [True, False, False, False]


def test_checksums_of_test_sets_are_sacrebleus() -> None:
    given = re.findall(r"(20\d\d)\) checksum=md5:(\w+)", (SCRIPTS.parent / "wmt.sh").read_text())
    assert len(given) == 10
    for year, digest in given:
        name = "wmt14/full" if year == "2014" else f"wmt{year[2:]}"
        assert sacrebleu_sets.DATASETS[name].md5 == [digest]


SIMPLE = (
    "The doctor's bag, which is red, wasn't here.",
    'She said: "Where is it?" (Nobody knew.)',
    "A well-known man paid 1,000.50 for it; isn't that odd?",
)


@pytest.fixture(scope="module")
def text(source: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clean text whose test set has some punctuation."""
    folder = tmp_path_factory.mktemp("prepare") / "text"
    shell(SCRIPTS / "multi30k.sh", folder, SOURCE=source("multi30k"), CHECKSUMS="skip")
    for split in ("train", "test"):
        for language in ("de", "en"):
            with (folder / f"{split}.{language}").open("a", encoding="utf-8") as more:
                more.writelines(f"{line}\n" for line in SIMPLE)
    return folder


def prepared(text: Path, work: Path, kind: str, vocabulary: int, *more: str, workers: int = 1) -> List[str]:
    """Run ``prepare``, with fairseq-preprocess in a fork; return the options that detokenise its text."""
    commands = work / "commands"
    commands.mkdir(parents=True)
    stub = commands / "fairseq-preprocess"
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\nfor last; do :; done\nmkdir -p "$last"\n')  # --destdir
    stub.chmod(0o755)
    script = f'. "{SCRIPTS.parent}/run.sh"; . "{SCRIPTS.parent}/prepare.sh"; PATH="{commands}:$PATH"; prepare "$@"'
    shell("-c", script, "-", text, work, "de", "en", kind, vocabulary, *more, WORKERS=workers)
    (work / "bin" / ".done").unlink()
    (work / "bin").rmdir()
    cli.run("fairseq-preprocess", *lines(work / "preprocess.log"))
    decode = f'. "{SCRIPTS.parent}/run.sh"; . "{SCRIPTS.parent}/prepare.sh"; decode_options {kind} de en'
    return shell("-c", decode).split()


@pytest.mark.parametrize(("kind", "more"), [("sentencepiece", []), ("bpe", ["--split-hyphens"]), ("words", [])])
def test_prepared_text_comes_back(kind: str, more: List[str], text: Path, tmp_path: Path) -> None:
    decode = prepared(text, tmp_path, kind, 150 if kind != "words" else 400, "--tests", "test,valid", *more)
    parser = options.get_generation_parser()
    cfg = convert_namespace_to_omegaconf(options.parse_args_and_arch(parser, [str(tmp_path / "bin"), *decode]))
    task = tasks.setup_task(cfg.task)
    assert (task.source_dictionary == task.target_dictionary) == (kind != "words")
    tokenizer = task.build_tokenizer(cfg.tokenizer)
    for subset, name in (("test", "test"), ("test1", "valid")):
        task.load_dataset(subset)
        dataset = task.datasets[subset]
        back = []
        for number in range(len(dataset)):
            string = task.target_dictionary.string(dataset[number]["target"], cfg.common_eval.post_process)
            back.append(tokenizer.decode(string) if tokenizer else string)
        original = lines(text / f"{name}.en")
        assert len(back) == len(original)
        whole = [pair for pair in zip(back, original) if "<unk>" not in pair[0]]
        assert len(whole) >= (len(SIMPLE) if subset == "test" else 0)
        assert all(one == another for one, another in whole), whole
    if kind == "sentencepiece":
        assert len(back) == HELD_OUT


def test_preparation_does_not_depend_on_workers(text: Path, tmp_path: Path) -> None:
    results = []
    for workers in ("1", "2"):
        tokens, pieces = tmp_path / f"tokens{workers}", tmp_path / f"pieces{workers}"
        moses.main([str(text), str(tokens), "--lowercase", "--workers", workers])
        bpe.main([str(tokens), str(pieces), "--merges", "100", "--workers", workers])
        results.append((contents(tokens), contents(pieces)))
    assert results[0] == results[1]
    in_tokens, in_pieces = results[0]
    assert b"She" not in in_tokens["train.en"] and b"@@ " in in_pieces["train.en"]
