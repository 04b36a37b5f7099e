"""Data sets that are built as a folder of images by class with a splits.json, which ufo-maml reads as image_folder."""

import json
from dataclasses import dataclass

from .errors import DataError

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Published:
    """What the authors of a data set say of it: classes of each split, and all its images."""

    name: str
    classes: tuple
    images: int


def finish(output, classes, published):
    """Writes splits.json and the checksums of the folder being built.

    `classes`: by split, the number of images of each class by its name. Throws DataError where these are not those of
    the whole data set `published`.
    """
    found = tuple(len(classes[split]) for split in SPLITS)
    images = sum(sum(classes[split].values()) for split in SPLITS)
    if (found, images) != (published.classes, published.images):
        raise DataError(
            f"{output.folder}: need the {counts(published.classes)} classes and {published.images} images of "
            f"{published.name}, found {counts(found)} and {images}"
        )
    table = json.dumps({split: sorted(classes[split]) for split in SPLITS}, indent=1) + "\n"
    output.finish({"splits.json": table.encode()})


def counts(numbers):
    return " / ".join(map(str, numbers))


def report(output, classes, config, terms):
    """Says what was built, its terms, and how to check and use it; `config` is one that trains on it."""
    for split in SPLITS:
        print(f"{output.folder}, {split}: {len(classes[split])} classes, {sum(classes[split].values())} images")
    print(f"{output.manifest}: checksums for --verify, or for sha256sum -c")
    print(terms)
    print(f"Now check that the program reads them: build/release/ufo-maml data verify configs/{config}.json")
