"""Sources of training images: an array, or batches that can be iterated repeatedly."""

import warnings
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping

import keras
import numpy as np

from balancing_vae.checks import check_images
from balancing_vae.errors import InputError
from balancing_vae.training.order import warn_if_unlike

# `tf.data.Dataset.cardinality` of a dataset that never ends.
INFINITE = -1
# The original program uses this many images.
FITTED_IMAGES = 10_000
# Enough to recognise sorted images.
COMPARED_IMAGES = 2_000


class ImageBatches:
    """Images from a `tf.data.Dataset`, a `keras.utils.PyDataset` or a PyTorch `DataLoader`.

    Any other iterable works if it gives batches of images each time it is iterated. A batch is
    an array or tensor, or a tuple of one and its labels, which are ignored with a warning.
    PyTorch's tensors may have their channels first. Each batch is checked when it is read.

    Args:
        batches: The dataset.
        image_shape: Side, side, channels of the networks' input.
        name: The dataset's name in messages.

    Attributes:
        count: Number of images in a pass; None before `survey`.

    Raises:
        ValueError: The dataset is of another kind, can be iterated only once, or never ends.

    Example:
        ```python
        for images in ImageBatches(dataset, (32, 32, 3)):
            print(images.shape, images.dtype)
        ```
    """

    def __init__(self, batches: Iterable, image_shape: tuple[int, int, int], name: str = "x"):
        self.batches = batches
        self.image_shape = image_shape
        self.name = name
        self.count: int | None = None
        self._was_read = False
        self._warned = False
        kind = type(batches).__name__
        if isinstance(batches, tuple):
            raise InputError(
                f"{name} is a tuple of {len(batches)}; a VAE needs no labels, so give only the "
                "images."
            )
        # A tensor can be iterated, too, but yields single images.
        if not hasattr(batches, "__iter__") or hasattr(batches, "shape") or _is_plain(batches):
            raise InputError(
                f"{name} must be a NumPy array, got {kind}; convert it with np.asarray, or give "
                "batches that can be iterated again: a tf.data.Dataset, keras.utils.PyDataset or "
                "PyTorch DataLoader."
            )
        if hasattr(batches, "__next__"):
            raise InputError(
                f"{name} can be iterated only once, got {kind}; give the dataset itself, or an "
                "object whose __iter__ starts from the beginning."
            )
        if _is_endless(batches):
            raise InputError(f"{name} never ends; remove its repeat().")

    def __iter__(self) -> Iterator[np.ndarray]:
        """Yield the images of one pass: uint8 or float32 [B, D, D, C] in [0, 1]."""
        given = False
        for index, batch in enumerate(_one_pass(self.batches)):
            yield self._images(batch, f"batch {index} of {self.name}")
            given = self._was_read = True
        if not given:
            raise InputError(
                f"{self.name} was empty when it was iterated a second time; give a dataset that "
                "starts from the beginning each time."
                if self._was_read
                else f"{self.name} holds no image; check where the dataset reads from."
            )

    def of_size(self, size: int) -> Iterator[np.ndarray]:
        """Yield the images of one pass in batches of one size; the last may be smaller."""
        rest: list[np.ndarray] = []
        for batch in self:
            images = np.concatenate([*rest, batch])
            whole = len(images) // size * size
            yield from (images[start : start + size] for start in range(0, whole, size))
            rest = [images[whole:]] if whole < len(images) else []
        yield from rest

    def survey(self) -> int:
        """Check all batches of a pass, and check that a second pass is possible.

        Returns:
            The number of images.

        Raises:
            ValueError: A batch does not have images of the expected shape, or its labels do
                not match; batches differ in dtype; the dataset is empty in the first or second
                pass.
        """
        count, dtypes = 0, set()
        for index, batch in enumerate(self):
            count += len(batch)
            dtypes.add(batch.dtype.name)
            if len(dtypes) > 1:
                raise InputError(
                    f"batch {index} of {self.name} has dtype {batch.dtype}, but the batches before "
                    "it have another; give all images in one dtype."
                )
        next(iter(self))
        self.count = count
        return count

    def array(self, limit: int | None = None) -> np.ndarray:
        """Return the first images of a pass, or all, as one array.

        Args:
            limit: The largest number of images; None for all.

        Returns:
            Images, uint8 or float32 [N, D, D, C].
        """
        parts, count = [], 0
        for batch in self:
            parts.append(batch)
            count += len(batch)
            if limit is not None and count >= limit:
                break
        return np.concatenate(parts)[:limit]

    def at(self, rows: np.ndarray) -> np.ndarray:
        """Return the images of a pass at these places, as one array.

        Args:
            rows: Places in the pass, ascending.

        Returns:
            Images, uint8 or float32 [len(rows), D, D, C].
        """
        parts, start = [], 0
        for batch in self:
            first, end = np.searchsorted(rows, [start, start + len(batch)])
            parts.append(batch[rows[first:end] - start])
            start += len(batch)
        return np.concatenate(parts)

    def _images(self, batch, name: str) -> np.ndarray:
        if isinstance(batch, Mapping):
            raise InputError(
                f"{name} is a dict with {sorted(map(str, batch))}; map the dataset to its "
                "images first."
            )
        targets = []
        if isinstance(batch, (tuple, list)) and batch:
            batch, *targets = batch
        if len(targets) > 1:
            raise InputError(
                f"{name} is a tuple of {1 + len(targets)}; images may have labels, which are "
                "ignored, but not sample weights: leave those out."
            )
        images = _numpy(batch)
        if hasattr(batch, "permute") and _is_channels_first(images.shape, self.image_shape):
            images = np.moveaxis(images, 1, -1)
        if images.shape == self.image_shape:
            raise InputError(
                f"{name} is a single image; put images into batches, for example with "
                "dataset.batch(100)."
            )
        check_images(images, self.image_shape, name)
        for labels in targets:
            self._ignore(labels, len(images), name)
        # Wider integers have values from 0 to 255, too, and fit into bytes.
        is_integer = np.issubdtype(images.dtype, np.integer)
        return images.astype(np.uint8 if is_integer else np.float32, copy=False)

    def _ignore(self, labels, count: int, name: str) -> None:
        shape = np.shape(_numpy(labels))
        if shape and shape[0] != count:
            raise InputError(
                f"{name} has {count} images but {shape[0]} labels; give one label for each "
                "image, or leave the labels out."
            )
        if not self._warned:
            self._warned = True
            warnings.warn(
                f"{self.name} comes with labels, which are ignored: a VAE learns from images only.",
                stacklevel=2,
            )


