#!/usr/bin/env python3
"""Builds the few-shot splits of CUB-200-2011 (Wah et al., 2011) as a folder of images by class.

  data_scripts/get_cub.py             downloads the official archive (1,151 MB) and builds data/cub
  data_scripts/get_cub.py --verify    checks what was built

The 200 species are divided as Chen et al. have it (A Closer Look at Few-shot Classification, ICLR 2019; in their code,
https://github.com/wyharveychen/CloserLookFewShot, filelists/CUB/write_CUB_filelist.py): of the species in the order of
their folders' names, counted from 0, those with an even number are for training (100), those with 1 modulo 4 for
validation (50), those with 3 modulo 4 for testing (50). torchmeta's lists are the same.

The archive is that of https://data.caltech.edu/records/65de6-vp158, and its MD5 the one that torchmeta gives. The
photographs are copied as they are: 11,788 JPEG, 1.2 GB on disk. Takes a minute. Needs the standard library alone.
"""

import re
import sys
import tarfile
from pathlib import Path

from building import command, image_folder
from building.download import Archive, obtain
from building.image_folder import Published
from building.output import Output
from building.tars import whole

ARCHIVE = Archive(
    url="https://data.caltech.edu/records/65de6-vp158/files/CUB_200_2011.tgz",
    md5="97eceeb196236b17998738112f37df78",
    megabytes=1151,
    page="https://data.caltech.edu/records/65de6-vp158",
)
PUBLISHED = Published("CUB-200-2011", (100, 50, 50), 11788)
FILE_BYTES = 110_000  # a photograph, on average
SPLIT_OF = ("train", "validation", "train", "test")  # by the number of a species modulo 4
TERMS = (
    "The photographs of CUB-200-2011 were collected from Flickr and remain their authors': take them for research and\n"
    "education only. Some are in ImageNet too, so do not test a network on them that was trained on ImageNet."
)
IMAGE = re.compile(r"(?:\./)?CUB_200_2011/images/(\d{3}\.[\w-]+)/([\w-]+\.jpg)", re.ASCII)


def build(options):
    obtain(ARCHIVE, options.archive)
    images = {}
    with Output(options.output, f"CUB_200_2011.tgz, MD5 {ARCHIVE.md5}, as it is") as output:
        output.announce(options.archive, PUBLISHED.images, FILE_BYTES)
        with whole(options.archive, "the tar.gz of CUB-200-2011"), tarfile.open(options.archive) as tar:
            for member in tar:
                match = IMAGE.fullmatch(member.name) if member.isfile() else None
                if match:
                    images[match[1]] = images.get(match[1], 0) + 1
                    if f"{match[1]}/{match[2]}" not in output.finished:
                        output.add(f"{match[1]}/{match[2]}", tar.extractfile(member).read())
        classes = {split: {} for split in image_folder.SPLITS}
        for number, species in enumerate(sorted(images)):
            classes[SPLIT_OF[number % 4]][species] = images[species]
        image_folder.finish(output, classes, PUBLISHED)
    image_folder.report(output, classes, "cub_5way_1shot_maml", TERMS)


def main(arguments=None):
    parser = command.parser_of(__doc__, TERMS, Path("data/cub"))
    parser.add_argument("--archive", type=Path, default=Path("data/CUB_200_2011.tgz"), metavar="FILE",
                        help="the official archive, downloaded there where it is not yet (default: %(default)s)")
    return command.run("get_cub", parser.parse_args(arguments), build)


if __name__ == "__main__":
    sys.exit(main())
