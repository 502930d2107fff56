"""Any folder of images: its training, validation and test splits, and its classes."""

from collections.abc import Collection
from pathlib import Path
from pathlib import PurePosixPath
from typing import Any

import numpy as np

from balancing_vae.config import LARGEST_SIDE
from balancing_vae.datasets.decoding import Entry
from balancing_vae.datasets.decoding import decode_files
from balancing_vae.datasets.description import SPLITS
from balancing_vae.datasets.files import find_images
from balancing_vae.datasets.files import in_words
from balancing_vae.datasets.files import open_files
from balancing_vae.datasets.images import Cut
from balancing_vae.datasets.images import readable_endings
from balancing_vae.datasets.prepared import Contents
from balancing_vae.errors import InputError

# Names of folders that hold a split, in upper or lower case.
SPLIT_NAMES = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
DEALT_OUT = (
    "dealt out, since no folder is named after a split: of each ten images of the sorted names "
    "eight to train, one to val, one to test"
)
_NAMED_AT_MOST = 10


def read(
    source: Path,
    side: int | None = None,
    crop: int | tuple[int, int, int, int] | None = None,
    grayscale: bool = False,
    skip_broken: bool = False,
    workers: int | None = None,
) -> Contents:
    """Read all images in a folder or zip, cropped and resized to squares.

    A folder that contains all others is ignored. If there are folders named after splits (see
    SPLIT_NAMES), they determine the splits. Otherwise, of every ten images in the order of their
    names, the ninth goes to `val` and the tenth to `test`. If the images of the splits lie in
    more than one folder, the folders' names are the classes.

    Args:
        source: The folder, or a zip of it.
        side: Side of the result in pixels.
        crop: Side of a centred square, or (left, top, right, bottom) in pixels with the last
            two exclusive; the largest centred square by default.
        grayscale: Whether the result has a single, grey channel.
        skip_broken: Whether unreadable images are skipped.
        workers: Number of processes; all cores by default.

    Returns:
        The images, uint8 [n, side, side, 3] or [n, side, side, 1].

    Raises:
        FileNotFoundError: The source does not exist.
        ValueError: It holds no image, some images belong to a split and others do not, or the
            side or crop is invalid.
    """
    if side is None or not 1 <= side <= LARGEST_SIDE:
        raise InputError(
            f"The side is {side}",
            f"give the images' side in pixels, 1 to {LARGEST_SIDE:,}, for example side=64",
            f"give the images' side in pixels, 1 to {LARGEST_SIDE:,}, for example --side 64",
        )
    box_is_empty = isinstance(crop, tuple) and (crop[0] >= crop[2] or crop[1] >= crop[3])
    if box_is_empty or (isinstance(crop, int) and crop < 1):
        raise InputError(
            f"The crop {crop} is empty; give a side in pixels, or left,top,right,bottom."
        )
    files = open_files(source)
    names, passed_over = find_images(files)
    if not names:
        others = f"; passed over: {in_words(passed_over)}" if passed_over else ""
        raise InputError(
            f"{source} has no images{others}; give a folder of files that end in "
            f"{', '.join(sorted(readable_endings()))}."
        )
    entries, classes, partition = split_and_label(names, source)
    description: dict[str, Any] = {
        "source": {"file": source.name, "format": files.format},
        "partition": partition,
        "passed_over": passed_over,
    }
    if classes:
        description["classes"] = classes
    if grayscale:
        description["grey"] = True
    cut = Cut(crop, side, grayscale=grayscale)
    return decode_files(source, entries, cut, description, skip_broken, workers)


def split_and_label(names: list[str], source: Path) -> tuple[list[Entry], list[str] | None, str]:
    """Determine each image's split and class from its folders.

    Args:
        names: The images' names, with `/`, sorted.
        source: The path of the source, for the message.

    Returns:
        The images with their splits and labels; the classes, or None if there is only one;
        and a description of how the splits were determined.

    Raises:
        ValueError: Some images lie in a folder named after a split and others do not, two
            folders name the same split, or such folders are not at the top.

    Example:
        ```python
        split_and_label(["Train/a.png", "valid/b.png"], Path("photos"))
        ```
    """
    inner = _without_common_folder([PurePosixPath(name).parts for name in names])
    tops = {parts[0]: _split_named(parts) for parts in inner}
    if any(tops.values()):
        _refuse_mixture(tops, source)
        splits = [split for parts in inner if (split := tops[parts[0]])]
        parents = ["/".join(parts[1:-1]) or "." for parts in inner]
        partition = "folders: " + ", ".join(sorted(tops))
    else:
        _refuse_splits_below(inner, source)
        position = np.arange(len(names)) % 10
        splits = np.select([position == 8, position == 9], ["val", "test"], "train").tolist()
        parents = ["/".join(parts[:-1]) or "." for parts in inner]
        partition = DEALT_OUT
    classes = sorted(set(parents))
    if len(classes) == 1:
        return [Entry(*each) for each in zip(names, splits, strict=True)], None, partition
    number = {parent: index for index, parent in enumerate(classes)}
    labels = [number[parent] for parent in parents]
    entries = [Entry(*each) for each in zip(names, splits, labels, strict=True)]
    return entries, classes, partition


def _without_common_folder(paths: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Remove the leading folders that all paths share, up to one named after a split."""
    while len({parts[0] for parts in paths}) == 1 and not _split_named(paths[0]):
        if len(paths[0]) == 1:
            break  # the only image
        paths = [parts[1:] for parts in paths]
    return paths


def _split_named(parts: tuple[str, ...]) -> str | None:
    """Return the split after which a path's first folder is named, or None."""
    return SPLIT_NAMES.get(parts[0].lower()) if len(parts) > 1 else None


def _refuse_splits_below(paths: list[tuple[str, ...]], source: Path) -> None:
    """Refuse to choose splits if folders named after splits exist, but not at the top."""
    below = {
        "/".join(parts[: depth + 1])
        for parts in paths
        for depth in range(1, len(parts) - 1)
        if parts[depth].lower() in SPLIT_NAMES
    }
    if below:
        raise InputError(
            f"{source} has folders named after splits ({_some(below)}), but not at the top level; "
            "give a folder that has them at its top level, or rename them."
        )


def _some(names: Collection[str]) -> str:
    """Return the first few names for a message."""
    shown = ", ".join(sorted(names)[:_NAMED_AT_MOST])
    more = len(names) - _NAMED_AT_MOST
    return f"{shown} and {more} more" if more > 0 else shown


def _refuse_mixture(tops: dict[str, str | None], source: Path) -> None:
    others = [top for top, split in tops.items() if split is None]
    named = [top for top in tops if top not in others]
    if others:
        raise InputError(
            f"{source} has images in folders named after splits ({_some(named)}) and others that "
            f"belong to no split ({_some(others)}); move those into a split, or remove them."
        )
    for split in SPLITS:
        same = sorted(top for top in named if tops[top] == split)
        if len(same) > 1:
            raise InputError(
                f"{source} has several folders for the split {split} ({', '.join(same)}); "
                "merge or rename them."
            )
