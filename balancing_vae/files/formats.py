"""The kinds of folders that this package writes, and how to recognise them.

Only what is known again is ever replaced or deleted.
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
# What a figure's PNG says of the program that wrote it.
SOFTWARE = "balancing_vae"
# The name of a hidden folder that a write is at work in, beside its target.
WORKSPACE = re.compile(r"\.[0-9a-f]{8}\.(.+)")
# Where `train --overwrite` keeps a run until the new one is whole, and while it is moved.
REPLACED, REPLACING = ".replaced", ".replacing"


@dataclass(frozen=True)
class FolderFormat:
    """A kind of folder that this package writes.

    Attributes:
        name: What to call one, for messages.
        files: The names of its files, relative to it and with forward slashes.
        description: The JSON file without which a folder is not of this kind; None where
            the names of the files are all there is.
        keys: What this file's object must have.
    """

    name: str
    files: re.Pattern
    description: str | None = None
    keys: frozenset[str] = frozenset()

    def describes(self, folder: Path) -> bool:
        """Tell whether a folder is of this kind, whatever else is in it."""
        if self.description is None:
            return True
        path = folder / self.description
        try:
            found = json.loads(path.read_text("utf-8")) if path.is_file() else None
        except (OSError, ValueError, RecursionError):
            return False
        return isinstance(found, dict) and self.keys <= found.keys()

    def foreign_files(self, folder: Path) -> Iterator[str]:
        """Yield the names of what this package did not write, links and devices among it.

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
        """Tell whether a file of this name, relative to the folder, is one of such a folder."""
        # What killed work has left in a folder of ours is ours, too.
        parts = [
            part
            for part in name.split("/")
            if part not in (REPLACED, REPLACING) and not WORKSPACE.fullmatch(part)
        ]
        return self.files.fullmatch("/".join(parts)) is not None


def is_own_figure(path: Path) -> bool:
    """Tell whether a file is a PNG that `figures.save_figure` wrote."""
    try:
        with Image.open(path) as image:
            return image.format == "PNG" and image.info.get("Software") == SOFTWARE
    except Exception:  # Pillow raises many kinds for a file that is not a picture
        return False


def _entries(folder: Path) -> Iterator[Path]:
    """Yield all that a folder holds but real folders, without following links."""
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
# In the user's cache a damaged set is replaced, whatever is left of it.
CACHED_WEIGHTS = FolderFormat("a downloaded weights folder", re.compile(_WEIGHTS_FILES))
STATE = FolderFormat("a training state", re.compile(_STATE_FILES))
PICTURES = FolderFormat("a folder of numbered pictures", re.compile(r"\d{5,}\.png"))
PREPARED = FolderFormat(
    "a prepared dataset",
    re.compile(r"(train|val|test)(_labels)?\.npy|dataset\.json"),
    "dataset.json",
    frozenset({"format_version", "image_shape", "splits"}),
)