Source = np.ndarray | ImageBatches


def as_source(x, image_shape: tuple[int, int, int], name: str = "x") -> Source:
    """Return images in one of the two forms that the pipeline reads.

    Args:
        x: An array of images, which is checked here, or a dataset, whose batches are checked
            when they are read.
        image_shape: Side, side, channels of the networks' input.
        name: The images' name in messages.

    Returns:
        The array itself, or the dataset's batches.

    Raises:
        ValueError: The images do not match the networks, or the dataset is of another kind.

    Example:
        ```python
        source = as_source(dataset, (32, 32, 3))
        ```
    """
    if isinstance(x, ImageBatches):
        return x
    if not isinstance(x, np.ndarray):
        return ImageBatches(x, image_shape, name)
    check_images(x, image_shape, name)
    return x


def first_images(source: Source, limit: int | None = None) -> np.ndarray:
    """Return the first images of a source, or all, as an array."""
    return source[:limit] if isinstance(source, np.ndarray) else source.array(limit)


def drawn_images(source: Source, count: int | None) -> np.ndarray:
    """Return images from everywhere in a source, at most `count` of them, or all.

    They are drawn once and for all (seed 0), so they represent images in any order: sorted by
    class, where the first ones would be of the first classes only, or with classes in turns,
    where every fifth one would be of two classes.

    Args:
        source: An array, perhaps memory-mapped, or a dataset's batches.
        count: How many are wanted; None for all.

    Returns:
        Images in the order of the source, [min(N, count), D, D, C].

    Example:
        ```python
        vae.fit_normalization(drawn_images(x_train, 10_000))
        ```
    """
    total = len(source) if isinstance(source, np.ndarray) else source.count or source.survey()
    if count is None or total <= count:
        return first_images(source)
    rows = drawn_rows(total, count)
    return source[rows] if isinstance(source, np.ndarray) else source.at(rows)


