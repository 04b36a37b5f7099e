"""Checksums of bytes and files."""

import hashlib

BLOCK = 1 << 20


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def of_file(path, kind):
    """The checksum `kind`, as md5 or sha256, of the file at `path`."""
    digest = hashlib.new(kind)
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(BLOCK), b""):
            digest.update(block)
    return digest.hexdigest()


def is_intact(path, checksum):
    """Whether there is a file at `path` with this SHA-256."""
    try:
        return of_file(path, "sha256") == checksum
    except FileNotFoundError:
        return False
