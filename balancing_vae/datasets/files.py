"""Files in a folder or in a zip archive, with one interface."""

import errno
import os
import stat
import zipfile
from collections import Counter
from collections.abc import Container
from pathlib import Path
from pathlib import PurePosixPath

from balancing_vae.datasets.bounded import DAMAGE
from balancing_vae.datasets.bounded import read_file
from balancing_vae.datasets.bounded import read_zip_entry
from balancing_vae.datasets.bounded import refuse_special_file
from balancing_vae.datasets.images import largest_file
from balancing_vae.datasets.images import readable_endings
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.errors import ResourceError

# Why entries were skipped, other than by their ending.
HIDDEN = "hidden"
SPECIAL = "pipes, devices or sockets"
DANGLING = "links to nothing"
VISITED = "links to folders that count already"
REPLACED = "zip entries with a later one of the same name"
ZIPPED_LINK = "links inside the zip"
NO_ENDING = "without an ending"


class Folder:
    """The files under a folder.

    Links are followed. Each folder is visited only once, even if several links lead to it, so
    circular links do no harm.

    Args:
        path: The folder.
    """

    format = "folder"

    def __init__(self, path: Path):
        self.path = path

    def listing(self) -> tuple[list[str], Counter]:
        """Return the files' names relative to the folder, and the number of skipped entries.

        Returns:
            The sorted names, with `/`, without hidden files, files in hidden folders and
            anything but regular files; and the number of these skipped entries by reason.

        Raises:
            OSError: A folder or the target of a link cannot be read.
        """
        names: list[str] = []
        passed_over: Counter = Counter()
        visited = set()
        # Folders come before links to folders, so that a file keeps the name without links.
        folders = [""]
        links: list[str] = []
        while folders or links:
            name = (folders or links).pop()
            try:
                identity = _identity(os.stat(self.path / name))
                if identity in visited:
                    passed_over[VISITED] += 1
                    continue
                visited.add(identity)
                with os.scandir(self.path / name) as entries:
                    inside = sorted(entries, key=lambda entry: entry.name, reverse=True)
            except OSError as error:
                raise _unreadable(self.path / name, error) from error
            for entry in inside:
                below = f"{name}/{entry.name}" if name else entry.name
                mode = _mode(entry)
                if entry.name.startswith("."):
                    passed_over[HIDDEN] += 1
                elif stat.S_ISDIR(mode):
                    (links if entry.is_symlink() else folders).append(below)
                elif stat.S_ISREG(mode):
                    names.append(below)
                else:
                    passed_over[SPECIAL if mode else DANGLING] += 1
        return sorted(names), passed_over

    def read(self, name: str, limit: float) -> bytes:
        """Return a file's bytes, at most `limit`."""
        return read_file(self.path / name, limit)


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _mode(entry: os.DirEntry) -> int:
    """Return an entry's mode, links followed; 0 if the links are broken or circular."""
    try:
        return entry.stat().st_mode
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return 0
        raise _unreadable(entry.path, error) from error


def _unreadable(path: str | os.PathLike, error: OSError) -> ResourceError:
    return ResourceError(
        f"{path} cannot be read ({error.strerror or error}); change its permissions or remove it."
    )


