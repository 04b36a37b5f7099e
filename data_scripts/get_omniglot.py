#!/usr/bin/env python3
"""Downloads the archives of Omniglot from their official repository, resuming where an earlier run stopped.

Example: data_scripts/get_omniglot.py --output data/omniglot

Needs the standard library alone. Exits with 0 when both archives are there, 1 when one could not be fetched.
"""

import argparse
import sys
from pathlib import Path

from building.checksum import of_file
from building.download import DownloadError, by_hand, fetch

BASE_URL = "https://github.com/brendenlake/omniglot/raw/master/python"
MD5 = {
    "images_background.zip": "68d2efa1b9178cc56df9314c21c6e718",
    "images_evaluation.zip": "6b91aef0f799c5bb55b94e3f2daec811",
}


def get(base_url, output, checksums):
    """Fetches what is missing of `checksums` (name to MD5) into the folder `output`. Returns the exit code."""
    failed = False
    output.mkdir(parents=True, exist_ok=True)
    for name, md5 in checksums.items():
        target, url = output / name, f"{base_url.rstrip('/')}/{name}"
        if target.exists():
            same = of_file(target, "md5") == md5
            print(f"{target}: already there" + ("" if same else ", with another MD5 than the official archive; kept"))
            continue
        try:
            fetch(url, target, md5)
            print(f"{target}: downloaded, MD5 is right")
        except DownloadError as error:
            failed = True
            print(f"get_omniglot: cannot fetch {url}: {error}", file=sys.stderr)
            print(by_hand(url, target, md5), file=sys.stderr)
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
