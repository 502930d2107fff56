"""Arrays as `.npy` and `.npz`, without pickle.

Nothing is read that a file only claims to hold.
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
# Floats hardly shrink, but a file may hold many zeros.
LARGEST_RATIO = 20


class _ToPython:
    """A file that NumPy writes to in Python.

    What it takes for a real file it hands to C, which does not tell where the end of an array
    found no space on the disk.
    """

    def __init__(self, file: io.BufferedWriter):
        self.write = file.write


def save_array(path: Path, array: np.ndarray) -> None:
    """Write an array as `.npy`.

    Args:
        path: Where to.
        array: The array.

    Raises:
        OSError: The disk is full; an old file stays as it was.
    """
    with atomic_file(path) as temporary, open(temporary, "wb") as file:
        np.save(_ToPython(file), array, allow_pickle=False)


def save_arrays(path: Path, **arrays: np.ndarray) -> None:
    """Write arrays as `.npz`.

    Args:
        path: Where to; the name should end in `.npz`.
        **arrays: The arrays by name.
    """
    # Into an open file: to a path without `.npz`, NumPy would add it.
    with atomic_file(path) as temporary, open(temporary, "wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]  # none is named allow_pickle


def load_arrays(path: Path, most: int | None = None) -> dict[str, np.ndarray]:
    """Read what `save_arrays` wrote.

    Args:
        path: An `.npz` file.
        most: How many bytes its arrays can have together, where that is known; by default
            twenty times those of the file, and 64 MiB in any case.

    Returns:
        The arrays by name.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file is broken, or claims to hold more than it can.
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
    except Exception as error:  # zipfile and NumPy raise many kinds on a damaged file
        raise InputError(f"{path} is not a complete .npz file; copy it again.") from error


def _check_claims(archive: zipfile.ZipFile, most: int) -> None:
    """Refuse an archive that would take more memory than its arrays can have."""
    names = archive.namelist()
    if len(set(names)) < len(names):
        raise InputError("it holds two arrays of one name")
    total = 0
    for member in archive.infolist():
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # Python unpacks a whole block of bzip2 or LZMA at once, whatever it holds.
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
                raise InputError(f"{member.filename} claims {claimed:,} bytes and has others")
        total += claimed
    if total > most:
        raise InputError(f"its arrays claim {total:,} bytes, more than the {most:,} there can be")
