"""Check an output path before any work, and again before anything is replaced."""

import os
import stat
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from balancing_vae.errors import ExistingFileError
from balancing_vae.errors import InputError
from balancing_vae.errors import ResourceError
from balancing_vae.files.formats import SAVED
from balancing_vae.files.formats import WEIGHTS
from balancing_vae.files.formats import FolderFormat
from balancing_vae.files.lock import LOCK
from balancing_vae.files.lock import refuse_locked

PICTURE_ENDINGS = (".png", ".pdf", ".svg")
# A name with one of these endings is meant as a file.
_FILE_ENDINGS = frozenset(
    ".bmp .bz2 .ckpt .csv .gif .gz .h5 .hdf5 .html .ipynb .jpeg .jpg .json .keras .md .npy .npz "
    ".onnx .pb .pdf .pickle .pkl .png .pt .pth .py .safetensors .svg .tar .tgz .tif .tiff .txt "
    ".webp .xz .yaml .yml .zip".split()
)
_LONGEST_NAME = 240  # Most file systems allow 255 bytes; temporary names are longer.
_NAMED_FILES = 3
_SPECIAL = {stat.S_IFLNK: "a link to itself", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
_REPLACE = "or allow it to be replaced (overwrite=True, on the command line --overwrite)"
_REPLACE_CLI = "or add --overwrite to replace it"


def output_file(
    path: str | os.PathLike,
    overwrite: bool = True,
    endings: Iterable[str] = (),
    sources: Iterable[str | os.PathLike] = (),
) -> Path:
    """Check an output path for a file, and return it with all links followed.

    Args:
        path: Where to write. A link is followed, even if its target does not exist.
        overwrite: Whether an existing regular file may be replaced.
        endings: Allowed endings of the name; empty allows any.
        sources: Files that are read and must not be replaced.

    Returns:
        The path without links.

    Raises:
        FileExistsError: The file exists and `overwrite` is false, or the path is a folder.
        ValueError: The path is a device, a pipe or a socket, has another ending, or is a
            source.
        OSError: Its folder is not writable.

    Example:
        ```python
        output_file("samples.npy", overwrite=False)
        ```
    """
    target, mode = _resolve(path)
    if endings and target.suffix.lower() not in endings:
        raise InputError(f"{path} must end in one of {', '.join(endings)}; choose such a name.")
    if mode is not None and stat.S_ISDIR(mode):
        raise ExistingFileError(f"{path} is a folder, not a file; choose another name.")
    _refuse_special(path, mode)
    if mode is not None and not overwrite:
        raise ExistingFileError(
            f"{path} already exists",
            f"choose another name, {_REPLACE}",
            f"choose another name, {_REPLACE_CLI}",
        )
    if mode is not None and any(Path(os.path.realpath(source)) == target for source in sources):
        raise InputError(f"{path} is the source itself; choose another name.")
    return target


def output_folder(
    path: str | os.PathLike,
    form: FolderFormat,
    overwrite: bool = False,
    sources: Iterable[str | os.PathLike | None] = (),
) -> Path:
    """Check an output path for a folder, and return it with all links followed.

    Args:
        path: Where to write. A link is followed, even if its target does not exist.
        form: The kind of folder.
        overwrite: Whether an existing folder may be replaced. Only a folder of the same kind
            that holds nothing but this package's own files is ever replaced.
        sources: Files and folders that are read and must not be replaced.

    Returns:
        The path without links.

    Raises:
        FileExistsError: The folder is not empty and `overwrite` is false; it is of another
            kind or holds other files; or the path is a file.
        ValueError: The path is a device, a pipe or a socket; it has the ending of a file; it
            is empty, is or contains the working folder or the home folder, or contains a
            source.
        OSError: The folder is not writable, or a training is running there.

    Example:
        ```python
        output_folder("runs/a", SAVED, overwrite=True, sources=["data/cifar10"])
        ```
    """
    target, mode = _resolve(path)
    if target.suffix.lower() in _FILE_ENDINGS:
        raise InputError(
            f"{path} ends in {target.suffix}, the ending of a file, and {form.name} is a folder; "
            "choose a name without it."
        )
    if mode is not None and stat.S_ISREG(mode):
        raise ExistingFileError(f"{path} is a file, not a folder; choose another place.")
    _refuse_special(path, mode)
    _refuse_around(path, target, sources)
    if mode is not None:
        _refuse_contents(path, target, form, overwrite)
    return target


def _resolve(path: str | os.PathLike) -> tuple[Path, int | None]:
    """Return a path without links, and the mode of the existing file or folder, or None."""
    text = os.fspath(path)
    if not text or "\0" in text:
        raise InputError(f"{text!r} is not a path to write to; give a name.")
    # Unlike `Path.resolve`, this does not fail on a link that leads to itself.
    target = Path(os.path.realpath(text))
    if len(os.fsencode(target.name)) > _LONGEST_NAME:
        raise InputError(f"{path} has too long a name; use at most {_LONGEST_NAME} bytes.")
    ancestor = target.parent
    while not os.path.lexists(ancestor):
        ancestor = ancestor.parent
    if not ancestor.is_dir():
        raise InputError(f"{ancestor} is not a folder, so nothing can be written below it.")
    if not os.access(ancestor, os.W_OK | os.X_OK):
        raise ResourceError(f"{ancestor} cannot be written to; choose another place.")
    return target, os.lstat(target).st_mode if os.path.lexists(target) else None


def _refuse_special(path: str | os.PathLike, mode: int | None) -> None:
    if mode is not None and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        kind = _SPECIAL.get(stat.S_IFMT(mode), "a device")
        raise InputError(f"{path} is {kind} and cannot be replaced; choose another name.")


def _refuse_around(
    path: str | os.PathLike, target: Path, sources: Iterable[str | os.PathLike | None]
) -> None:
    """Refuse a folder that contains the working folder, the home folder or a source."""

    def holds(other: str | os.PathLike) -> bool:
        return Path(os.path.realpath(other)).is_relative_to(target)

    for name, place in (("working", os.getcwd()), ("home", os.path.expanduser("~"))):
        if holds(place):
            raise InputError(
                f"{str(path)!r} is or contains the {name} folder; name a new folder inside it."
            )
    for source in sources:
        if source is not None and holds(source):
            raise InputError(
                f"{path} contains the source itself, {source}; choose another output folder."
            )
    if os.path.ismount(target):
        raise InputError(f"{path} is a mount point and is not replaced; name a new folder in it.")


def _refuse_contents(
    path: str | os.PathLike, target: Path, form: FolderFormat, overwrite: bool
) -> None:
    entries = {entry.name for entry in target.iterdir()}
    if not entries - {LOCK}:
        return
    if not overwrite:
        raise ExistingFileError(
            f"{path} is not empty",
            f"choose another folder, {_REPLACE}",
            f"choose another folder, {_REPLACE_CLI}",
        )
    foreign = list(islice(form.foreign_files(target), _NAMED_FILES + 1))
    if foreign or not form.describes(target):
        named = ", ".join(foreign[:_NAMED_FILES]) + (" and more" * (len(foreign) > _NAMED_FILES))
        found = f"it holds {named}" if foreign else f"it lacks a valid {form.description}"
        raise ExistingFileError(
            f"{path} is not empty and is not {form.name} written only by this program: {found}. "
            "Such a folder is never replaced; choose another one, or empty it yourself."
        )
    if form in (SAVED, WEIGHTS):
        refuse_locked(target)
