"""The parts of ``fairseq-flexdepth params`` that need no model; the rest is in tests/integration."""

import pytest

from fairseq_flexdepth.cli.fairseq_options import _refuse, split_user_dirs
from fairseq_flexdepth.cli.main import main
from fairseq_flexdepth.cli.params import ParameterCounts, table, vocabulary_sizes
from fairseq_flexdepth.cli.training_model import write_dictionary


@pytest.mark.parametrize(
    ("given", "sizes"),
    [
        ((100, None, None), (100, 100)),
        ((None, 100, 80), (100, 80)),
        ((100, None, 80), (100, 80)),
        ((100, 90, 80), (90, 80)),
    ],
)
def test_vocabulary_sizes(given, sizes):
    assert vocabulary_sizes(*given) == sizes


MISSING = "--vocab-size: required unless --source-vocab-size and --target-vocab-size are given"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], MISSING),
        (["--source-vocab-size", "100"], MISSING),
        (["--target-vocab-size", "100"], MISSING),
        (["--vocab-size", "4"], "--vocab-size 4: expected 5 or more, special symbols included"),
        (
            ["--vocab-size", "9", "--target-vocab-size", "-1"],
            "--target-vocab-size -1: expected 5 or more, special symbols included",
        ),
    ],
)
def test_bad_vocabulary_sizes(arguments, message, capsys):
    assert main(["params", "--arch", "transformer", *arguments]) == 2
    assert capsys.readouterr() == ("", f"fairseq-flexdepth params: error: {message}\n")


@pytest.mark.parametrize("size", [5, 10, 1000])
def test_a_dictionary_file_leaves_room_for_the_special_symbols(size, tmp_path):
    write_dictionary(tmp_path / "dict.txt", size)
    lines = (tmp_path / "dict.txt").read_text().splitlines()
    assert len(set(lines)) == len(lines) == size - 4


@pytest.mark.parametrize(
    ("arguments", "rest", "user_dirs"),
    [
        (["--arch", "a"], ["--arch", "a"], []),
        (["--user-dir", "fairseq_flexdepth", "--arch", "a"], ["--arch", "a"], []),
        (["--arch", "a", "--user-dir=/here/fairseq_flexdepth/"], ["--arch", "a"], []),
        (["--user-dir", "mine", "--user-dir=/other"], [], ["mine", "/other"]),
    ],
)
def test_split_user_dirs(arguments, rest, user_dirs):
    assert split_user_dirs(arguments) == (rest, user_dirs)


@pytest.mark.parametrize("arguments", [["--arch", "a", "--user-dir"], ["--user-dir="]])
def test_user_dir_without_a_value(arguments):
    with pytest.raises(ValueError, match="^--user-dir: expected a directory$"):
        split_user_dirs(arguments)


def test_a_long_list_of_choices_is_cut_to_the_similar_ones():
    choices = ", ".join(repr(f"name_{letter}") for letter in "abcdefghijklmnopqrstuvwxyz" * 2)
    with pytest.raises(ValueError, match=r"^--arch nam_a: unknown name; did you mean name_a"):
        _refuse(f"argument --arch/-a: invalid choice: 'nam_a' (choose from {choices})")
    with pytest.raises(ValueError, match=r"^--arch q: unknown name; see fairseq-train --help$"):
        _refuse(f"argument --arch/-a: invalid choice: 'q' (choose from {choices})")


def test_other_messages_of_a_parser_stay_as_they_are():
    message = "argument --ddp-backend: invalid choice: 'x' (choose from 'c10d', 'legacy_ddp')"
    with pytest.raises(ValueError, match="c10d', 'legacy_ddp'"):
        _refuse(message)


def test_table():
    counts = ParameterCounts(embeddings=16777216, encoder=18914304, decoder=25224192)
    assert table(counts).splitlines() == [
        "total               60,915,712     60.9M",
        "embeddings          16,777,216     16.8M",
        "encoder             18,914,304     18.9M",
        "decoder             25,224,192     25.2M",
        "with adam moments  182,747,136    182.7M",
    ]
