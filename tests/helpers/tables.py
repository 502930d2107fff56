"""Write TF1 checkpoints of version 2 byte by byte, either valid or forged."""

from pathlib import Path

import numpy as np

from balancing_vae.storage.crc32c import masked_crc32c
from balancing_vae.storage.tensorflow_files import MAGIC


def table(entries: dict[bytes, bytes]) -> bytes:
    """Return the bytes of a LevelDB table of one block, with valid checksums."""

    def block(pairs):
        data = b""
        for key, value in pairs:
            data += varint(0) + varint(len(key)) + varint(len(value)) + key + value
        data += bytes(4) + (1).to_bytes(4, "little") + b"\0"
        return data + masked_crc32c(data).to_bytes(4, "little")

    first = block(sorted(entries.items()))
    handle = varint(0) + varint(len(first) - 5)
    index = block([(b"~", handle)])
    footer = varint(0) + varint(0) + varint(len(first)) + varint(len(index) - 5)
    return first + index + footer.ljust(40, b"\0") + MAGIC


def varint(number: int) -> bytes:
    data = b""
    while number > 0x7F:
        data += bytes([number & 0x7F | 0x80])
        number >>= 7
    return data + bytes([number])


def field(number: int, value: int | bytes) -> bytes:
    if isinstance(value, bytes):
        return varint(number << 3 | 2) + varint(len(value)) + value
    return varint(number << 3) + varint(value)


def entry(*shape: int, size: int, offset: int = 0, dtype: int = 1, crc: bytes = b"") -> bytes:
    dimensions = b"".join(field(2, field(1, length)) for length in shape)
    crc = crc or masked_crc32c(np.ones(4, "f4").tobytes()).to_bytes(4, "little")
    parts = [field(1, dtype), field(2, dimensions), field(4, offset), field(5, size)]
    return b"".join(parts) + varint(6 << 3 | 5) + crc


HEADER = field(1, 1) + field(3, field(1, 1))


def forge(folder: Path, entries: dict[bytes, bytes], header: bytes = HEADER) -> Path:
    """Write a checkpoint of four floats, all 1, with any entries as their description."""
    (folder / "forged.index").write_bytes(table({b"": header, **entries}))
    (folder / "forged.data-00000-of-00001").write_bytes(np.ones(4, "f4").tobytes())
    return folder / "forged"
