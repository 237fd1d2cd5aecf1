"""The teacher layers that each student layer learns from."""

from typing import Tuple

import pytest

from fairseq_flexdepth.depth.teacher_layers import COMBINATIONS, map_layers, skip_mapping


@pytest.mark.parametrize(
    ("mapping", "first", "second"),
    [
        ("rc", (1, 2, 3), (4, 5, 6)),
        ("oc", (1, 2, 3, 4), (3, 4, 5, 6)),
        ("sc", (1, 2), (5, 6)),
        ("cc", (1, 3), (4, 6)),
        ("1:1+3+5,2:2+4", (1, 3, 5), (2, 4)),
    ],
)
def test_six_to_two_is_the_papers(mapping: str, first: Tuple[int, ...], second: Tuple[int, ...]) -> None:
    assert map_layers(mapping, 6, 2) == {1: first, 2: second}


def test_pkd_maps_to_the_last_layer_of_each_chunk() -> None:
    assert skip_mapping(6, 2) == {1: (3,), 2: (6,)}
    assert skip_mapping(5, 2) == {1: (2,), 2: (5,)}
    assert skip_mapping(3, 3) == {1: (1,), 2: (2,), 3: (3,)}


@pytest.mark.parametrize("combination", COMBINATIONS)
@pytest.mark.parametrize("teacher", range(1, 13))
def test_every_student_layer_learns_from_its_chunk_at_any_depths(combination: str, teacher: int) -> None:
    for student in range(1, teacher + 1):
        mapping = map_layers(combination, teacher, student)
        regular = map_layers("rc", teacher, student)
        assert list(mapping) == list(range(1, student + 1))
        assert sorted(sum(regular.values(), ())) == list(range(1, teacher + 1))
        for layer, layers in mapping.items():
            assert layers and list(layers) == sorted(set(layers))
            assert layers[0] >= 1
            assert layers[-1] <= teacher
            smaller, larger = sorted((set(regular[layer]), set(layers)), key=len)
            assert smaller <= larger


def test_with_equal_depths_every_student_layer_has_one_layer_in_its_chunk() -> None:
    for combination in ("rc", "sc", "cc"):
        assert map_layers(combination, 4, 4) == {layer: (layer,) for layer in range(1, 5)}
    assert map_layers("oc", 3, 3) == {1: (1, 2), 2: (1, 2, 3), 3: (2, 3)}


def test_a_student_layer_may_be_left_out() -> None:
    assert map_layers("2:6", 6, 2) == {2: (6,)}


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ("xc", "--ckd-mapping xc: expected rc, oc, sc, cc or student:teacher"),
        ("1:", "--ckd-mapping 1:: expected rc"),
        ("1:2+,2:3", "--ckd-mapping 1:2.,2:3: expected rc"),
        ("", "--ckd-mapping : expected rc"),
        ("1:7", "the teacher has layers 1 to 6, not 7"),
        ("1:0", "the teacher has layers 1 to 6, not 0"),
        ("3:1", "the student has layers 1 to 2, not 3"),
        ("1:1,1:2", "names a layer twice"),
        ("1:2+2", "names a layer twice"),
    ],
)
def test_mistakes_are_named(mapping: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        map_layers(mapping, 6, 2)


def test_a_student_deeper_than_its_teacher_is_refused() -> None:
    with pytest.raises(ValueError, match="--ckd-mapping oc: the student has 7 layers, more than the teacher's 6"):
        map_layers("oc", 6, 7)
    with pytest.raises(ValueError, match="--criterion pkd: the student has 7 layers, more than the teacher's 6"):
        skip_mapping(6, 7)
