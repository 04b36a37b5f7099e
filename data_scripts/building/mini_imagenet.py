"""What Mini-ImageNet is built from beside ILSVRC2012: the published splits, and the cache files."""

import csv
import re

from . import array_pickle
from .errors import DataError

SPLITS = ("train", "val", "test")


def read_split(path):
    """The rows (filename, label) of a published CSV file. Throws DataError."""
    if not path.is_file():
        raise DataError(f"{path}: need a CSV file of filename and label, found nothing")
    with open(path, newline="", encoding="utf-8", errors="replace") as file:
        lines = [tuple(line) for line in csv.reader(file)]
    if lines[:1] != [("filename", "label")]:
        raise DataError(f"{path}: need the header filename,label, found {shown(lines[0] if lines else ())}")
    for number, row in enumerate(lines[1:], 2):
        match = re.fullmatch(r"(n\d{8})(\d{8})\.jpg", row[0], re.ASCII) if len(row) == 2 else None
        if not match or match[1] != row[1] or int(match[2]) < 1:
            raise DataError(f"{path}:{number}: need a row as n0153282900000005.jpg,n01532829, found {shown(row)}")
    if len(lines) < 2:
        raise DataError(f"{path}: need at least one image, found none")
    return lines[1:]


def read_splits(folder):
    """The rows (filename, label) of each split, no image twice and no class in two splits. Throws DataError."""
    result, split_of = {}, {}
    for split in SPLITS:
        path = folder / f"{split}.csv"
        rows = result[split] = read_split(path)
        if len(set(rows)) < len(rows):
            raise DataError(f"{path}: need each image once, found {len(rows) - len(set(rows))} again")
        for label in {label for _, label in rows}:
            if split_of.setdefault(label, split) != split:
                raise DataError(f"{path}: need other classes than in {split_of[label]}.csv, found {label} again")
    return result


def shown(row):
    return ascii(",".join(row))[:80]


def cache_images(path, size):
    """Yields (file name, label, pixels) of every image of a cache file, class by class. Throws DataError."""
    try:
        with open(path, "rb") as file:
            content = array_pickle.load(file)
        content = {array_pickle.as_text(key): value for key, value in content.items()}
        images, classes = content["image_data"], content["class_dict"]
        classes = {array_pickle.as_text(label): as_integers(indices) for label, indices in classes.items()}
    except array_pickle.PickleError as error:
        raise DataError(f"{path}: need a cache file of arrays, found {error}") from error
    except (AttributeError, KeyError, TypeError):
        raise DataError(f"{path}: need a dict of image_data and class_dict, found another content") from None
    shape = getattr(images, "shape", None)
    code = getattr(getattr(images, "kind", None), "code", None)
    if code != "u1" or tuple(shape[1:]) != (size, size, 3):
        raise DataError(f"{path}: need image_data of u1 and shape (N, {size}, {size}, 3), found {code} and {shape}")
    used, length, pixels = set(), size * size * 3, memoryview(images.data)
    for label, indices in classes.items():
        if not isinstance(label, str) or not re.fullmatch(r"[\w-]+", label, re.ASCII):
            raise DataError(f"{path}: need names of classes of letters, digits, - and _, found {ascii(label)[:80]}")
        for place, index in enumerate(indices, 1):
            if not 0 <= index < shape[0] or index in used:
                raise DataError(f"{path}: need each of {shape[0]} images at most once, found {index} in {label}")
            used.add(index)
            yield f"{label}_{place:04d}.png", label, pixels[index * length : (index + 1) * length]
    if not used:
        raise DataError(f"{path}: need at least one image, found none")


def as_integers(indices):
    """The indices of a class, written as a list, a range or an array."""
    indices = indices.integers() if isinstance(indices, array_pickle.Array) else indices
    if not isinstance(indices, range) and not all(isinstance(index, int) for index in indices):
        raise TypeError
    return indices
