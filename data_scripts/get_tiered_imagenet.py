#!/usr/bin/env python3
"""Builds tieredImageNet (Ren et al., ICLR 2018) as a folder of images by class, from what you have.

  data_scripts/get_tiered_imagenet.py tiered-imagenet.tar                          from its authors' tar, or its folder
  data_scripts/get_tiered_imagenet.py ILSVRC2012_img_train.tar --classes DIR       from ILSVRC2012, or its folder
  data_scripts/get_tiered_imagenet.py --verify                                     checks what was built

608 classes of ILSVRC2012 under 34 categories, of which 20, 6 and 8 are for training, validation and testing: 351, 97
and 160 classes, 779,165 images, 84x84.

From the authors' tar (12.9 GB; https://github.com/renmengye/few-shot-ssl-public links to it at Google Drive, which
wants a browser; torchmeta gives its MD5, e07e811b9f29362d159a9edd0d838c62): its pickles are read without running any
code of theirs and an image at a time, and their PNG are written as they are. Classes are called after their place and
name, as train000_house_finch. 13 GB for the images, and little memory.

From ILSVRC2012: the training images as <wnid>/*.JPEG or <wnid>.tar in a folder, or the tar of such tars, and in
--classes the train.csv, val.csv and test.csv from fewshot/data/tiered_imagenet_split of the same repository. Images
become 84x84 JPEG of quality 95, by the area of each new pixel where the authors took OpenCV's cubic interpolation, so
compare results only between runs on one copy. 6 GB for the images, and some hours. Needs Pillow.
"""

import sys
from pathlib import Path

from building import checksum, command, image_folder
from building.errors import DataError
from building.image_folder import Published
from building.images import JPEG_BYTES, PNG_BYTES, pillow
from building.imagenet import add_images, class_places, open_class
from building.output import Output
from building.tiered_imagenet import Pickles, read_lists

MD5 = "e07e811b9f29362d159a9edd0d838c62"
PUBLISHED = Published("tieredImageNet", (351, 97, 160), 779165)
TERMS = (
    "ImageNet's terms hold for these images: non-commercial research and education only, and only for those who got\n"
    "ImageNet under its terms themselves (https://image-net.org/download). Do not pass them on."
)


def add_split(pickles, split, folders, output):
    """Adds the images of a split, whose folders are `folders`, in order. Returns the number of images of each."""
    counts = dict.fromkeys(folders, 0)

    def take(number, png):
        if number < len(folders):
            counts[folders[number]] += 1
            output.add(f"{folders[number]}/{number:06d}.png", png)

    found = pickles.each_image(split, take)
    if found != len(folders):
        raise DataError(f"{pickles.source}: need {len(folders)} images in {split}, as it has labels, found {found}")
    return counts


def build_from_pickles(source, output):
    """Returns by split the number of images of each class."""
    pickles = Pickles(source)
    labels = {split: pickles.labels(split) for split in image_folder.SPLITS}
    output.announce(source, sum(map(len, labels.values())), PNG_BYTES)
    return {split: add_split(pickles, split, folders, output) for split, folders in labels.items()}


def build_from_imagenet(sources, lists, output):
    """Returns by split the number of images of each class."""
    classes = {split: {} for split in lists}
    with class_places(sources, {wnid for wnids in lists.values() for wnid in wnids}) as places:
        output.announce("ILSVRC2012", PUBLISHED.images, JPEG_BYTES)
        for split, wnids in lists.items():
            for wnid in wnids:
                with open_class(places[wnid], wnid) as (names, read):
                    classes[split][wnid] = len(names)
                    images = [(f"{wnid}/{Path(name).stem}.jpg", name) for name in names]
                    add_images(output, places[wnid], read, images, "area")
    return classes


def plan_of(options):
    """The lists of classes, None for the authors' pickles, and what the output is made from, in a line."""
    if options.classes:
        pillow()
        lists = read_lists(options.classes)
        found = tuple(len(wnids) for wnids in lists.values())
        if found != PUBLISHED.classes:
            need = image_folder.counts(PUBLISHED.classes)
            raise DataError(f"{options.classes}: need {need} classes, found {image_folder.counts(found)}")
        return lists, f"ILSVRC2012, classes {checksum.sha256(repr(lists).encode())[:16]}, area, JPEG of quality 95"
    if len(options.sources) > 1:
        raise DataError(f"need one tar or folder of tieredImageNet, found {options.sources[1]} too")
    source = options.sources[0]
    if source.is_file():
        found = checksum.of_file(source, "md5")
        if found != MD5:
            raise DataError(f"{source}: need the MD5 {MD5}, found {found}; give its folder if you trust it")
    return None, "tieredImageNet's pickles, as they are"


def build(options):
    for source in options.sources:
        if not source.exists():
            raise DataError(f"{source}: need a folder or a tar, found nothing")
    lists, recipe = plan_of(options)
    with Output(options.output, recipe) as output:
        if lists:
            classes = build_from_imagenet(options.sources, lists, output)
        else:
            classes = build_from_pickles(options.sources[0], output)
        image_folder.finish(output, classes, PUBLISHED)
    image_folder.report(output, classes, "tiered_imagenet_5way_1shot_maml", TERMS)


def main(arguments=None):
    parser = command.parser_of(__doc__, TERMS, Path("data/tiered_imagenet"))
    parser.add_argument("sources", metavar="SOURCE", type=Path, nargs="*",
                        help="tiered-imagenet.tar or its folder; with --classes, folder or tar of ILSVRC2012")
    parser.add_argument("--classes", type=Path, metavar="DIR",
                        help="folder of the authors' train.csv, val.csv and test.csv, to build from ILSVRC2012")
    options = parser.parse_args(arguments)
    if not options.sources and not options.verify:
        parser.error("need a SOURCE, or --verify")
    return command.run("get_tiered_imagenet", options, build)


if __name__ == "__main__":
    sys.exit(main())
