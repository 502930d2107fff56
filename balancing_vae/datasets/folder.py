"""Any folder of images, in any format that Pillow reads."""

from pathlib import Path
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from balancing_vae.datasets.decoding import Entry
from balancing_vae.datasets.decoding import decode_files
from balancing_vae.datasets.files import open_files
from balancing_vae.datasets.images import Cut
from balancing_vae.datasets.prepared import SPLITS
from balancing_vae.datasets.prepared import Contents
from balancing_vae.errors import InputError


def read(
    source: Path,
    side: int | None = None,
    crop: int | tuple[int, int, int, int] | None = None,
    skip_broken: bool = False,
    workers: int | None = None,
) -> Contents:
    """Read all images under a folder, or in a zip, cut and shrunk to squares.

    Folders `train`, `val` and `test` at the top decide the splits. Where there are none,
    every tenth image of the sorted names goes to `val` and the one after it to `test`.
    Where images lie in more than one folder below that, the folders' names are the classes.

    Args:
        source: The folder, or a zip of it.
        side: Side of the result in pixels.
        crop: Side of a centred square, or (left, top, right, bottom) in pixels with the last
            two exclusive; the largest centred square by default.
        skip_broken: Whether unreadable images are left out.
        workers: Number of processes; all cores by default.

    Returns:
        The images, uint8 [n, side, side, 3].

    Raises:
        FileNotFoundError: There is no such source.
        ValueError: There is no image in it, or the side or crop makes no sense.
    """
    if side is None or side < 1:
        raise InputError(
            f"The side is {side}; give the images' side in pixels (side=64, on the command line "
            "--side 64)."
        )
    box_is_empty = isinstance(crop, tuple) and (crop[0] >= crop[2] or crop[1] >= crop[3])
    if box_is_empty or (isinstance(crop, int) and crop < 1):
        raise InputError(
            f"The crop {crop} is empty; give a side in pixels, or left,top,right,bottom."
        )
    files = open_files(source)
    endings = _readable_endings()
    names = [name for name in files.names() if PurePosixPath(name).suffix.lower() in endings]
    if not names:
        raise InputError(f"{source} has no images; give a folder of files that Pillow reads.")
    entries, classes = _split_and_label(names)
    description = {"source": {"file": source.name, "format": files.format}}
    if classes:
        description["classes"] = classes
    return decode_files(source, entries, Cut(crop, side), description, skip_broken, workers)


def _readable_endings() -> frozenset[str]:
    return frozenset(
        ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN
    )


def _split_and_label(names: list[str]) -> tuple[list[Entry], list[str] | None]:
    """Return each image's split and label, and the classes if there are any."""
    tops = {PurePosixPath(name).parts[0] for name in names}
    if tops <= set(SPLITS):
        splits = [PurePosixPath(name).parts[0] for name in names]
        parents = ["/".join(PurePosixPath(name).parts[1:-1]) for name in names]
    else:
        position = np.arange(len(names)) % 10
        splits = np.select([position == 8, position == 9], ["val", "test"], "train").tolist()
        parents = [str(PurePosixPath(name).parent) for name in names]
    classes = sorted(set(parents))
    if len(classes) == 1:
        return [Entry(*pair) for pair in zip(names, splits, strict=True)], None
    number = {parent: index for index, parent in enumerate(classes)}
    labelled = zip(names, splits, parents, strict=True)
    return [Entry(name, split, number[parent]) for name, split, parent in labelled], classes
