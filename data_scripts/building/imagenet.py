"""The classes of ILSVRC2012 where a user has them: folders, tars, or the tar of tars."""

import contextlib
import os
import re
import tarfile

from .errors import DataError, in_short
from .images import small_jpeg
from .tars import whole

MOST_IMAGES = 1300  # of a class of ILSVRC2012's training set


class Place:
    """Where a class's images are: a folder, a tar, or a tar inside the tar `outer`."""

    def __init__(self, path, outer=None, member=None):
        self.path, self.outer, self.member = path, outer, member

    def __str__(self):
        return f"{self.path}/{self.member.name}" if self.member else str(self.path)

    def open_tar(self):
        return tarfile.open(fileobj=self.outer.extractfile(self.member)) if self.member else tarfile.open(self.path)


@contextlib.contextmanager
def class_places(sources, wnids):
    """Finds the classes in the sources of ILSVRC2012: yields wnid to Place. Throws DataError where one is missing."""
    places = {}
    with contextlib.ExitStack() as stack:
        for source in sources:
            if source.is_dir():
                for entry in sorted(source.iterdir()):
                    wnid = entry.name.removesuffix(".tar")
                    if wnid in wnids and (entry.is_dir() or entry.suffix == ".tar"):
                        places.setdefault(wnid, Place(entry))
                continue
            with whole(source, "a folder or a tar of ILSVRC2012"):
                outer = stack.enter_context(tarfile.open(source))
                members = [member for member in outer if member.isfile()]
            for member in members:
                wnid = os.path.basename(member.name).removesuffix(".tar")
                if wnid in wnids and member.name.endswith(".tar"):
                    places.setdefault(wnid, Place(source, outer, member))
        missing = [wnid for wnid in wnids if wnid not in places]
        if missing:
            where, need = ", ".join(map(str, sources)), f"{len(wnids)} classes as n01532829/ or n01532829.tar"
            raise DataError(f"{where}: need {need}, found {len(places)} and not {missing[0]}")
        yield places


def in_order(names, wnid, place):
    """The names of the images of a class in the order of their numbers; other files do not count."""
    pattern = re.compile(rf"{wnid}_(\d+)\.jpe?g", re.IGNORECASE | re.ASCII)
    found = sorted((int(match[1]), name) for name in names if (match := pattern.fullmatch(os.path.basename(name))))
    if len({number for number, _ in found}) < len(found):
        raise DataError(f"{place}: need each image once, found some under two names")
    if len(found) > MOST_IMAGES:
        raise DataError(
            f"{place}: need the class of ILSVRC2012, of at most {MOST_IMAGES} images, found {len(found)} (the whole of "
            "ImageNet has more, and other positions)"
        )
    return [name for _, name in found]


@contextlib.contextmanager
def open_class(place, wnid):
    """Yields the names of the images of the class in order, and the function that reads one."""
    if place.path.is_dir():
        yield in_order(os.listdir(place.path), wnid, place), lambda name: (place.path / name).read_bytes()
        return
    with whole(place), place.open_tar() as tar:
        members = {member.name: member for member in tar if member.isfile()}
        yield in_order(members, wnid, place), lambda name: tar.extractfile(members[name]).read()


def add_images(output, place, read, images, filter_name):
    """Adds the images (name, name in ImageNet) of a class to `output`, 84x84. Throws DataError."""
    for name, original in images:
        if name in output.finished:
            continue
        try:
            small = small_jpeg(read(original), filter_name)
        except (OSError, ValueError, SyntaxError) as error:
            if getattr(error, "errno", None):  # of the disk, not of the image
                raise
            problem = f"need images that can be decoded, found {original}: {in_short(error)}"
            raise DataError(f"{place}: {problem}") from error
        output.add(name, small)
