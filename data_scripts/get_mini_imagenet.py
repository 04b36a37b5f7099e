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

A run takes some minutes to half an hour, 0.5 to 1.3 GB of disk, and 2 GB of memory for the cache files. One that was
interrupted goes on where it was. Needs Pillow. Exits with 0 when all is there, 1 when it could not be written,
2 when a source or what --verify reads is wrong.
"""

import argparse
import csv
import io
import re
import shutil
import sys
from pathlib import Path

from mini_imagenet.output import BuildError, DataError, Output, in_short, sha256, sha256_of, verify
from mini_imagenet.sources import SPLITS, cache_images, class_places, open_class, read_splits

PUBLISHED = {"train": (64, 38400), "val": (16, 9600), "test": (20, 12000)}  # classes and images
SIZE = 84
FINE = 8  # by how much `area` refines a source pixel
SPACE = {"jpg": 8192, "png": 20480}  # bytes an image takes on a disk of 4 KiB blocks, at most on average
TERMS = (
    "ImageNet's terms hold for these images: non-commercial research and education only, and only for those who got\n"
    "ImageNet under its terms themselves (https://image-net.org/download). Do not pass them on."
)
FILTERS = {
    "area": "the mean of the pixels it covers, as the loader of Ravi and Larochelle (Torch's image.scale) and the "
    "public scripts (OpenCV's INTER_AREA) have it",
    "lanczos": "as MAML's proc_images.py has it",
}


def pillow():
    """Pillow's module Image, which the tests of reading and checking do without."""
    try:
        from PIL import Image
    except ImportError:
        raise BuildError("needs Pillow to read and write images: python3 -m pip install pillow") from None
    return Image


def area(image):
    """The mean over the area of each new pixel. Pillow's BOX takes source pixels whole or not at all, so they are cut
    finer first, one axis at a time; an axis shorter than the new one is interpolated, as in Torch."""
    Image = pillow()
    for axis in (0, 1):
        size = list(image.size)
        if size[axis] < SIZE:
            size[axis] = SIZE
            image = image.resize(size, Image.BILINEAR)
        elif size[axis] > SIZE:
            size[axis] *= FINE
            image = image.resize(size, Image.NEAREST)
            size[axis] = SIZE
            image = image.resize(size, Image.BOX)
    return image


def small_jpeg(data, filter_name):
    """An image file as an 84x84 JPEG."""
    Image = pillow()
    with Image.open(io.BytesIO(data)) as image:
        image = image.convert("RGB")
    image = area(image) if filter_name == "area" else image.resize((SIZE, SIZE), Image.LANCZOS)
    result = io.BytesIO()
    image.save(result, "JPEG", quality=95)
    return result.getvalue()


def as_png(pixels):
    """84 * 84 * 3 bytes as a PNG."""
    result = io.BytesIO()
    pillow().frombytes("RGB", (SIZE, SIZE), bytes(pixels)).save(result, "PNG")
    return result.getvalue()


def csv_of(rows):
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("filename", "label"), *rows])
    return text.getvalue().encode()


def announce(output, source, images, kind):
    """Says what will be done and refuses to begin where the disk is too small. How many images cache files hold is
    not known before they are read, only that there are at most `images`."""
    output.total = f"at most {images}" if kind == "png" else str(images)
    need = SPACE[kind] * max(0, images - len(output.finished))
    free = shutil.disk_usage(output.folder).free
    needed, found = f"{need / 1e6:.0f} MB", f"{free / 1e6:.0f} MB"
    there = f"{len(output.finished)} of them there; the others need up to {needed}, {found} are free"
    print(f"Building {output.folder} from {source}: {output.total} images, {there}", file=sys.stderr)
    if need > free:
        raise BuildError(f"need {needed} in {output.folder}, found {found} free")


def add_class(place, wnid, images, output, filter_name):
    """Adds the images (name, position) of a class."""
    with open_class(place, wnid) as (names, read):
        last, most = max(images, key=lambda image: image[1])
        if most > len(names):
            raise DataError(f"{place}: need {most} images for {last}, found {len(names)}")
        for name, position in images:
            original = names[position - 1]
            try:
                small = small_jpeg(read(original), filter_name)
            except (OSError, ValueError, SyntaxError) as error:
                if getattr(error, "errno", None):  # of the disk, not of the image
                    raise
                problem = f"need images that can be decoded, found {original}: {in_short(error)}"
                raise DataError(f"{place}: {problem}") from error
            output.add(name, small)


def build_from_imagenet(sources, splits, output, filter_name):
    wanted = {}
    for rows in splits.values():
        for name, wnid in rows:
            wanted.setdefault(wnid, []).append((name, int(name[9:17])))
    with class_places(sources, wanted) as places:
        announce(output, "ILSVRC2012", sum(map(len, wanted.values())), "jpg")
        for wnid, images in wanted.items():
            images = [image for image in images if image[0] not in output.finished]
            if images:
                add_class(places[wnid], wnid, images, output, filter_name)


def build_from_caches(files, output):
    """Returns the rows (filename, label) by split."""
    images = sum(file.stat().st_size // (SIZE * SIZE * 3) for file in files.values())
    announce(output, "cache files", images, "png")
    splits, split_of = {}, {}
    for split in SPLITS:
        rows = splits[split] = []
        for name, label, pixels in cache_images(files[split], SIZE):
            if split_of.setdefault(label, split) != split:
                raise DataError(f"{files[split]}: need other classes than in {split_of[label]}, found {label} again")
            if name not in output.finished:
                output.add(name, as_png(pixels))
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
        sums = sha256("".join(sha256_of(caches[split]) for split in SPLITS).encode())
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
    return 0


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, epilog=TERMS, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("sources", metavar="SOURCE", type=Path, nargs="*", help="folder or tar of ILSVRC2012, or the cache files")
    add("--output", type=Path, default=Path("data/mini_imagenet"), help="folder to build in (default: %(default)s)")
    add("--splits", type=Path, metavar="DIR", help="folder of the published train.csv, val.csv and test.csv")
    filters = "; ".join(f"{name}: {text}" for name, text in FILTERS.items())
    add("--filter", choices=FILTERS, default="area", help=f"how images of ILSVRC2012 shrink (%(default)s); {filters}")
    add("--verify", action="store_true", help="check the files in --output against their SHA-256 checksums and stop")
    options = parser.parse_args(arguments)
    if not options.sources and not options.verify:
        parser.error("need a SOURCE, or --verify")
    try:
        return verify(options.output) if options.verify else build(options)
    except (BuildError, DataError) as error:
        print(f"get_mini_imagenet: {error}", file=sys.stderr)
        return 2 if isinstance(error, DataError) else 1
    except OSError as error:
        print(f"get_mini_imagenet: {error.filename or options.output}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nget_mini_imagenet: stopped; what was done is kept, run again to go on", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
