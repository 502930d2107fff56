"""Sources that are already arrays: split them into chunks for `write_prepared`."""

from collections.abc import Callable
from collections.abc import Generator
from collections.abc import Iterable
from collections.abc import Mapping

import numpy as np

from balancing_vae.datasets.parallel import map_ordered
from balancing_vae.datasets.prepared import Chunk
from balancing_vae.datasets.prepared import Contents

_CHUNK = 512

# Images, uint8 [N, D, D, C], and labels, int [N] or None, by split.
Arrays = Mapping[str, tuple[np.ndarray, np.ndarray | None]]


def from_arrays(
    arrays: Arrays,
    description: dict,
    change: Callable[[np.ndarray], np.ndarray] | None = None,
    workers: int | None = 1,
) -> Contents:
    """Wrap arrays as contents for `write_prepared`.

    Args:
        arrays: Images and labels by split.
        description: Entries for `dataset.json`.
        change: A function of uint8 [n, D, D, C] that is applied to each chunk; it may change D.
        workers: Number of processes for `change`; None uses all cores.

    Returns:
        The images in chunks.
    """
    images, _ = next(iter(arrays.values()))
    example = change(images[:1]) if change else images
    return Contents(
        image_shape=example.shape[1:],
        chunks=_chunks(arrays, change, workers),
        total=sum(len(images) for images, _ in arrays.values()),
        description=description,
    )


def _chunks(arrays: Arrays, change: Callable | None, workers: int | None) -> Generator[Chunk]:
    places = [
        (split, slice(start, start + _CHUNK))
        for split, (images, _) in arrays.items()
        for start in range(0, len(images), _CHUNK)
    ]
    pieces: Iterable[np.ndarray] = (arrays[split][0][place] for split, place in places)
    if change:
        pieces = map_ordered(change, pieces, workers)
    for (split, place), images in zip(places, pieces, strict=True):
        labels = arrays[split][1]
        yield Chunk(split, images, None if labels is None else labels[place], read=len(images))
