"""NumPy's arrays and numbers in a checkpoint, for torch's safe loader, which allows none of NumPy's own functions.

fairseq keeps arrays in the meters it saves: ``--eval-bleu`` counts n-grams in them. NumPy's own way to unpickle them is
unsafe: the state of a ``numpy.dtype`` may place fields outside of the array's memory. The classes here take the places
of NumPy's, look at what the file says, and make arrays of numbers alone.
"""

import pickle
import re
from typing import Any, Callable, List, Tuple, Union

import numpy

NUMBERS = re.compile(r"b1|[iu][1248]|f[248]|c8|c16")  # numpy.dtype.str without its byte order


class NumberType:
    """Takes the place of ``numpy.dtype``: the type of numbers of a given size, of either byte order."""

    def __init__(self, name: str, *_: Any) -> None:
        if NUMBERS.fullmatch(name) is None:
            raise pickle.UnpicklingError(f"a NumPy array of type {name}: expected numbers")
        self.dtype = numpy.dtype(name)

    def __setstate__(self, state: Tuple) -> None:
        """Take the byte order, ``<``, ``>`` or ``|``, from the state of a ``numpy.dtype``, and nothing else."""
        self.dtype = self.dtype.newbyteorder(state[1])


class NumberArray(numpy.ndarray):
    """Takes the place of ``numpy.ndarray`` and of the function that makes an empty one; pickled, it is an array again.

    Raises:
        pickle.UnpicklingError: the array's values are no numbers.
        ValueError: there are fewer values than the shape says.
    """

    def __new__(cls, *_: Any) -> "NumberArray":
        return super().__new__(cls, (0,), numpy.int8)

    def __setstate__(self, state: Any) -> None:
        _, shape, kind, column_major, values = state
        array: Any = _array(shape, kind, values, bool(column_major))
        super().__setstate__(array.__reduce__()[2])

    def __reduce__(self) -> Any:
        return self.view(numpy.ndarray).__reduce__()


def number(kind: NumberType, value: bytes) -> Union[bool, int, float, complex]:
    """Takes the place of the function that makes a NumPy scalar: the number that *value* holds."""
    return _array((), kind, value).item()


def _array(shape: Tuple[int, ...], kind: NumberType, values: bytes, column_major: bool = False) -> numpy.ndarray:
    if not isinstance(kind, NumberType) or not isinstance(values, bytes):
        raise pickle.UnpicklingError("a NumPy array whose values are no numbers")
    return numpy.ndarray(shape, kind.dtype, values, order="F" if column_major else "C")


def replacements() -> List[Tuple[Callable, str]]:
    """What takes the place of NumPy's functions, each with the name that files of NumPy 1 or 2 give it."""
    functions: List[Tuple[Callable, str]] = [(NumberType, "numpy.dtype"), (NumberArray, "numpy.ndarray")]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        functions += [(NumberArray, f"{module}._reconstruct"), (number, f"{module}.scalar")]
    return functions
