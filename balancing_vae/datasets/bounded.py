"""Read files and archives within limits, so that a malicious file cannot exhaust memory or disk."""

import gzip
import io
import os
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Container
from pathlib import Path
from pathlib import PurePosixPath

from balancing_vae.errors import InputError

# The exceptions that decoders raise for damaged archives. Bzip2 and LZMA are not read at all,
# because Python unpacks a whole block of them at once, and a kilobyte can hold a gigabyte.
DAMAGE = (
    EOFError,
    NotImplementedError,
    OSError,
    OverflowError,
    ValueError,
    struct.error,
    zlib.error,
    tarfile.TarError,
    zipfile.BadZipFile,
)
_ZIP_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


def refuse_special_file(path: Path) -> None:
    """Raise if a path is not a regular file: reading a pipe or a device may never end.

    Args:
        path: A file, or a link to one.

    Raises:
        ValueError: It is a pipe, a device, a socket or a folder.
        OSError: The file does not exist or cannot be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise InputError(f"{path} is not a regular file; give a file on a disk.")
    path.open("rb").close()  # so that a missing permission is not reported as damage


def read_file(path: Path, limit: float) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes.

    Args:
        path: The file.
        limit: Maximum size in bytes.

    Raises:
        ValueError: It is not a regular file, or is larger.
        OSError: It cannot be read.

    Example:
        ```python
        read_file(Path("list_eval_partition.txt"), 10_000_000)
        ```
    """
    refuse_special_file(path)
    size = path.stat().st_size
    if size > limit:
        raise InputError(f"{path} has {size:,} bytes; at most {limit:,} were expected.")
    return path.read_bytes()


def gunzip(path: Path, limit: int) -> bytes:
    """Return the unpacked content of a gzip file, at most `limit` bytes.

    Args:
        path: The file.
        limit: Maximum unpacked size in bytes.

    Raises:
        ValueError: It is not a complete gzip file, or unpacks to more.

    Example:
        ```python
        gunzip(Path("train-images-idx3-ubyte.gz"), 47_040_016)
        ```
    """
    refuse_special_file(path)
    try:
        with gzip.open(path) as file:
            data = file.read(limit + 1)
    except DAMAGE as error:
        raise InputError(
            f"{path} is not a complete gzip file ({error}); a download may have been cut off: "
            "download it again."
        ) from error
    if len(data) > limit:
        raise InputError(
            f"{path} unpacks to more than the expected maximum of {limit:,} bytes; "
            "download it again from its original source."
        )
    return data


def read_tar(path: Path, wanted: Container[str], limit: int) -> dict[str, bytes]:
    """Return the wanted members of a tar archive, compressed with gzip or not.

    Nothing is unpacked to the disk, and nothing is read beyond the limit, whatever sizes the
    members declare.

    Args:
        path: The archive.
        wanted: Names of members, without their folders.
        limit: Maximum unpacked size of the whole archive in bytes.

    Returns:
        Bytes by name; a missing member is omitted.

    Raises:
        ValueError: It is not a complete tar archive, or unpacks to more.

    Example:
        ```python
        read_tar(Path("cifar-10-python.tar.gz"), ["data_batch_1"], 200_000_000)
        ```
    """
    refuse_special_file(path)
    found = {}
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            stream = _Limited(gzip.open(raw) if packed else raw, path, limit)
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    name = PurePosixPath(member.name).name
                    if member.isreg() and not member.issparse() and name in wanted:
                        stream.refuse_beyond(member.size)
                        if content := archive.extractfile(member):
                            found[name] = content.read()
    except InputError:
        raise
    except DAMAGE as error:
        raise InputError(
            f"{path} is not a complete tar archive ({error}); a download may have been cut off: "
            "download it again."
        ) from error
    return found


class _Limited(io.BufferedIOBase):
    """A stream that raises when it is read beyond a limit."""

    def __init__(self, stream: io.BufferedIOBase, path: Path, limit: int):
        self._stream = stream
        self._path = path
        self._limit = limit
        self._left = limit

    def read(self, size: int | None = -1, /) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        self.refuse_beyond(0)
        return data

    def refuse_beyond(self, size: int) -> None:
        if size > self._left:
            raise InputError(
                f"{self._path} unpacks to more than the expected maximum of {self._limit:,} "
                "bytes; download it again from its original source."
            )


def read_zip_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: float) -> bytes:
    """Return an entry of a zip archive of at most `limit` bytes.

    Args:
        archive: The open archive.
        entry: One of its entries.
        limit: Maximum unpacked size in bytes.

    Raises:
        ValueError: It is larger, damaged, encrypted, or not compressed with deflate.

    Example:
        ```python
        read_zip_entry(archive, archive.getinfo("000001.jpg"), 1_000_000)
        ```
    """
    if entry.file_size > limit:
        raise InputError(
            f"it declares {entry.file_size:,} unpacked bytes; at most {limit:,} were expected"
        )
    if entry.flag_bits & 1:
        raise InputError("it is encrypted; unpack the archive and give the folder")
    if entry.compress_type not in _ZIP_METHODS:
        raise InputError("it is not compressed with deflate; unpack the archive, give the folder")
    try:
        with archive.open(entry) as file:
            # Without a length, zipfile unpacks up to two gigabytes at once.
            data = file.read(entry.file_size)
            file.read(1)  # checks the checksum, also of an empty entry
    except DAMAGE as error:
        raise InputError(str(error) or type(error).__name__) from error
    if len(data) != entry.file_size:
        raise InputError(f"it was cut short: {len(data):,} of {entry.file_size:,} bytes")
    return data
