"""Files under a folder or inside a zip archive, named and read alike."""

import os
import zipfile
from pathlib import Path
from pathlib import PurePosixPath

from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError


class Folder:
    """The files under a folder.

    Args:
        path: The folder.
    """

    format = "folder"

    def __init__(self, path: Path):
        self.path = path

    def names(self) -> list[str]:
        """Return the files' names relative to the folder, with `/`, sorted."""
        found = []
        for folder, _, files in os.walk(self.path):
            relative = PurePosixPath(Path(folder).relative_to(self.path).as_posix())
            found += [str(relative / file) for file in files if not file.startswith(".")]
        return sorted(found)

    def read(self, name: str) -> bytes:
        """Return a file's bytes."""
        return (self.path / name).read_bytes()


class Zip:
    """The files inside a zip archive, read in place, never unpacked.

    Args:
        path: The archive.

    Raises:
        ValueError: It is not a zip archive, or an entry climbs out of the folder.
    """

    format = "zip"

    def __init__(self, path: Path):
        self.path = path
        try:
            self._archive = zipfile.ZipFile(path)
        except zipfile.BadZipFile as error:
            raise InputError(
                f"{path} is not a whole zip archive ({error}); a download may have been cut off, "
                "or a web page saved in its place (Google Drive does so when its quota is "
                "spent): fetch it again."
            ) from error

    def names(self) -> list[str]:
        """Return the entries' names, sorted, without folders and hidden files (macOS adds some)."""
        found = []
        for name in self._archive.namelist():
            path = PurePosixPath(name.replace("\\", "/"))
            if path.is_absolute() or ".." in path.parts:
                raise InputError(
                    f"{self.path} has the entry {name!r}, which climbs out of the folder; "
                    "do not trust this archive, fetch it again from its own source."
                )
            if not name.endswith("/") and not path.name.startswith("."):
                found.append(name)
        return sorted(found)

    def read(self, name: str) -> bytes:
        """Return an entry's bytes."""
        return self._archive.read(name)


def open_files(path: Path) -> Folder | Zip:
    """Open a folder or a zip archive.

    Args:
        path: Where it stands.

    Returns:
        Its files, to be named and read.

    Raises:
        FileNotFoundError: Nothing stands there.
        ValueError: It is neither a folder nor a zip archive.

    Example:
        ```python
        files = open_files(Path("img_align_celeba.zip"))
        data = files.read(files.names()[0])
        ```
    """
    if path.is_dir():
        return Folder(path)
    if not path.exists():
        raise MissingFileError(f"{path} does not exist; give a folder of images or a zip of them.")
    return Zip(path)
