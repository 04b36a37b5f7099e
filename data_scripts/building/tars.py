"""Tars, and what they raise where they are damaged."""

import contextlib
import gzip
import tarfile
import zlib

from .errors import DataError, in_short

DAMAGE = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile)


@contextlib.contextmanager
def whole(place, need="a whole tar"):
    """Turns what reading a damaged tar raises into a DataError that names `place` and what it should be."""
    try:
        yield
    except DAMAGE as error:
        raise DataError(f"{place}: need {need}, found {in_short(error)}") from error
