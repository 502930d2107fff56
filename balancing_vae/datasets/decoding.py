"""Decode many image files on all cores, in order, and record the broken ones."""

import functools
import math
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

import numpy as np

from balancing_vae.datasets.files import Folder
from balancing_vae.datasets.files import Zip
from balancing_vae.datasets.files import open_files
from balancing_vae.datasets.files import read_image_file
from balancing_vae.datasets.images import Cut
from balancing_vae.datasets.images import cut_and_shrink
from balancing_vae.datasets.images import read_picture
from balancing_vae.datasets.parallel import map_ordered
from balancing_vae.datasets.prepared import Chunk
from balancing_vae.datasets.prepared import Contents
from balancing_vae.errors import InputError

# Descriptions of changes to images, for `dataset.json` and the printed report.
TRANSPARENT = "transparency dropped"
TURNED = "turned upright (EXIF)"

# Images per task: few enough to update the progress bar often, but enough to hide the cost of
# the pipe. Tasks of large images have fewer, because many tasks are in progress at once.
_TASK = 64
_TASK_BYTES = 2**24


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


@dataclass
class _Decoded:
    """The result of a task: its images, the entries they belong to, and its problems."""

    images: np.ndarray
    kept: list[int] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    changed: Counter = field(default_factory=Counter)


def _decode_entries(entries: list[Entry], cut: Cut) -> _Decoded:
    result = _Decoded(np.empty((0, *cut.shape), np.uint8))
    images = []
    for index, entry in enumerate(entries):
        try:
            picture = read_picture(read_image_file(_files, entry.name), cut.upright)
            images.append(cut_and_shrink(picture.image, cut))
        except (InputError, OSError) as error:
            result.broken.append(f"{entry.name} ({error})")
        else:
            result.kept.append(index)
            result.changed[TRANSPARENT] += picture.transparent
            result.changed[TURNED] += picture.turned
    if images:
        result.images = np.stack(images)
    return result


def decode_files(
    source: Path,
    entries: list[Entry],
    cut: Cut,
    description: dict,
    skip_broken: bool = False,
    workers: int | None = None,
) -> Contents:
    """Decode a source's image files for `write_prepared`.

    Args:
        source: The folder or zip.
        entries: The files, in order.
        cut: How each image is cropped and resized.
        description: Entries for `dataset.json`, to which the cut is added.
        skip_broken: Whether unreadable images are skipped; otherwise writing fails at the end.
        workers: Number of processes; all cores by default.

    Returns:
        uint8 [n, side, side, channels] in chunks, which do not depend on the number of workers.
    """
    broken: list[str] = []
    changed: Counter = Counter()
    return Contents(
        image_shape=cut.shape,
        chunks=_chunks(source, entries, cut, broken, changed, workers),
        total=len(entries),
        description={
            **description,
            "crop": cut.box if cut.box is not None else "largest centred square",
            "filter": "bilinear, antialiased (Pillow)",
        },
        broken=broken,
        changed=changed,
        skip_broken=skip_broken,
    )


def _chunks(
    source: Path,
    entries: list[Entry],
    cut: Cut,
    broken: list[str],
    changed: Counter,
    workers: int | None,
) -> Generator[Chunk]:
    """Yield the images task by task, and update `broken` and `changed` meanwhile."""
    size = max(1, min(_TASK, _TASK_BYTES // math.prod(cut.shape)))
    tasks = _tasks(entries, size)
    results = map_ordered(
        functools.partial(_decode_entries, cut=cut), tasks, workers, _open_source, (source,)
    )
    for task, result in zip(tasks, results, strict=True):
        broken += result.broken
        changed += result.changed
        labels = None
        if task[0].label is not None:
            labels = np.array([task[index].label for index in result.kept], np.int64)
        yield Chunk(task[0].split, result.images, labels, read=len(task))


def _tasks(entries: list[Entry], size: int) -> list[list[Entry]]:
    """Divide the entries into lists of at most `size`, each of one split."""
    splits = dict.fromkeys(entry.split for entry in entries)
    tasks = []
    for split in splits:
        of_split = [entry for entry in entries if entry.split == split]
        tasks += [of_split[start : start + size] for start in range(0, len(of_split), size)]
    return tasks
