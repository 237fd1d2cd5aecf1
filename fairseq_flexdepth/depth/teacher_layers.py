"""Which teacher layers each student layer learns from (ckd §3: the mapper M; pkd).

The paper's four combinations (§4) are for 6 teacher and 2 student layers; its Figure 2, for 5 and 2, has another CC,
1:1+3+5,2:2+4. Here they follow from the student's *chunks*: the teacher's layers cut into as many runs of neighbours as
the student has layers.
"""

from typing import Dict, List, Tuple

LayerMapping = Dict[int, Tuple[int, ...]]  # student layer → teacher layers, all counted from 1

COMBINATIONS = ("rc", "oc", "sc", "cc")
_FORM = "student:teacher+teacher,..., for instance 1:1+2+3,2:4+5+6"


def map_layers(mapping: str, teacher: int, student: int, option: str = "--ckd-mapping") -> LayerMapping:
    """The teacher layers of every student layer that is taught.

    - ``rc``, regular: each student layer learns from its chunk (6→2: 123, 456).
    - ``oc``, overlap: its chunk and the layers next to it (1234, 3456).
    - ``sc``, skip: its chunk without the layers next to other chunks, as long as one is left (12, 56).
    - ``cc``, cross: every other layer of its chunk, counted back from the last (13, 46).
    - explicit, ``1:1+2+3,2:4+5+6``; a student layer left out is not taught.

    Args:
        mapping: a combination's name, or an explicit mapping.
        teacher: the teacher's number of layers.
        student: the student's number of layers.
        option: the option to blame.

    Raises:
        ValueError: the student has more layers than the teacher; or the mapping is neither a known name nor well
            formed, or names layers that are not there.
    """
    if mapping not in COMBINATIONS:
        return _explicit(mapping, teacher, student, option)
    chunks = _chunks(teacher, student, f"{option} {mapping}")
    return {layer: tuple(_combined(mapping, chunk, teacher)) for layer, chunk in enumerate(chunks, start=1)}


def skip_mapping(teacher: int, student: int, option: str = "--criterion pkd") -> LayerMapping:
    """PKD's: every student layer learns from the last layer of its chunk (6→2: 3, 6).

    Raises:
        ValueError: the student has more layers than the teacher.
    """
    return {layer: (chunk[-1],) for layer, chunk in enumerate(_chunks(teacher, student, option), start=1)}


def _chunks(teacher: int, student: int, option: str) -> List[List[int]]:
    if student > teacher:
        raise ValueError(f"{option}: the student has {student} layers, more than the teacher's {teacher}")
    ends = [layer * teacher // student for layer in range(student + 1)]
    return [list(range(start + 1, end + 1)) for start, end in zip(ends, ends[1:])]


def _combined(combination: str, chunk: List[int], teacher: int) -> List[int]:
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
    layers: LayerMapping = {}
    for part in mapping.split(","):
        own, colon, others = part.partition(":")
        numbers = [own, *others.split("+")]
        if not colon or not all(number.strip().isdecimal() for number in numbers):
            # YAML 1.1 takes 1:2 for 62, as minutes and seconds.
            quotes = "; in YAML it needs quotes, which keep 1:2 from being a number" if mapping.isdecimal() else ""
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
