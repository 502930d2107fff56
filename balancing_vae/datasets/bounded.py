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

# What the decoders of damaged archives raise. Bzip2 and LZMA are not read at all: Python
# unpacks a whole block of them at once, and a kilobyte can hold a gigabyte.
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
    """Refuse what is not a regular file: a pipe would be waited on, a device never ends.

    Args:
        path: A file, or a link to one.

    Raises:
        ValueError: It is a pipe, a device, a socket or a folder.
        OSError: There is no such file, or it may not be read.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise InputError(f"{path} is not a regular file; give a file on a disk.")
    path.open("rb").close()  # so that a lack of permission is not taken for damage


def read_file(path: Path, limit: float) -> bytes:
    """Return the bytes of a regular file of at most `limit` bytes.

    Args:
        path: The file.
        limit: What it holds at most.

    Raises:
        ValueError: It is not a regular file, or larger.
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
    """Return what a gzip file unpacks to, at most `limit` bytes.

    Args:
        path: The file.
        limit: What it holds at most.

    Raises:
        ValueError: It is not a whole gzip file, or unpacks to more.

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
            f"{path} is not a whole gzip file ({error}); a download may have been cut off: "
            "download it again."
        ) from error
    if len(data) > limit:
        raise InputError(
            f"{path} unpacks to more than {limit:,} bytes, the most that was expected; "
            "download it again from its own source."
        )
    return data


def read_tar(path: Path, wanted: Container[str], limit: int) -> dict[str, bytes]:
    """Return the wanted members of a tar archive, packed with gzip or not.

    Nothing is unpacked onto the disk, and nothing is read beyond the limit, however long the
    members say they are.

    Args:
        path: The archive.
        wanted: Names of members, without their folders.
        limit: What the whole archive unpacks to at most.

    Returns:
        Bytes by name; a member that is not there is left out.

    Raises:
        ValueError: It is not a whole tar archive, or unpacks to more.

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
            f"{path} is not a whole tar archive ({error}); a download may have been cut off: "
            "download it again."
        ) from error
    return found


class _Limited(io.BufferedIOBase):
    """A stream that refuses to be read beyond a limit."""

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
                f"{self._path} unpacks to more than {self._limit:,} bytes, the most that was "
                "expected; download it again from its own source."
            )


def read_zip_entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: float) -> bytes:
    """Return an entry of a zip archive of at most `limit` bytes.

    Args:
        archive: The open archive.
        entry: One of its entries.
        limit: What it unpacks to at most.

    Raises:
        ValueError: It is larger, damaged, encrypted, or packed in another way than deflate.

    Example:
        ```python
        read_zip_entry(archive, archive.getinfo("000001.jpg"), 1_000_000)
        ```
    """
    if entry.file_size > limit:
        raise InputError(
            f"it says that it unpacks to {entry.file_size:,} bytes; at most {limit:,} were expected"
        )
    if entry.flag_bits & 1:
        raise InputError("it is encrypted; unpack the archive and give the folder")
    if entry.compress_type not in _ZIP_METHODS:
        raise InputError("it is not packed with deflate; unpack the archive and give the folder")
    try:
        with archive.open(entry) as file:
            # With a length: without one, zipfile unpacks up to two gigabytes at once.
            data = file.read(entry.file_size)
            file.read(1)  # which compares the checksum, also of an empty entry
    except DAMAGE as error:
        raise InputError(str(error) or type(error).__name__) from error
    if len(data) != entry.file_size:
        raise InputError(f"it was cut short: {len(data):,} of {entry.file_size:,} bytes")
    return data
