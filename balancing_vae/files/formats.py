"""The kinds of folders that this package writes, and how to recognise them.

Only recognised files and folders are ever replaced or deleted.
"""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from balancing_vae.files.lock import LOCK

DESCRIPTION = "config.json"
CARD = "README.md"
# The program name in the metadata of a figure's PNG.
SOFTWARE = "balancing_vae"
# The name of the hidden folder next to a target that is being written.
WORKSPACE = re.compile(r"\.[0-9a-f]{8}\.(.+)")
# `train --overwrite` keeps the old run in the first folder until the new run is complete. The
# second folder holds the old run while it is being moved.
REPLACED, REPLACING = ".replaced", ".replacing"


@dataclass(frozen=True)
class FolderFormat:
    """A kind of folder that this package writes.

    Attributes:
        name: The name of the kind, for messages.
        files: The names of its files, relative to it and with forward slashes.
        description: The JSON file that identifies this kind; None if the folder is recognised
            by the names of its files alone.
        keys: The keys that the JSON object must have.
    """

    name: str
    files: re.Pattern
    description: str | None = None
    keys: frozenset[str] = frozenset()

    def describes(self, folder: Path) -> bool:
        """Return whether a folder is of this kind, even if it holds other files too."""
        if self.description is None:
            return True
        path = folder / self.description
        try:
            found = json.loads(path.read_text("utf-8")) if path.is_file() else None
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(found, dict) and self.keys <= found.keys()

    def foreign_files(self, folder: Path) -> Iterator[str]:
        """Yield the names of entries that this package did not write, including links.

        Args:
            folder: A folder.

        Yields:
            Names relative to it.
        """
        for entry in _entries(folder):
            name = entry.relative_to(folder).as_posix()
            if entry.is_symlink() or not entry.is_file() or not self.has(name):
                yield name

    def has(self, name: str) -> bool:
        """Return whether a name, relative to the folder, is one of this kind's files."""
        # Leftovers of killed writes in such a folder belong to it, too.
        parts = [
            part
            for part in name.split("/")
            if part not in (REPLACED, REPLACING) and not WORKSPACE.fullmatch(part)
        ]
        return self.files.fullmatch("/".join(parts)) is not None


def is_own_figure(path: Path) -> bool:
    """Return whether a file is a PNG that `figures.save_figure` wrote."""
    try:
        with Image.open(path) as image:
            return image.format == "PNG" and image.info.get("Software") == SOFTWARE
    except Exception:  # Pillow raises many exceptions for a file that is not a picture
        return False


def _entries(folder: Path) -> Iterator[Path]:
    """Yield all entries below a folder except real folders, without following links."""
    with os.scandir(folder) as entries:
        for entry in sorted(entries, key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(Path(entry.path))
            else:
                yield Path(entry.path)


_STATE_FILES = r"model\.weights\.h5|optimizer\.npz|state\.json"
_SAVED_FILES = "|".join(
    (
        r"config\.json|history\.csv|metrics\.json|samples\.png|curves\.png|" + re.escape(LOCK),
        r"stage[12]\.weights\.h5|samplers/\w+\.npz|figures/\w+\.(png|json)",
        rf"states/stage[12]/(best\.json|best\.weights\.h5|epoch-\d+/({_STATE_FILES}))",
        r"tensorboard/stage[12]/events\.out\.tfevents\.[^/]+",
    )
)
_WEIGHTS_FILES = rf"{_SAVED_FILES}|README\.md|SHA256SUMS|decoder\.keras|pretrained\.json"

SAVED = FolderFormat(
    "a saved pipeline or a run",
    re.compile(_SAVED_FILES),
    DESCRIPTION,
    frozenset({"format_version", "config"}),
)
WEIGHTS = FolderFormat(
    "a weights folder",
    re.compile(_WEIGHTS_FILES),
    "pretrained.json",
    frozenset({"name", "kernels", "deviations"}),
)
# In the user's cache a damaged set may be replaced even without its JSON file.
CACHED_WEIGHTS = FolderFormat("a downloaded weights folder", re.compile(_WEIGHTS_FILES))
STATE = FolderFormat("a training state", re.compile(_STATE_FILES))
PICTURES = FolderFormat("a folder of numbered pictures", re.compile(r"\d{5,}\.png"))
PREPARED = FolderFormat(
    "a prepared dataset",
    re.compile(r"(train|val|test)(_labels)?\.npy|dataset\.json"),
    "dataset.json",
    frozenset({"format_version", "image_shape", "splits"}),
)
