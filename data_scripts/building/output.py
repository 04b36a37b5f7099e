"""The folder that a script builds: images written whole or not at all, and their checksums."""

import os
import shutil
import sys
import time

from .checksum import is_intact, sha256
from .errors import BuildError, DataError

MANIFEST = "manifest.sha256"  # of a finished folder; sha256sum -c reads it too
UNFINISHED = "unfinished.sha256"  # grows by a line an image


def read_manifest(path):
    """The recipe, and checksums by name; a last line that was cut off is left out."""
    recipe, sums = "", {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        if line.startswith("# "):
            recipe = line[2:].strip()
        elif line.endswith("\n") and line[64:66] == "  ":
            sums[line[66:-1]] = line[:64]
    return recipe, sums


def manifest_of(recipe, sums):
    return f"# {recipe}\n" + "".join(f"{checksum}  {name}\n" for name, checksum in sorted(sums.items()))


def write_whole(path, data):
    """Writes a file under its name only once all of it is written."""
    part = path.with_name(path.name + ".part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


class Output:
    """The folder being built. `finished` holds the checksums of the images that are there, by their paths in it, as
    images/a.jpg; all lie in sub-folders. `total` says how many there will be."""

    def __init__(self, folder, recipe):
        self.folder, self.recipe, self.manifest = folder, recipe, folder / MANIFEST
        self.log, self.finished, self.folders = None, {}, set()
        self.begun = self.shown = time.monotonic()
        self.made, self.line_open, self.total = 0, False, ""

    def __enter__(self):
        known = next((path for path in (self.folder / UNFINISHED, self.manifest) if path.exists()), None)
        if known:
            recipe, sums = read_manifest(known)
            if recipe != self.recipe:
                raise DataError(
                    f"{known}: need images made from {self.recipe}, found {recipe or 'nothing said'}; choose another "
                    "--output or remove this one"
                )
            self.finished = {
                name: checksum
                for name, checksum in sums.items()
                if "/" in name and is_intact(self.folder / name, checksum)
            }
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise DataError(f"{self.folder}: need an empty folder or one that this script began, found other files")
        self.folder.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / UNFINISHED, manifest_of(self.recipe, self.finished).encode())
        self.log = open(self.folder / UNFINISHED, "a", encoding="utf-8")
        return self

    def __exit__(self, *_):
        self.log.close()
        if self.line_open:
            print(file=sys.stderr)

    def announce(self, source, images, bytes_each, at_most=False):
        """Says what will be done, and throws BuildError where the disk is too small. `bytes_each` is what an image
        takes on a disk of 4 KiB blocks, at most on average; `at_most` that `images` is only a bound."""
        self.total = f"at most {images}" if at_most else str(images)
        need = bytes_each * max(0, images - len(self.finished))
        free = shutil.disk_usage(self.folder).free
        needed, found = f"{need / 1e6:.0f} MB", f"{free / 1e6:.0f} MB"
        there = f"{len(self.finished)} of them there; the others need up to {needed}, {found} are free"
        print(f"Building {self.folder} from {source}: {self.total} images, {there}", file=sys.stderr)
        if need > free:
            raise BuildError(f"need {needed} in {self.folder}, found {found} free")

    def add(self, name, data):
        """Writes the image `name` unless it is there."""
        if name in self.finished:
            return
        path = self.folder / name
        if path.parent not in self.folders:
            path.parent.mkdir(parents=True, exist_ok=True)
            self.folders.add(path.parent)
        write_whole(path, data)
        self.finished[name] = sha256(data)
        self.log.write(f"{self.finished[name]}  {name}\n")
        self.log.flush()
        self.show_progress()

    def show_progress(self):
        self.made += 1
        now, terminal = time.monotonic(), sys.stderr.isatty()
        if now - self.shown >= (0.2 if terminal else 30):
            self.shown, self.line_open = now, terminal
            rate = self.made / max(now - self.begun, 1e-9)
            text = f"{len(self.finished)} of {self.total} images, {rate:.0f} a second"
            print(f"\r{text} " if terminal else text, end="" if terminal else "\n", file=sys.stderr, flush=True)

    def finish(self, tables):
        """Writes the tables (name to bytes) and the manifest: last, so that no loader takes an unfinished folder for
        whole."""
        for name, data in tables.items():
            write_whole(self.folder / name, data)
        sums = {**self.finished, **{name: sha256(data) for name, data in tables.items()}}
        write_whole(self.manifest, manifest_of(self.recipe, sums).encode())
        (self.folder / UNFINISHED).unlink()


def verify(folder):
    """Checks a finished folder against its manifest. Throws DataError."""
    path = folder / MANIFEST
    if not path.exists():
        raise DataError(f"{path}: need the checksums of a finished folder, found none")
    _, sums = read_manifest(path)
    wrong = [name for name, checksum in sums.items() if not is_intact(folder / name, checksum)]
    if wrong or not sums:
        raise DataError(
            f"{folder}: need the {len(sums)} files of {MANIFEST}, found {len(wrong)} missing or changed, first "
            f"{wrong[0] if wrong else 'none'}; build again to make them anew"
        )
    print(f"{folder}: all {len(sums)} files have the right SHA-256")
