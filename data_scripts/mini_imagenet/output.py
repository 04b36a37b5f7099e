"""The folder that get_mini_imagenet.py builds: images written whole or not at all, and their checksums."""

import hashlib
import os
import sys
import time

MANIFEST = "manifest.sha256"  # of a finished folder; sha256sum -c reads it too
UNFINISHED = "unfinished.sha256"  # grows by a line an image


class BuildError(Exception):
    """What keeps the script from working, of no fault of the data."""


class DataError(Exception):
    """A source or a built folder that is not as it must be: what was needed, found, and where."""


def in_short(error):
    """The first line of an error's text."""
    return ascii(str(error).partition("\n")[0])[1:-1].rstrip(":") or type(error).__name__


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def read_manifest(path):
    """The recipe, and checksums by name; a last line that was cut off is left out."""
    recipe, sums = "", {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        if line.startswith("# "):
            recipe = line[2:].strip()
        elif line.endswith("\n") and line[64:66] == "  ":
            sums[line[66:-1]] = line[:64]
    return recipe, sums


def sha256_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def is_intact(path, checksum):
    try:
        return sha256_of(path) == checksum
    except FileNotFoundError:
        return False


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
    """The folder being built. `finished` holds the checksums of the images that are there, by name; `total` says
    how many there will be."""

    def __init__(self, folder, recipe):
        self.folder, self.recipe, self.manifest = folder, recipe, folder / MANIFEST
        self.images, self.log, self.finished = folder / "images", None, {}
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
                name.removeprefix("images/"): checksum
                for name, checksum in sums.items()
                if name.startswith("images/") and is_intact(self.folder / name, checksum)
            }
        elif self.folder.exists() and any(self.folder.iterdir()):
            raise DataError(f"{self.folder}: need an empty folder or one that this script began, found other files")
        self.images.mkdir(parents=True, exist_ok=True)
        write_whole(self.folder / UNFINISHED, self.text(self.finished).encode())
        self.log = open(self.folder / UNFINISHED, "a", encoding="utf-8")
        return self

    def __exit__(self, *_):
        self.log.close()
        if self.line_open:
            print(file=sys.stderr)

    def text(self, sums, others=None):
        lines = [f"{checksum}  images/{name}\n" for name, checksum in sorted(sums.items())]
        lines += [f"{checksum}  {name}\n" for name, checksum in sorted((others or {}).items())]
        return f"# {self.recipe}\n" + "".join(lines)

    def add(self, name, data):
        write_whole(self.images / name, data)
        self.finished[name] = sha256(data)
        self.log.write(f"{self.finished[name]}  images/{name}\n")
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
        """Writes the tables and the manifest: last, so that no loader takes an unfinished folder for whole."""
        for name, data in tables.items():
            write_whole(self.folder / name, data)
        sums = {name: sha256(data) for name, data in tables.items()}
        write_whole(self.manifest, self.text(self.finished, sums).encode())
        (self.folder / UNFINISHED).unlink()


def verify(folder):
    """Checks a finished folder against its manifest. Returns 0, or throws DataError."""
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
    return 0
