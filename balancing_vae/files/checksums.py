"""Checksums (sha256) of the files in a folder, in the format of the command `sha256sum`."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from pathlib import PurePosixPath

from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.files.atomic import atomic_file

CHECKSUMS = "SHA256SUMS"
LINE = re.compile(r"([0-9a-f]{64})  ([^\\]+)")


def sha256(path: Path) -> str:
    """Return the sha256 of a file as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_checksums(folder: Path, names: Sequence[str] | None = None) -> None:
    """Write `SHA256SUMS`, which `sha256sum --check SHA256SUMS` understands.

    Args:
        folder: A folder.
        names: The files that changed, relative to the folder; the other sums are kept. None
            computes the sums of all files except hidden ones and `SHA256SUMS`.

    Raises:
        ValueError: `names` is given and the existing `SHA256SUMS` is damaged.
        OSError: A file is missing, or the folder cannot be written to.

    Example:
        ```python
        write_checksums(Path("weights/mnist"), ["README.md"])
        ```
    """
    sums = {} if names is None else read_checksums(folder)
    for name in _files(folder) if names is None else names:
        sums[name] = sha256(folder / name)
    with atomic_file(folder / CHECKSUMS) as temporary:
        temporary.write_text("".join(f"{sums[name]}  {name}\n" for name in sorted(sums)), "utf-8")


def update_checksums(folder: Path, names: Sequence[str]) -> None:
    """Update the sums of files that changed, if the folder has a `SHA256SUMS`.

    Args:
        folder: A folder.
        names: The files, relative to it.

    Raises:
        ValueError: The `SHA256SUMS` is damaged.
        OSError: A file is missing, or the folder cannot be written to.
    """
    if (folder / CHECKSUMS).is_file():
        write_checksums(folder, names)


def read_checksums(folder: Path) -> dict[str, str]:
    """Read `SHA256SUMS`.

    Args:
        folder: A folder with `SHA256SUMS`.

    Returns:
        The sha256 of each file by its name relative to the folder, with forward slashes.

    Raises:
        FileNotFoundError: There is no `SHA256SUMS`.
        ValueError: It is damaged, or a name in it is outside the folder.
    """
    path = folder / CHECKSUMS
    if not path.is_file():
        raise MissingFileError(f"{path} is missing; without it the folder cannot be checked.")
    try:
        lines = path.read_text("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is damaged ({error}); copy the folder again.") from error
    sums = {}
    for number, line in enumerate(lines, start=1):
        match = LINE.fullmatch(line)
        if match is None:
            raise InputError(f"Line {number} of {path} is damaged; copy the folder again.")
        name = PurePosixPath(match[2])
        if name.is_absolute() or ".." in name.parts or ":" in match[2]:
            raise InputError(f"{path} names {match[2]}, which is outside the folder.")
        sums[match[2]] = match[1]
    return sums


def check_checksums(folder: Path) -> list[str]:
    """Check that every file of a folder has the sha256 in its `SHA256SUMS`.

    Args:
        folder: A folder with `SHA256SUMS`.

    Returns:
        The names of the files.

    Raises:
        FileNotFoundError: There is no `SHA256SUMS`.
        ValueError: A file is missing, changed or not listed; the message names all of them.

    Example:
        ```python
        check_checksums(Path("weights/mnist"))
        ```
    """
    names = list(read_checksums(folder))
    problems = [
        f"{name} {'has another sha256' if (folder / name).is_file() else 'is missing'}"
        for name in damaged_files(folder)
    ]
    problems += [f"{name} is not listed" for name in _files(folder) if name not in names]
    if problems:
        raise InputError(
            f"{folder} does not match its {CHECKSUMS}: {', '.join(problems)}; copy or download "
            "it again."
        )
    return names


def damaged_files(folder: Path) -> list[str]:
    """Return the files in `SHA256SUMS` that are missing or have another sha256.

    Args:
        folder: A folder with `SHA256SUMS`.

    Returns:
        Their names.

    Raises:
        FileNotFoundError: There is no `SHA256SUMS`.
        ValueError: It is damaged.
    """
    return [
        name
        for name, expected in read_checksums(folder).items()
        if not (folder / name).is_file() or sha256(folder / name) != expected
    ]


def _files(folder: Path) -> list[str]:
    names = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    return sorted(
        name.as_posix()
        for name in names
        if not any(part.startswith(".") for part in name.parts) and name.as_posix() != CHECKSUMS
    )
