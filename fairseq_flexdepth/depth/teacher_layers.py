"""The teacher layers that each student layer learns from ([wu2020] §3: the mapper M; [sun2019]: PKD).

[wu2020] §4 defines its four combinations for 6 teacher and 2 student layers. Here they are defined for all sizes by
*chunks*: the teacher's layers cut into as many groups of neighbours as the student has layers. (For 5 and 2 layers,
Figure 2 has another ``cc``, which can be written as 1:1+3+5,2:2+4.)
"""

from typing import Dict, List, Tuple

LayerMapping = Dict[int, Tuple[int, ...]]  # student layer → teacher layers, all counted from 1

COMBINATIONS = ("rc", "oc", "sc", "cc")
_FORM = "student:teacher+teacher,..., for instance 1:1+2+3,2:4+5+6"


def map_layers(mapping: str, teacher: int, student: int, option: str = "--ckd-mapping") -> LayerMapping:
    """Map every student layer to the teacher layers that it learns from.

    - ``rc``, regular: each student layer learns from its chunk (6 to 2 layers: 123, 456).
    - ``oc``, overlap: from its chunk and the layers next to it (1234, 3456).
    - ``sc``, skip: from its chunk without the layers next to other chunks, but from one layer at least (12, 56).
    - ``cc``, cross: from every second layer of its chunk, counted back from the last (13, 46).
    - explicit, such as ``1:1+2+3,2:4+5+6``: a student layer that is not named learns from no teacher layer.

    Args:
        mapping: the name of a combination, or an explicit mapping.
        teacher: the number of teacher layers.
        student: the number of student layers.
        option: option name for error messages.

    Raises:
        ValueError: the student has more layers than the teacher; *mapping* is neither a known name nor an explicit
            mapping; or it names a layer that does not exist, or a layer twice.
    """
    if mapping not in COMBINATIONS:
        return _explicit(mapping, teacher, student, option)
    chunks = _chunks(teacher, student, f"{option} {mapping}")
    return {layer: tuple(_combined(mapping, chunk, teacher)) for layer, chunk in enumerate(chunks, start=1)}


def skip_mapping(teacher: int, student: int, option: str = "--criterion pkd") -> LayerMapping:
    """Map every student layer to the last layer of its chunk (6 to 2 layers: 3, 6), as PKD ([sun2019], PKD-Skip).

    Args:
        teacher: the number of teacher layers.
        student: the number of student layers.
        option: option name for error messages.

    Raises:
        ValueError: the student has more layers than the teacher.
    """
    return {layer: (chunk[-1],) for layer, chunk in enumerate(_chunks(teacher, student, option), start=1)}


def _chunks(teacher: int, student: int, option: str) -> List[List[int]]:
    """Cut the teacher's layers into one chunk of neighbours per student layer."""
    if student > teacher:
        raise ValueError(f"{option}: the student has {student} layers, more than the teacher's {teacher}")
    ends = [layer * teacher // student for layer in range(student + 1)]
    return [list(range(start + 1, end + 1)) for start, end in zip(ends, ends[1:])]


def _combined(combination: str, chunk: List[int], teacher: int) -> List[int]:
    """The teacher layers of a combination, for the student layer with this chunk."""
    first, last = chunk[0], chunk[-1]
    if combination == "oc":
        return list(range(max(first - 1, 1), min(last + 1, teacher) + 1))
    if combination == "sc":
        kept = chunk[:-1] if last < teacher and len(chunk) > 1 else chunk
        return kept[1:] if first > 1 and len(kept) > 1 else kept
    if combination == "cc":
        return chunk[::-1][::2][::-1]
    return chunk


def _explicit(mapping: str, teacher: int, student: int, option: str) -> LayerMapping:
    """Parse an explicit mapping."""
    layers: LayerMapping = {}
    for part in mapping.split(","):
        own, colon, others = part.partition(":")
        numbers = [own, *others.split("+")]
        if not colon or not all(number.strip().isdecimal() for number in numbers):
            # YAML 1.1 reads 1:2 as 62, as minutes and seconds.
            quotes = "; put it in quotes in YAML, which reads 1:2 as the number 62" if mapping.isdecimal() else ""
            raise ValueError(f"{option} {mapping}: expected {', '.join(COMBINATIONS)} or {_FORM}{quotes}")
        layer, *taught_by = map(int, numbers)
        if not 1 <= layer <= student:
            raise ValueError(f"{option} {mapping}: the student has layers 1 to {student}, not {layer}")
        missing = [other for other in taught_by if not 1 <= other <= teacher]
        if missing:
            raise ValueError(f"{option} {mapping}: the teacher has layers 1 to {teacher}, not {missing[0]}")
        if layer in layers or len(set(taught_by)) < len(taught_by):
            raise ValueError(f"{option} {mapping}: names a layer twice")
        layers[layer] = tuple(taught_by)
    return layers