class Zip:
    """The files inside a zip archive, read in place, never unpacked.

    Args:
        path: The archive.

    Raises:
        ValueError: It is not a zip archive, or an entry's path is outside the archive's folder.
    """

    format = "zip"

    def __init__(self, path: Path):
        self.path = path
        refuse_special_file(path)
        try:
            self._archive = zipfile.ZipFile(path)
        except DAMAGE as error:
            raise InputError(
                f"{path} is not a complete zip archive ({error}); a download may have been cut "
                "off, or may be a web page (which Google Drive sends when its quota is "
                "exhausted): download it again."
            ) from error
        self._entries: dict[str, zipfile.ZipInfo] = {}
        self._passed_over: Counter = Counter()
        for entry in self._archive.infolist():
            self._add(entry)

    def _add(self, entry: zipfile.ZipInfo) -> None:
        # Some Windows programs write backslashes as separators.
        path = PurePosixPath(entry.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise InputError(
                f"{self.path} has the entry {entry.filename!r}, which is outside the folder; "
                "do not trust this archive, download it again from its original source."
            )
        if entry.filename.endswith(("/", "\\")):
            return
        if any(part.startswith(".") for part in path.parts):
            self._passed_over[HIDDEN] += 1
        elif stat.S_ISLNK(entry.external_attr >> 16):
            self._passed_over[ZIPPED_LINK] += 1
        else:
            # Of two entries with the same name the later one is used, as in unpacking.
            self._passed_over[REPLACED] += str(path) in self._entries
            self._entries[str(path)] = entry

    def listing(self) -> tuple[list[str], Counter]:
        """Return the entries' names, and the number of skipped entries.

        Returns:
            The sorted names, with `/`, without folders, hidden files and links; and the number
            of skipped entries by reason.
        """
        return sorted(self._entries), +self._passed_over

    def read(self, name: str, limit: float) -> bytes:
        """Return an entry's bytes, at most `limit`."""
        return read_zip_entry(self._archive, self._entries[name], limit)


def open_files(path: Path) -> Folder | Zip:
    """Open a folder or a zip archive.

    Args:
        path: Its path.

    Returns:
        Its files, which can be listed and read.

    Raises:
        FileNotFoundError: The path does not exist.
        ValueError: It is neither a folder nor a zip archive.

    Example:
        ```python
        files = open_files(Path("img_align_celeba.zip"))
        names, passed_over = files.listing()
        data = files.read(names[0], limit=1_000_000)
        ```
    """
    if path.is_dir():
        return Folder(path)
    if not path.exists():
        raise MissingFileError(f"{path} does not exist; give a folder of images or a zip of them.")
    return Zip(path)


def find_images(files: Folder | Zip) -> tuple[list[str], dict[str, int]]:
    """Return which files of a folder or zip are images, in the same way for every command.

    An image is a regular file, not hidden and in no hidden folder, whose ending is one of
    `readable_endings`, in upper or lower case.

    Args:
        files: The folder or zip.

    Returns:
        The images' names, sorted, and the number of skipped entries by reason: an ending such
        as `.heic`, or a word such as `hidden`.

    Example:
        ```python
        names, passed_over = find_images(open_files(Path("photos")))
        ```
    """
    return only_images(*files.listing(), readable_endings())


def only_images(
    names: list[str], passed_over: Counter, endings: Container[str]
) -> tuple[list[str], dict[str, int]]:
    """Return the names that have one of the endings, and count the others.

    Args:
        names: The files' names.
        passed_over: Numbers of entries skipped before, by reason.
        endings: The endings in lower case, with the dot.

    Returns:
        The same as `find_images`.
    """
    passed_over = Counter(passed_over)
    images = []
    for name in names:
        ending = PurePosixPath(name).suffix.lower()
        if ending in endings:
            images.append(name)
        else:
            passed_over[ending or NO_ENDING] += 1
    return images, dict(sorted(passed_over.items()))


def in_words(passed_over: dict[str, int]) -> str:
    """Return the numbers of skipped entries as readable text, most frequent first.

    Args:
        passed_over: The numbers that `find_images` returned.

    Returns:
        For example "12 .heic, 2 hidden"; empty if nothing was skipped.
    """
    ordered = sorted(passed_over.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count:,} {what}" for what, count in ordered)


def read_image_file(files: Folder | Zip, name: str) -> bytes:
    """Return an image file's bytes; refuse a file larger than any allowed image.

    Args:
        files: The folder or zip.
        name: One of its names.

    Raises:
        ValueError: It is too large, damaged, or no longer a regular file.
        OSError: It cannot be read.
    """
    return files.read(name, largest_file())
