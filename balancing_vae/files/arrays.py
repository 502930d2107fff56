"""Read and write arrays as `.npy` and `.npz`, without pickle.

Sizes that a file declares are checked before anything is read.
"""

import io
import math
import zipfile
from pathlib import Path

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.files.atomic import atomic_file

SMALL = 2**26
# Floats hardly compress, but a file may hold many zeros.
LARGEST_RATIO = 20


class _ToPython:
    """A file object that makes NumPy write with Python's `write`, not with its own C code.

    NumPy writes to a real file in C. That code does not report a full disk if only the end of
    an array could not be written.
    """

    def __init__(self, file: io.BufferedWriter):
        self.write = file.write


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an array as `.npy`.

    Args:
        path: The file to write.
        array: The array.

    Raises:
        OSError: The disk is full; an old file is left unchanged.
    """
    with atomic_file(path) as temporary, open(temporary, "wb") as file:
        np.save(_ToPython(file), array, allow_pickle=False)


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays as `.npz`.

    Args:
        path: The file to write; its name should end in `.npz`.
        **arrays: The arrays by name.
    """
    # NumPy adds `.npz` to a path without it, but not to an open file.
    with atomic_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # none is named allow_pickle


def load_arrays(path: Path, most: int | None = None) -> dict[str, np.ndarray]:
    """Read arrays that `save_arrays` wrote.

    Args:
        path: An `.npz` file.
        most: Maximum size of all arrays together in bytes, if known. By default it is twenty
            times the size of the file, or 64 MiB if that is more.

    Returns:
        The arrays by name.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file is damaged, or declares larger arrays than it can hold.
    """
    if not path.is_file():
        raise MissingFileError(f"{path} is missing or not a file; copy it again.")
    most = max(SMALL, LARGEST_RATIO * path.stat().st_size) if most is None else most
    try:
        with zipfile.ZipFile(path) as archive:
            _check_claims(archive, most)
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
    except InputError as error:
        raise InputError(f"{path} is damaged: {error}; copy it again.") from error
    except Exception as error:  # zipfile and NumPy raise many exceptions for a damaged file
        raise InputError(f"{path} is not a complete .npz file; copy it again.") from error


def _check_claims(archive: zipfile.ZipFile, most: int) -> None:
    """Refuse an archive that would take more memory than its arrays can need."""
    names = archive.namelist()
    if len(set(names)) < len(names):
        raise InputError("it holds two arrays of the same name")
    total = 0
    for member in archive.infolist():
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # Python unpacks a whole block of bzip2 or LZMA at once, however large it is.
            raise InputError(f"{member.filename} is packed in a way that NumPy does not write")
        with archive.open(member) as stream:
            version = np.lib.format.read_magic(stream)
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[version]
            shape, _, dtype = read_header(stream)
            claimed = math.prod(shape) * dtype.itemsize
            if stream.tell() + claimed != member.file_size:
                raise InputError(f"{member.filename} declares {claimed:,} bytes but has others")
        total += claimed
    if total > most:
        raise InputError(f"its arrays declare {total:,} bytes, more than the {most:,} possible")
