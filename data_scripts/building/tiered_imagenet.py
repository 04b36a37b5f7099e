"""What tieredImageNet is built from: its authors' pickles, or their lists of classes and ILSVRC2012."""

import contextlib
import csv
import re
import tarfile
from pathlib import Path

from . import array_pickle
from .array_pickle import Array, PickleError, as_text
from .errors import DataError
from .tars import whole

FILES = {"train": "train", "validation": "val", "test": "test"}  # the splits, and what the files are called after
PNG = b"\x89PNG\r\n\x1a\n"


def read_lists(folder):
    """The classes (wnid) of each split, from train.csv, val.csv and test.csv of rows wnid,category.

    Throws DataError.
    """
    result, split_of = {}, {}
    for split, name in FILES.items():
        path = folder / f"{name}.csv"
        if not path.is_file():
            raise DataError(f"{path}: need a CSV file of class and category, found nothing")
        with open(path, newline="", encoding="utf-8", errors="replace") as file:
            rows = [row for row in csv.reader(file) if row]
        for number, row in enumerate(rows, 1):
            if not re.fullmatch(r"n\d{8}", row[0], re.ASCII):
                found = ascii(",".join(row))[:80]
                raise DataError(f"{path}:{number}: need a row as n01530575,n01524359, found {found}")
            if split_of.setdefault(row[0], split) != split:
                other = FILES[split_of[row[0]]]
                raise DataError(f"{path}: need other classes than in {other}.csv, found {row[0]} again")
        result[split] = sorted({row[0] for row in rows})
    return result


class Pickles:
    """The authors' files <split>_images_png.pkl and <split>_labels.pkl, in a folder or in their tar."""

    def __init__(self, source):
        self.source, self.members = source, None
        if not source.is_dir():
            with whole(source, "a folder or a tar of tieredImageNet's pickles"), tarfile.open(source) as tar:
                self.members = {Path(member.name).name: member for member in tar if member.isfile()}

    @contextlib.contextmanager
    def open(self, name):
        """Yields one of the files. What is wrong with it becomes a DataError."""
        try:
            with contextlib.ExitStack() as stack:
                stack.enter_context(whole(self.source))
                if self.members is None:
                    file = stack.enter_context(open(self.source / name, "rb"))
                else:
                    tar = stack.enter_context(tarfile.open(self.source))
                    file = stack.enter_context(tar.extractfile(self.members[name]))
                yield file
        except (FileNotFoundError, KeyError):
            raise DataError(f"{self.source}: need {name}, found none") from None
        except PickleError as error:
            raise DataError(f"{self.source}/{name}: need a pickle of arrays, found {error}") from error

    def labels(self, split):
        """The folder of each image of the split, in order: train000_yorkshire_terrier and so on."""
        name = f"{FILES[split]}_labels.pkl"
        with self.open(name) as file:
            content = array_pickle.load(file)
            try:
                content = {as_text(key): value for key, value in content.items()}
                labels, names = content["label_specific"], content["label_specific_str"]
                labels = labels.integers() if isinstance(labels, Array) else list(labels)
                folders = [folder_of(FILES[split], number, as_text(words)) for number, words in enumerate(names)]
                if any(label < 0 for label in labels):
                    raise IndexError
                return [folders[label] for label in labels]
            except (AttributeError, KeyError, TypeError, IndexError):
                need = "a dict of label_specific and label_specific_str"
                raise DataError(f"{self.source}/{name}: need {need}, found another content") from None

    def each_image(self, split, take):
        """Calls take(number, PNG file) for each image of the split, in order and one at a time."""
        name, count = f"{FILES[split]}_images_png.pkl", 0

        def take_array(array):
            nonlocal count
            data = bytes(array.data)
            if not data.startswith(PNG):
                raise DataError(f"{self.source}/{name}: need arrays that hold PNG files, found another at {count}")
            take(count, data)
            count += 1

        with self.open(name) as file:
            array_pickle.each_array(file, take_array)
        return count


def folder_of(split, number, name):
    """A folder for a class that the authors call, say, 'Yorkshire terrier, a dog'; their names are no file names."""
    words = re.findall(r"[a-z0-9]+", name.partition(",")[0].lower())
    return "_".join([f"{split}{number:03d}", *words])
