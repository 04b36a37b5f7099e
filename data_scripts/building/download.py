"""Archives that are downloaded: whole and with the right checksum or not at all, going on where an earlier run was."""

import http.client
import os
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass

from . import checksum
from .errors import BuildError, DataError

BLOCK = 1 << 16
TIMEOUT = 30  # seconds without an answer


class DownloadError(Exception):
    """A download that did not end in the right file."""


@dataclass(frozen=True)
class Archive:
    """What its authors publish; `page` is where a person finds it."""

    url: str
    md5: str
    megabytes: int
    page: str


def show_progress(name, done, total):
    if sys.stderr.isatty():
        share = f" of {total / 1e6:.1f}" if total else ""
        print(f"\r{name}: {done / 1e6:.1f}{share} MB", end="", file=sys.stderr, flush=True)


def append_rest(url, part):
    """Appends to the file `part` what it lacks of `url`; begins anew where the server cannot resume."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416 and start:  # nothing is left to fetch: the checksum tells whether that is right
            return
        raise
    with response:
        if response.status != 206:
            start = 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        done = start
        with open(part, "ab" if start else "wb") as file:
            for block in iter(lambda: response.read(BLOCK), b""):
                file.write(block)
                done += len(block)
                show_progress(part.stem, done, total)
            file.flush()
            os.fsync(file.fileno())
    if sys.stderr.isatty():
        print(file=sys.stderr)
    if total is not None and done < total:
        raise DownloadError(f"the connection ended after {done} of {total} bytes; run again to resume")


def fetch(url, target, md5):
    """Puts the file at `url` under the name `target`, whole and with the checksum `md5`. Throws DownloadError."""
    part = target.with_name(target.name + ".part")
    try:
        append_rest(url, part)
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(getattr(error, "reason", None) or error) from error
    found = checksum.of_file(part, "md5")
    if found != md5:
        part.unlink()
        raise DownloadError(f"need the MD5 {md5}, got {found}; the download was removed")
    os.replace(part, target)


def by_hand(url, target, md5):
    return (
        f"To do it by hand: download {url}\n"
        f"  with a browser or on another machine, check that its MD5 is {md5}\n"
        f"  (md5sum {target.name}), and put it at {target}."
    )


def obtain(archive, target):
    """Sees to it that `archive` is at the path `target`, with its MD5.

    Throws BuildError where it cannot be fetched, DataError where another file is there.
    """
    if target.exists():
        found = checksum.of_file(target, "md5")
        if found != archive.md5:
            raise DataError(f"{target}: need the archive of {archive.page} with the MD5 {archive.md5}, found {found}")
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    print(f"Downloading {archive.url} to {target}: {archive.megabytes:,} MB", file=sys.stderr)
    try:
        fetch(archive.url, target, archive.md5)
    except DownloadError as error:
        hand = by_hand(archive.url, target, archive.md5)
        raise BuildError(
            f"cannot fetch {archive.url}: {error}\n{hand}\n  Where the link is dead, {archive.page} has the new one."
        ) from error
