"""TensorFlow 1's checkpoint files, read without TensorFlow.

TensorFlow's own reader trusts its input: a forged file of 200 bytes can crash the process or
exhaust its memory. This reader compares every size with the file's size before it allocates
anything, and it checks every checksum.

Both versions are LevelDB tables. Version 2 has a table of names, shapes and offsets (`.index`)
and files of plain bytes (`.data-00000-of-00001`). Version 1 is one table of messages that
contain the numbers. Sources: TensorFlow's tensor_bundle.proto, saved_tensor_slice.proto and
table_format.txt.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.storage.crc32c import masked_crc32c

MAGIC = (0xDB4775248B80FB57).to_bytes(8, "little")
FOOTER = 48
MOST_VARIABLES = 100_000
LONGEST_NAME = 4096
# TensorFlow's type numbers of variables.
FLOAT, DOUBLE, INT32, UINT8, INT16, INT8, STRING, INT64, BOOL, HALF = 1, 2, 3, 4, 5, 6, 7, 9, 10, 19
DTYPES = {
    FLOAT: "<f4",
    DOUBLE: "<f8",
    INT32: "<i4",
    UINT8: "u1",
    INT16: "<i2",
    INT8: "i1",
    INT64: "<i8",
    BOOL: "?",
    HALF: "<f2",
}
# Field of a TensorProto with the numbers of a type, if it stores their bytes as in memory.
PLAIN = {FLOAT: 5, DOUBLE: 6}
# The same, if it stores them as whole numbers of variable length.
VARYING = {INT32: 7, INT16: 7, INT8: 7, UINT8: 7, INT64: 10, BOOL: 11}


def is_table(path: Path) -> bool:
    """Return whether a file ends like a LevelDB table, as checkpoints of both versions do."""
    with open(path, "rb") as file:
        size = file.seek(0, 2)
        if size < FOOTER:
            return False
        file.seek(size - len(MAGIC))
        return file.read() == MAGIC


def read_bundle(index: Path) -> dict[str, np.ndarray]:
    """Read a checkpoint of version 2.

    Args:
        index: The `.index` file; the data files are in the same folder.

    Returns:
        The variables by name, without strings.

    Raises:
        ValueError: The files are not valid. A damaged file can also raise other errors, such
            as IndexError.
    """
    table = dict(_entries(index.read_bytes()))
    header = dict(_fields(table.pop(b"")))
    shards = header.get(1, 1)
    if header.get(2, 0) != 0:
        raise InputError("it was written on a big-endian machine")
    if shards > 99_999:
        raise InputError(f"it declares {shards} data files")
    paths = [index.with_suffix(f".data-{i:05d}-of-{shards:05d}") for i in range(shards)]
    left = sum(path.stat().st_size for path in paths)
    variables = {}
    for key, message in table.items():
        name, entry = key.decode(), dict(_fields(message))
        if entry.get(1) == STRING:
            continue
        if 7 in entry:
            raise InputError(f"{name!r} is stored in slices, which are not read here")
        dtype, shape = np.dtype(DTYPES[entry[1]]), _shape(entry.get(2, b""))
        size = math.prod(shape) * dtype.itemsize
        left -= size
        if size != entry.get(5, 0) or left < 0:
            raise InputError(f"{name!r} of shape {shape} declares a wrong number of bytes")
        with open(paths[entry.get(3, 0)], "rb") as file:
            file.seek(entry.get(4, 0))
            data = file.read(size)
        if masked_crc32c(data) != entry.get(6, 0):
            raise InputError(f"the checksum of {name!r} does not match")
        variables[name] = np.frombuffer(data, dtype).reshape(shape)
    return variables


def read_slices(path: Path) -> dict[str, np.ndarray]:
    """Read a checkpoint of version 1, one file.

    Args:
        path: The file.

    Returns:
        The variables by name, without strings.

    Raises:
        ValueError: As in `read_bundle`.
    """
    table = dict(_entries(path.read_bytes()))
    (meta,) = [value for number, value in _fields(table.pop(b"")) if number == 1]
    described = [dict(_fields(value)) for number, value in _fields(meta) if number == 1]
    kinds = {d[1].decode(): (d[3], _shape(d.get(2, b""))) for d in described}
    variables = {}
    for message in table.values():
        saved = dict(_fields(dict(_fields(message))[2]))
        name = saved[1].decode()
        kind, shape = kinds[name]
        if kind == STRING:
            continue
        if name in variables or any(2 in dict(_fields(e)) for _, e in _fields(saved.get(2, b""))):
            raise InputError(f"{name!r} is stored in slices, which are not read here")
        numbers = _numbers(kind, saved[3])
        if len(numbers) != math.prod(shape):
            raise InputError(f"{name!r} of shape {shape} has {len(numbers)} numbers")
        variables[name] = numbers.reshape(shape)
    if missing := sorted(name for name in set(kinds) - set(variables) if kinds[name][0] != STRING):
        raise InputError(f"it lacks the numbers of {missing}")
    return variables


def _numbers(kind: int, tensor: bytes) -> np.ndarray:
    """Return the numbers of a TensorProto."""
    dtype = np.dtype(DTYPES[kind])
    wanted = PLAIN.get(kind) or VARYING[kind]
    found = [value for number, value in _fields(tensor) if number == wanted]
    if kind in PLAIN:
        return np.frombuffer(b"".join(found), dtype)
    numbers = []
    for value in found:
        packed = value if isinstance(value, bytes) else None
        place = 0
        while packed is not None and place < len(packed):
            number, place = _varint(packed, place)
            numbers.append(number)
        if packed is None:
            numbers.append(value)
    return np.array(numbers, np.uint64).astype(np.int64).astype(dtype)


def _entries(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of a LevelDB table."""
    footer = content[-FOOTER:]
    if footer[-len(MAGIC) :] != MAGIC:
        raise InputError("its end is missing")
    _, _, place = _handle(footer, 0)
    offset, size, _ = _handle(footer, place)
    left, count = len(content), 0
    for _, handle in _block(content, offset, size):
        offset, size, _ = _handle(handle, 0)
        left -= size
        if left < 0:
            raise InputError("its parts overlap")
        for entry in _block(content, offset, size):
            count += 1
            if count > MOST_VARIABLES:
                raise InputError(f"it declares more than {MOST_VARIABLES:,} variables")
            yield entry


