"""Checkpoints without what only a training needs."""

import json
import struct
import zlib

OPTIMIZER = "optimizer."
METADATA, CHECKSUM = "__metadata__", "ufo_crc32"


class WeightsError(Exception):
    """A checkpoint that is damaged: needed, found."""


def checksum(header, payload):
    """CRC-32 of the header without it, compact and with its keys sorted, and of the tensors' bytes."""
    metadata = {key: value for key, value in header[METADATA].items() if key != CHECKSUM}
    text = json.dumps({**header, METADATA: metadata}, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"{zlib.crc32(payload, zlib.crc32(text.encode())):08x}"


def split(data):
    """The header and the tensors' bytes of a checkpoint. Throws WeightsError where its checksum is another."""
    try:
        (length,) = struct.unpack_from("<Q", data)
        header, payload = json.loads(data[8 : 8 + length]), data[8 + length :]
        whole = header[METADATA][CHECKSUM] == checksum(header, payload)
    except (struct.error, ValueError, KeyError, TypeError):
        whole = False
    if not whole:
        raise WeightsError("need a checkpoint with its checksum, found a damaged file")
    return header, payload


def without_optimizer(data, metadata):
    """The bytes of a safetensors checkpoint without the optimizer's tensors, with these entries in its metadata.

    The format is 8 bytes with the length of a header, little-endian; the header, JSON of each tensor's type, shape and
    place; and the tensors' bytes (https://github.com/huggingface/safetensors). Throws WeightsError.
    """
    header, payload = split(data)
    kept, parts, end = {METADATA: {**header.pop(METADATA), **metadata}}, [], 0
    for name, tensor in sorted(header.items(), key=lambda item: item[1]["data_offsets"]):
        if not name.startswith(OPTIMIZER):
            first, last = tensor["data_offsets"]
            parts.append(payload[first:last])
            kept[name] = {**tensor, "data_offsets": [end, end + last - first]}
            end += last - first
    payload = b"".join(parts)
    kept[METADATA][CHECKSUM] = checksum(kept, payload)
    text = json.dumps(kept, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # so that tensors start at a multiple of 8
    return struct.pack("<Q", len(text)) + text + payload