def drawn_rows(total: int, count: int) -> np.ndarray:
    """Return the rows that `drawn_images` takes: at most `count` of `total`, in ascending order."""
    return np.sort(np.random.default_rng(0).permutation(total)[:count])


def images_to_fit(
    source: Source, validation_data: np.ndarray | None = None, held_out: int = 0
) -> np.ndarray:
    """Return the images that normalisation is fitted on by default.

    They are the validation images, which the model was not trained on: the given ones, or the
    last `held_out` of the training images. If there are none, they are 10,000 training
    images, drawn from all of them. (The original program uses the test images, so its
    measurements on them are not independent.)

    Args:
        source: Training images: an array, which may be memory-mapped, or a dataset's batches.
        validation_data: Images held out, or None.
        held_out: The number of last training images, of an array, that are for validation if
            no others are given, as in `Config`.

    Returns:
        Images, [M, D, D, C].

    Example:
        ```python
        vae.fit_normalization(images_to_fit(x_train, held_out=vae.config.held_out))
        ```
    """
    if validation_data is not None:
        return validation_data
    if held_out and isinstance(source, np.ndarray):
        return hold_out(source, held_out)[1]
    return drawn_images(source, FITTED_IMAGES)


def hold_out(x: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Split training images: the last ones are for validation, as in Keras.

    They represent the others only if the images are in no order. The original programs of the
    RAE presets hold out the last images, too.

    Args:
        x: Training images, [N, D, D, C], which may be memory-mapped.
        count: How many to hold out, at least 1.

    Returns:
        Views of the images to train on, and of those held out.

    Warns:
        UserWarning: The last images differ from the others more than by chance.

    Example:
        ```python
        x_train, x_val = hold_out(x_train, vae.config.held_out)
        ```
    """
    others, last = x[:-count], x[-count:]
    warn_if_unlike(
        drawn_images(last, COMPARED_IMAGES),
        drawn_images(others, COMPARED_IMAGES),
        f"The last {len(last)} training images, which are held out for validation,",
        "shuffle the images, or give validation_data",
    )
    return others, last


def held_out_count(x, fraction: float, validation_data) -> int | None:
    """Return the number of images that a `validation_split` holds out, counted as in Keras.

    Args:
        x: Training images.
        fraction: The fraction to hold out, in [0, 1).
        validation_data: Given validation images, or None.

    Returns:
        The number of images; None if the fraction is 0.

    Raises:
        ValueError: The fraction is out of range, `x` is not an array, or validation images
            were given.
    """
    if not 0 <= fraction < 1:
        raise InputError(f"validation_split must lie in [0, 1), got {fraction}.")
    if fraction == 0:
        return None
    if validation_data is not None:
        raise InputError("Give either validation_data or validation_split, not both.")
    if not isinstance(x, np.ndarray):
        raise InputError(
            "validation_split uses the last images of an array, but x is a "
            f"{type(x).__name__}; give validation_data."
        )
    return len(x) - int(len(x) * (1 - fraction))


def _one_pass(batches: Iterable) -> Iterator:
    if not isinstance(batches, keras.utils.PyDataset):
        yield from batches
        return
    batches.on_epoch_begin()
    try:
        yield from (batches[index] for index in range(batches.num_batches))
    finally:
        # It shuffles here, also after an epoch that was left early.
        batches.on_epoch_end()


def _is_plain(batches) -> bool:
    return isinstance(batches, (list, tuple, set, frozenset, str, bytes, Mapping))


def _is_endless(batches) -> bool:
    if isinstance(batches, keras.utils.PyDataset):
        return batches.num_batches is None
    cardinality = getattr(batches, "cardinality", None)
    return callable(cardinality) and int(cardinality()) == INFINITE


def _numpy(tensor) -> np.ndarray:
    if hasattr(tensor, "detach"):  # PyTorch's, perhaps on a GPU
        tensor = tensor.detach().cpu()
    # A masked array stays masked, so that it is refused later.
    return np.asanyarray(tensor)


def _is_channels_first(shape: tuple[int, ...], image_shape: tuple[int, int, int]) -> bool:
    side, width, channels = image_shape
    return shape[1:] == (channels, side, width) and shape[1:] != image_shape
