#!/usr/bin/env python3
"""Builds Mini-ImageNet in the layout of Ravi and Larochelle (ICLR 2017) from an ImageNet that you have.

  data_scripts/get_mini_imagenet.py ILSVRC2012_img_train.tar --splits DIR    from ILSVRC2012, or from its folder
  data_scripts/get_mini_imagenet.py mini-imagenet-cache-{train,val,test}.pkl from the cache files in circulation
  data_scripts/get_mini_imagenet.py --verify                                 checks what was built

From ILSVRC2012: the training images as <wnid>/*.JPEG or <wnid>.tar in a folder, or the tar of such tars, and in
--splits the train.csv, val.csv and test.csv from data/miniImagenet of
https://github.com/twitter-research/meta-learning-lstm.
There an image is called n0153282900000005.jpg: its class, and its position, from 1, among all the training images of
the class in the order of the numbers in ImageNet's own file names (n01532829_28.JPEG has 28). The authors did not
write this rule down; it is that of the public scripts (FewShotLearning, mini-imagenet-tools, CloserLookFewShot).
The positions count every image, so the class must be complete. Images become 84x84 JPEG of quality 95.

From the cache files (a dict of image_data and class_dict, read without running pickled code): the pixels as they are,
as PNG, since another JPEG would lose some. The files do not hold ImageNet's names, so images are called after their
class and their place in it, n01532829_0001.png, and the CSV files list these.

A run takes some minutes to half an hour, 0.5 to 1.3 GB of disk, and 2 GB of memory for the cache files. Needs Pillow.
"""

import csv
import io
import re
import sys
from pathlib import Path

from building import command
from building.checksum import of_file, sha256
from building.errors import DataError
from building.images import FILTERS, JPEG_BYTES, PNG_BYTES, SIZE, as_png, pillow
from building.imagenet import add_images, class_places, open_class
from building.mini_imagenet import SPLITS, cache_images, read_splits
from building.output import Output

PUBLISHED = {"train": (64, 38400), "val": (16, 9600), "test": (20, 12000)}  # classes and images
TERMS = (
    "ImageNet's terms hold for these images: non-commercial research and education only, and only for those who got\n"
    "ImageNet under its terms themselves (https://image-net.org/download). Do not pass them on."
)


def csv_of(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("filename", "label"), *rows])
    return text.getvalue().encode()


def originals(place, names, images):
    """The names in ImageNet of the images (name, position) of a class whose images are `names`, in order."""
    last, most = max(images, key=lambda image: image[1])
    if most > len(names):
        raise DataError(f"{place}: need {most} images for {last}, found {len(names)}")
    return [(f"images/{name}", names[position - 1]) for name, position in images]


def build_from_imagenet(sources, splits, output, filter_name):
    wanted = {}
    for rows in splits.values():
        for name, wnid in rows:
            wanted.setdefault(wnid, []).append((name, int(name[9:17])))
    with class_places(sources, wanted) as places:
        output.announce("ILSVRC2012", sum(map(len, wanted.values())), JPEG_BYTES)
        for wnid, images in wanted.items():
            images = [image for image in images if f"images/{image[0]}" not in output.finished]
            if images:
                place = places[wnid]
                with open_class(place, wnid) as (names, read):
                    add_images(output, place, read, originals(place, names, images), filter_name)


def build_from_caches(files, output):
    """Returns the rows (filename, label) by split."""
    images = sum(file.stat().st_size // (SIZE * SIZE * 3) for file in files.values())
    output.announce("cache files", images, PNG_BYTES, at_most=True)  # how many is known when they have been read
    splits, split_of = {}, {}
    for split in SPLITS:
        rows = splits[split] = []
        for name, label, pixels in cache_images(files[split], SIZE):
            if split_of.setdefault(label, split) != split:
                raise DataError(f"{files[split]}: need other classes than in {split_of[label]}, found {label} again")
            if f"images/{name}" not in output.finished:
                output.add(f"images/{name}", as_png(pixels, SIZE))
            rows.append((name, label))
    return splits


def cache_files(sources):
    """The cache files among the sources, or in their folders, by split; empty where there is none."""
    found, others = {}, []
    for source in sources:
        files = sorted(source.glob("mini-imagenet-cache-*.pkl")) if source.is_dir() else [source]
        files = [file for file in files if file.suffix in (".pkl", ".pickle")]
        others += [] if files else [source]
        for file in files:
            name = re.search(r"(train|val|test)[^/]*$", file.name)
            if not name:
                raise DataError(f"{file}: need train, val or test in the name of a cache file")
            if name[1] in found:
                raise DataError(f"{file}: need one cache file of {name[1]}, found {found[name[1]]} too")
            found[name[1]] = file
    missing = [split for split in SPLITS if split not in found]
    if found and (missing or others):
        problem = f"none of {' and '.join(missing)}" if missing else f"{others[0]} too"
        raise DataError(f"need the cache files of train, val and test, found {problem}")
    return found


def summary(output, splits):
    counts = {split: (len({label for _, label in rows}), len(rows)) for split, rows in splits.items()}
    for split, (classes, images) in counts.items():
        print(f"{output.folder}/{split}.csv: {classes} classes, {images} images")
    if counts != PUBLISHED:
        print("This is not the whole of Mini-ImageNet, which has 64, 16 and 20 classes of 600 images.")
    print(f"{output.manifest}: checksums for --verify, or for sha256sum -c")
    print(TERMS)


def build(options):
    for source in options.sources:
        if not source.exists():
            raise DataError(f"{source}: need a folder, a tar or a cache file, found nothing")
    pillow()
    caches = cache_files(options.sources)
    if caches:
        splits = None
        sums = sha256("".join(of_file(caches[split], "sha256") for split in SPLITS).encode())
        recipe = f"cache files {sums[:16]}, PNG"
    elif options.splits:
        splits = read_splits(options.splits)
        sums = sha256(repr(splits).encode())
        recipe = f"ILSVRC2012, splits {sums[:16]}, {options.filter} filter, JPEG of quality 95"
    else:
        raise DataError("need --splits DIR, the folder of train.csv, val.csv and test.csv, to build from ILSVRC2012")
    with Output(options.output, recipe) as output:
        if caches:
            splits = build_from_caches(caches, output)
        else:
            build_from_imagenet(options.sources, splits, output, options.filter)
        output.finish({f"{split}.csv": csv_of(rows) for split, rows in splits.items()})
    summary(output, splits)


def main(arguments=None):
    parser = command.parser_of(__doc__, TERMS, Path("data/mini_imagenet"))
    add = parser.add_argument
    add("sources", metavar="SOURCE", type=Path, nargs="*", help="folder or tar of ILSVRC2012, or the cache files")
    add("--splits", type=Path, metavar="DIR", help="folder of the published train.csv, val.csv and test.csv")
    filters = "; ".join(f"{name}: {text}" for name, text in FILTERS.items())
    add("--filter", choices=FILTERS, default="area", help=f"how images of ILSVRC2012 shrink (%(default)s); {filters}")
    options = parser.parse_args(arguments)
    if not options.sources and not options.verify:
        parser.error("need a SOURCE, or --verify")
    return command.run("get_mini_imagenet", options, build)


if __name__ == "__main__":
    sys.exit(main())
