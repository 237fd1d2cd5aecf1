"""Read NumPy arrays and numbers in a checkpoint with torch's safe loader, which allows none of NumPy's functions.

fairseq saves arrays in its meters: ``--eval-bleu`` counts n-grams in them. NumPy's own way to unpickle arrays is not
safe: the state of a ``numpy.dtype`` may place fields outside of the array's memory. The safe loader calls the classes
here in place of NumPy's. They check the contents of the file and create arrays of numbers only.
"""

import pickle
import re
from typing import Any, Callable, List, Tuple, Union

import numpy

NUMBERS = re.compile(r"b1|[iu][1248]|f[248]|c8|c16")  # numpy.dtype.str without its byte order


class NumberType:
    """A number type of a given size and byte order; replaces ``numpy.dtype``.

    Args:
        name: NumPy's name of the type, such as ``i8``.

    Raises:
        pickle.UnpicklingError: *name* is not a type of numbers.
    """

    def __init__(self, name: str, *_: Any) -> None:
        if NUMBERS.fullmatch(name) is None:
            raise pickle.UnpicklingError(f"a NumPy array of type {name}: expected numbers")
        self.dtype = numpy.dtype(name)

    def __setstate__(self, state: Tuple) -> None:
        """Set the byte order from the state of a ``numpy.dtype``; the rest of the state is ignored."""
        self.dtype = self.dtype.newbyteorder(state[1])


class NumberArray(numpy.ndarray):
    """An array of numbers; replaces ``numpy.ndarray`` and NumPy's function that creates an empty array.

    Pickled again, it is an ordinary NumPy array.

    Raises:
        pickle.UnpicklingError: the values are not numbers.
        ValueError: there are fewer values than the shape needs.
    """

    def __new__(cls, *_: Any) -> "NumberArray":
        return super().__new__(cls, (0,), numpy.int8)

    def __setstate__(self, state: Any) -> None:
        """Take shape, type and values from the pickled state of an array."""
        _, shape, kind, column_major, values = state
        array: Any = _array(shape, kind, values, bool(column_major))
        super().__setstate__(array.__reduce__()[2])

    def __reduce__(self) -> Any:
        """The pickled form of an ordinary NumPy array."""
        return self.view(numpy.ndarray).__reduce__()


def number(kind: NumberType, value: bytes) -> Union[bool, int, float, complex]:
    """The Python number in the bytes *value*; replaces NumPy's function that creates a scalar."""
    return _array((), kind, value).item()


def _array(shape: Tuple[int, ...], kind: NumberType, values: bytes, column_major: bool = False) -> numpy.ndarray:
    if not isinstance(kind, NumberType) or not isinstance(values, bytes):
        raise pickle.UnpicklingError("a NumPy array whose values are not numbers")
    return numpy.ndarray(shape, kind.dtype, values, order="F" if column_major else "C")


def replacements() -> List[Tuple[Callable, str]]:
    """The replacements of NumPy's functions, each with the name that files of NumPy 1 or NumPy 2 use for it."""
    functions: List[Tuple[Callable, str]] = [(NumberType, "numpy.dtype"), (NumberArray, "numpy.ndarray")]
    for module in ("numpy.core.multiarray", "numpy._core.multiarray"):
        functions += [(NumberArray, f"{module}._reconstruct"), (number, f"{module}.scalar")]
    return functions