def _handle(data: bytes, place: int) -> tuple[int, int, int]:
    """Return the offset and size of a block, and where the next value starts."""
    offset, place = _varint(data, place)
    size, place = _varint(data, place)
    return offset, size, place


def _block(content: bytes, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
    """Yield the entries of one block; a key is stored without its common prefix with the last."""
    # The block is followed by one byte for the compression and by the checksum.
    data = content[offset : offset + size + 1]
    stored = content[offset + size + 1 : offset + size + 5]
    if len(data) != size + 1 or masked_crc32c(data) != int.from_bytes(stored, "little"):
        raise InputError("the checksum of its table does not match")
    if data[-1] != 0:
        raise InputError("its table is compressed")
    restarts = int.from_bytes(data[size - 4 : size], "little")
    end = size - 4 * (restarts + 1)
    key, place = b"", 0
    while place < end:
        shared, place = _varint(data, place)
        own, place = _varint(data, place)
        length, place = _varint(data, place)
        if shared > len(key) or shared + own > LONGEST_NAME or place + own + length > end:
            raise InputError("its table is damaged")
        key = key[:shared] + data[place : place + own]
        place += own
        yield key, data[place : place + length]
        place += length


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """Yield the numbers and values of a protocol buffer's fields.

    A value is bytes or a whole number, according to the message. A value of the wrong type makes
    the caller raise, like other damage.
    """
    place = 0
    value: int | bytes
    while place < len(message):
        tag, place = _varint(message, place)
        kind = tag & 7
        if kind == 0:
            value, place = _varint(message, place)
        else:
            size = {1: 8, 5: 4}.get(kind)
            if kind == 2:
                size, place = _varint(message, place)
            if size is None or place + size > len(message):
                raise InputError("a message in it is damaged")
            value = message[place : place + size]
            place += size
            if kind != 2:
                value = int.from_bytes(value, "little")
        yield tag >> 3, value


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Return a whole number of variable length, and where the next value starts."""
    number = 0
    for shift in range(0, 70, 7):
        byte = data[place]
        place += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & (2**64 - 1), place
    raise InputError("a number in it is damaged")


def _shape(message: bytes) -> tuple[int, ...]:
    """Return the sizes of a TensorShapeProto."""
    dimensions = [dict(_fields(value)) for number, value in _fields(message) if number == 2]
    return tuple(dimension.get(1, 0) for dimension in dimensions)
