#!/usr/bin/env python3
"""Downloads the archives of Omniglot from their official repository, resuming where an earlier run stopped.

Example: data_scripts/get_omniglot.py --output data/omniglot

Needs the standard library alone. Exits with 0 when both archives are there, 1 when one could not be fetched.
"""

import argparse
import hashlib
import http.client
import os
import sys
import urllib.error
import urllib.request
from pathlib import Path

BASE_URL = "https://github.com/brendenlake/omniglot/raw/master/python"
MD5 = {
    "images_background.zip": "68d2efa1b9178cc56df9314c21c6e718",
    "images_evaluation.zip": "6b91aef0f799c5bb55b94e3f2daec811",
}
BLOCK = 1 << 16
TIMEOUT = 30  # seconds without an answer


class DownloadError(Exception):
    """A download that did not end in the right file."""


def md5_of(path):
    digest = hashlib.md5()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


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
    """Puts the file at `url` under the name `target`, whole and with the checksum `md5`, or not at all."""
    part = target.with_name(target.name + ".part")
    try:
        append_rest(url, part)
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(getattr(error, "reason", None) or error) from error
    found = md5_of(part)
    if found != md5:
        part.unlink()
        raise DownloadError(f"need the MD5 {md5}, got {found}; the download was removed")
    os.replace(part, target)


def by_hand(name, url, target, md5):
    return (
        f"To do it by hand: download {url}\n"
        f"  with a browser or on another machine, check that its MD5 is {md5}\n"
        f"  (md5sum {name}), and put it at {target}."
    )


def get(base_url, output, checksums):
    """Fetches what is missing of `checksums` (name to MD5) into the folder `output`. Returns the exit code."""
    failed = False
    output.mkdir(parents=True, exist_ok=True)
    for name, md5 in checksums.items():
        target, url = output / name, f"{base_url.rstrip('/')}/{name}"
        if target.exists():
            same = md5_of(target) == md5
            print(f"{target}: already there" + ("" if same else ", with another MD5 than the official archive; kept"))
            continue
        try:
            fetch(url, target, md5)
            print(f"{target}: downloaded, MD5 is right")
        except DownloadError as error:
            failed = True
            print(f"get_omniglot: cannot fetch {url}: {error}", file=sys.stderr)
            print(by_hand(name, url, target, md5), file=sys.stderr)
    return 1 if failed else 0


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("data/omniglot"), help="folder (default: %(default)s)")
    parser.add_argument("--base-url", default=BASE_URL, help="where the archives lie (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        return get(options.base_url, options.output, MD5)
    except OSError as error:
        print(f"get_omniglot: cannot write to {options.output}: {error.strerror or error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nget_omniglot: stopped; run again to resume", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
