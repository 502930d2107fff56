"""Decode many image files with all cores, in order, and take note of the broken ones."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from balancing_vae.datasets.files import Folder
from balancing_vae.datasets.files import Zip
from balancing_vae.datasets.files import open_files
from balancing_vae.datasets.images import Cut
from balancing_vae.datasets.images import decode
from balancing_vae.datasets.parallel import map_ordered
from balancing_vae.datasets.prepared import Chunk
from balancing_vae.datasets.prepared import Contents

# Images a task: few enough for a lively progress bar, enough to hide the cost of the pipe.
_TASK = 64


@dataclass(frozen=True)
class Entry:
    """One image file of a source.

    Args:
        name: Its name in the folder or zip.
        split: `train`, `val` or `test`.
        label: Its class, or None.
    """

    name: str
    split: str
    label: int | None = None


_files: Folder | Zip  # the source, opened once in each worker process


def _open_source(path: Path) -> None:
    global _files
    _files = open_files(path)


def _decode_entries(entries: list[Entry], cut: Cut) -> tuple[np.ndarray, list[int], list[str]]:
    """Return the images, which entries they are, and `name (reason)` of the broken ones."""
    images, kept, broken = [], [], []
    for index, entry in enumerate(entries):
        try:
            images.append(decode(_files.read(entry.name), cut))
            kept.append(index)
        # Damaged files make Pillow's and zipfile's readers raise almost anything; whatever it
        # is, the user wants the file's name and the rest of the images.
        except Exception as error:
            broken.append(f"{entry.name} ({str(error) or type(error).__name__})")
    stacked = np.stack(images) if images else np.empty((0, cut.side, cut.side, 3), np.uint8)
    return stacked, kept, broken


def decode_files(
    source: Path,
    entries: list[Entry],
    cut: Cut,
    description: dict,
    skip_broken: bool = False,
    workers: int | None = None,
) -> Contents:
    """Decode a source's image files, for `write_prepared`.

    Args:
        source: The folder or zip.
        entries: Which files, in order.
        cut: How each image is cut and shrunk.
        description: What goes into `dataset.json`; the cut is added.
        skip_broken: Whether unreadable images are left out; else the writing fails at the end.
        workers: Number of processes; all cores by default.

    Returns:
        uint8 [n, side, side, 3] in chunks; the same whatever the number of workers.
    """
    broken: list[str] = []
    return Contents(
        image_shape=(cut.side, cut.side, 3),
        chunks=_chunks(source, entries, cut, broken, workers),
        total=len(entries),
        description={
            **description,
            "crop": cut.box if cut.box is not None else "largest centred square",
            "filter": "bilinear, antialiased (Pillow)",
        },
        broken=broken,
        skip_broken=skip_broken,
    )


def _chunks(
    source: Path, entries: list[Entry], cut: Cut, broken: list[str], workers: int | None
) -> Iterator[Chunk]:
    """Yield the images task by task; add to `broken` on the way."""
    tasks = _tasks(entries)
    results = map_ordered(
        functools.partial(_decode_entries, cut=cut), tasks, workers, _open_source, (source,)
    )
    for task, (images, kept, unreadable) in zip(tasks, results, strict=True):
        broken += unreadable
        labels = None
        if task[0].label is not None:
            labels = np.array([task[index].label for index in kept], np.int64)
        yield Chunk(task[0].split, images, labels, read=len(task))


def _tasks(entries: list[Entry]) -> list[list[Entry]]:
    """Cut the entries into short lists, each of one split."""
    splits = dict.fromkeys(entry.split for entry in entries)
    tasks = []
    for split in splits:
        of_split = [entry for entry in entries if entry.split == split]
        tasks += [of_split[start : start + _TASK] for start in range(0, len(of_split), _TASK)]
    return tasks
