#!/usr/bin/env python3
"""Builds CIFAR-FS or FC100, two few-shot splits of CIFAR-100, as a folder of images by class.

  data_scripts/get_cifar_few_shot.py cifar_fs             downloads CIFAR-100 (169 MB) and builds data/cifar_fs
  data_scripts/get_cifar_few_shot.py fc100                builds data/fc100 from the same archive
  data_scripts/get_cifar_few_shot.py cifar_fs --verify    checks what was built

CIFAR-FS (Bertinetto et al., ICLR 2019) has 64 / 16 / 20 classes drawn at random; FC100 (Oreshkin et al., NeurIPS 2018)
60 / 20 / 20 by superclasses, so that its splits have less in common. Both have all 600 images of each class, 32x32:
CIFAR-100's training and test images. The lists of classes and where they come from are in building/cifar100.py.

The archive's MD5 is that of its page, https://www.cs.toronto.edu/~kriz/cifar.html. Its pickles are read without running
any code of theirs. The pixels are written as they are, as PNG: 60,000 files, about 250 MB on disk. Takes a minute or
two and 0.5 GB of memory. Needs Pillow.
"""

import sys
from pathlib import Path

from building import cifar100, command, image_folder
from building.download import Archive, obtain
from building.errors import DataError
from building.image_folder import Published
from building.images import as_png, pillow
from building.output import Output

ARCHIVE = Archive(
    url="https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz",
    md5="eb9058c3a382ffc7106e4002c42a8d85",
    megabytes=169,
    page="https://www.cs.toronto.edu/~kriz/cifar.html",
)
PUBLISHED = {
    "cifar_fs": Published("CIFAR-FS", (64, 16, 20), 60000),
    "fc100": Published("FC100", (60, 20, 20), 60000),
}
FILE_BYTES = 4096  # an image, on a disk of 4 KiB blocks
TERMS = (
    "CIFAR-100's authors ask to cite Krizhevsky, Learning Multiple Layers of Features from Tiny Images, 2009, and\n"
    "name no licence. Its photographs were collected from the web: take them for research and education."
)


def split_of(dataset, name, superclass):
    """The few-shot split of a class of CIFAR-100."""
    splits, key = (cifar100.CIFAR_FS, name) if dataset == "cifar_fs" else (cifar100.FC100, superclass)
    for split, listed in splits.items():
        if key in listed:
            return split
    raise DataError(f"need the classes of CIFAR-100, found {key}")


def build(options):
    pillow()
    obtain(ARCHIVE, options.archive)
    names, superclasses, parts = cifar100.read(options.archive)
    classes = {split: {} for split in image_folder.SPLITS}
    with Output(options.output, f"CIFAR-100, MD5 {ARCHIVE.md5}, as {options.dataset}, PNG") as output:
        output.announce(options.archive, sum(len(part.fine) for part in parts.values()), FILE_BYTES)
        for name, part in parts.items():
            for index, (fine, coarse) in enumerate(zip(part.fine, part.coarse)):
                label = names[fine]
                images = classes[split_of(options.dataset, label, superclasses[coarse])]
                images[label] = images.get(label, 0) + 1
                file = f"{label}/{name}_{index:05d}.png"
                if file not in output.finished:
                    output.add(file, as_png(part.image(index), cifar100.SIZE))
        image_folder.finish(output, classes, PUBLISHED[options.dataset])
    image_folder.report(output, classes, f"{options.dataset}_5way_1shot_maml", TERMS)


def main(arguments=None):
    parser = command.parser_of(__doc__, TERMS, None)
    parser.add_argument("dataset", choices=PUBLISHED, help="which split of CIFAR-100")
    parser.add_argument("--archive", type=Path, default=Path("data/cifar-100-python.tar.gz"), metavar="FILE",
                        help="CIFAR-100's archive, downloaded there where it is not yet (default: %(default)s)")
    options = parser.parse_args(arguments)
    options.output = options.output or Path("data") / options.dataset
    return command.run("get_cifar_few_shot", options, build)


if __name__ == "__main__":
    sys.exit(main())
