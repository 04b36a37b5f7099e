"""Reads pickles of numbers, text, lists, dicts and numpy arrays without running anything that they name.

A pickle is a program that may call whatever it likes. Here it finds nothing but the few names with which numpy
describes an array, and behind each of them a stand-in that only keeps bytes; any other name ends the reading. So
numpy is not needed either.
"""

import contextlib
import math
import pickle

from .errors import DataError


class PickleError(Exception):
    """A pickle that is damaged, or asks for more than arrays; the text says what was found."""


def as_text(value):
    """Text, where Python 2 wrote bytes."""
    return value.decode("latin1") if isinstance(value, bytes) else value


class Kind:
    """Stands in for numpy.dtype: `code` is a letter and the bytes of an element, as in u1; `order` is <, > or |."""

    def __init__(self, code, *_):
        self.code, self.order = as_text(code), "|"

    def __setstate__(self, state):
        self.order = as_text(state[1])

    @property
    def bytes_each(self):
        if self.code[:1] not in ("i", "u", "f", "b") or not self.code[1:].isdigit():
            raise PickleError(f"an array of {ascii(self.code)}")
        return int(self.code[1:])


class Array:
    """Stands in for numpy.ndarray: `shape`, `kind`, and the elements as the bytes `data`, the last axis fastest."""

    def __init__(self, *_):
        self.shape, self.kind, self.data = (), None, b""

    def __setstate__(self, state):
        _, self.shape, self.kind, last_axis_slowest, self.data = state
        if not isinstance(self.kind, Kind) or not isinstance(self.data, (bytes, bytearray)):
            raise PickleError("an array of Python objects")
        if last_axis_slowest and len(self.shape) > 1:
            raise PickleError("an array whose last axis is slowest")
        if len(self.data) != math.prod(self.shape) * self.kind.bytes_each:
            raise PickleError(f"an array of shape {self.shape} with {len(self.data)} bytes")

    def integers(self):
        """The elements of an array of integers, flat."""
        if self.kind is None or self.kind.code[0] not in "iu":
            raise PickleError("an array that is not of integers")
        size, signed = self.kind.bytes_each, self.kind.code[0] == "i"
        order = "big" if self.kind.order == ">" else "little"
        starts = range(0, len(self.data), size)
        return [int.from_bytes(self.data[start : start + size], order, signed=signed) for start in starts]


def array_from_buffer(buffer, kind, shape, order):
    """Stands in for numpy's _frombuffer, of which protocol 5 makes use."""
    array = Array()
    array.__setstate__((1, shape, kind, as_text(order) == "F", buffer))
    return array


def integer(kind, data):
    """Stands in for numpy's scalar."""
    array = Array()
    array.__setstate__((1, (1,), kind, False, data))
    return array.integers()[0]


def encode(text, encoding):
    """Stands in for _codecs.encode, by which Python 3 writes bytes for Python 2."""
    if as_text(encoding) != "latin1":
        raise PickleError(f"bytes encoded as {ascii(encoding)[:80]}")
    return text.encode("latin1")


STAND_INS = {("numpy", "ndarray"): Array, ("numpy", "dtype"): Kind, ("_codecs", "encode"): encode}
for core in ("numpy.core", "numpy._core"):
    STAND_INS[core + ".multiarray", "_reconstruct"] = Array
    STAND_INS[core + ".multiarray", "scalar"] = integer
    STAND_INS[core + ".numeric", "_frombuffer"] = array_from_buffer
for range_name in (("builtins", "range"), ("__builtin__", "range"), ("__builtin__", "xrange")):
    STAND_INS[range_name] = range


def stand_in(module, name):
    try:
        return STAND_INS[module, name]
    except KeyError:
        raise PickleError(f"a call of {ascii(f'{module}.{name}')[1:-1][:80]}, which was not run") from None


class Unpickler(pickle.Unpickler):
    def find_class(self, module, name):
        return stand_in(module, name)


class Memo(dict):
    """What a pickle may come back to, without the long bytes and what holds them: an array's bytes are named once."""

    LONG = 256

    def __setitem__(self, key, value):
        parts = value if isinstance(value, tuple) else (value,)
        forget = any(isinstance(part, (bytes, bytearray, str)) and len(part) > self.LONG for part in parts)
        super().__setitem__(key, None if forget else value)


class StreamUnpickler(pickle._Unpickler):
    """Hands on each array when it has been read, and keeps none. The unpickler of the standard library that is
    written in Python, since that in C holds all that it read until the end."""

    def __init__(self, file, take):
        super().__init__(file, encoding="bytes")
        self.memo = Memo()

        class Taken(Array):
            def __setstate__(self, state):
                super().__setstate__(state)
                take(self)
                self.data = b""

        self.array = Taken

    def find_class(self, module, name):
        found = stand_in(module, name)
        return self.array if found is Array else found


@contextlib.contextmanager
def damage_named():
    """Turns what a damaged pickle raises, which can be almost anything, into a PickleError."""
    try:
        yield
    except (PickleError, DataError, OSError):
        raise
    except MemoryError:
        raise PickleError("more than fits into memory") from None
    except Exception as error:
        raise PickleError(f"a damaged pickle ({type(error).__name__})") from error


def load(file):
    """What the pickle in the binary file says; its arrays are Array, and text of Python 2 comes as bytes.

    Throws PickleError.
    """
    with damage_named():
        return Unpickler(file, encoding="bytes").load()


def each_array(file, take):
    """Calls take(Array) for every array of the pickle in the binary file, in order, in the memory of one of them.

    Throws PickleError, and what `take` throws of DataError and OSError.
    """
    with damage_named():
        StreamUnpickler(file, take).load()
