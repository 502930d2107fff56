"""Model inputs: scaled in the compiled step, checked before it."""

import inspect
import itertools
import types
from collections.abc import Callable

import keras
import numpy as np
from keras import ops
from keras import tree

from balancing_vae.checks import check_images
from balancing_vae.errors import InputError


def as_intensities(images):
    """Return images as floats.

    Args:
        images: Tensor, integers in 0..255 or floats in [0, 1].

    Returns:
        Float tensor of the same shape; integers divided by 255.

    Raises:
        ValueError: The images are truth values.
    """
    dtype = keras.backend.standardize_dtype(images.dtype)
    if dtype == "bool":
        raise InputError("The images are bool; give integers in 0..255 or floats in [0, 1].")
    if keras.backend.is_int_dtype(dtype):
        return ops.cast(images, "float32") / 255.0
    return images


def arguments_by_name(method: Callable, model: keras.Model, args: tuple, kwargs: dict) -> dict:
    """Return the arguments of a call of one of Keras's methods by name, without the model.

    Args:
        method: The method, as a function of the class.
        model: What it is called on.
        args: The other arguments by position.
        kwargs: The other arguments by name.

    Returns:
        The arguments that are given.

    Raises:
        TypeError: The method does not take them.
    """
    given = dict(inspect.signature(method).bind(model, *args, **kwargs).arguments)
    del given["self"]
    return given


def is_arrays(data) -> bool:
    """Tell whether data are arrays or tensors, alone or in a structure, and no batches."""
    leaves = tree.flatten(data)
    return bool(leaves) and all(
        hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in leaves
    )


def look_at(data):
    """Return what can be seen of a data set before the training, as NumPy arrays.

    Args:
        data: What `keras.Model.fit` takes as `x`: arrays are seen whole; of batches (a
            `tf.data.Dataset`, `keras.utils.PyDataset`, `DataLoader` or generator) the first.

    Returns:
        Inputs, labels and sample weights, the last two None where there are none; and the
        data, which a look into a generator would have cost a batch.

    Raises:
        ValueError: It is neither arrays nor batches, or has no batch.
    """
    if is_arrays(data):
        return tree.map_structure(_as_numpy, data), None, None, data
    if isinstance(data, (list, tuple, dict, str)) or not hasattr(data, "__iter__"):
        if not isinstance(data, keras.utils.PyDataset):
            raise InputError(
                f"x must be arrays or batches (a tf.data.Dataset, a keras.utils.PyDataset, a "
                f"DataLoader or a generator), got {type(data).__name__}."
            )
    if isinstance(data, types.GeneratorType):
        batch = next(data, None)
        # Keras wants tuples of a generator, though arrays of every other kind of batches.
        data = (_as_tuple(each) for each in itertools.chain([batch], data))
    elif isinstance(data, keras.utils.PyDataset):
        batch = None if data.num_batches == 0 else data[0]
    else:
        batch = next(iter(data), None)
    if batch is None:
        raise InputError("x holds no batch; look where its images come from.")
    seen = keras.utils.unpack_x_y_sample_weight(batch)
    return *(tree.map_structure(_as_numpy, part) for part in seen), data


def check_intensities(x, image_shape: tuple[int, ...], name: str = "x") -> None:
    """Refuse anything but images with values in 0..255 or [0, 1].

    Args:
        x: Images, integers in 0..255 or floats in [0, 1], [N, D, D, C].
        image_shape: Side, side, channels that the networks take; None if any shape is accepted.
        name: What the caller calls the images, for the message.

    Raises:
        ValueError: Another rank, shape or dtype; no image; values out of range or NaN.

    Example:
        ```python
        check_intensities(np.zeros((10, 8, 8, 1), "int64"), (8, 8, 1))
        ```
    """
    if len(image_shape) != 3:  # a network of one's own for something else
        return
    if isinstance(x, np.ndarray) and x.ndim == 4:
        image_shape = tuple(
            given if wanted is None else wanted
            for wanted, given in zip(image_shape, x.shape[1:], strict=True)
        )
    check_images(x, image_shape, name)


def check_vectors(x, size: int, name: str) -> None:
    """Refuse anything but finite vectors of a given size.

    Args:
        x: Vectors, float [N, size].
        size: Their length.
        name: What the caller calls them, for the message.

    Raises:
        ValueError: Another shape or dtype, NaN or infinite values.
    """
    if not isinstance(x, np.ndarray) or x.shape[1:] != (size,):
        raise InputError(
            f"{name} must have the shape [N, {size}], got {getattr(x, 'shape', type(x).__name__)}."
        )
    if x.dtype.kind != "f":
        raise InputError(f"{name} must be floats, got {x.dtype}.")
    if not np.isfinite(x).all():
        raise InputError(f"{name} has NaN or infinite values.")


def check_sample_weight(weights) -> None:
    """Refuse weights that are not one finite number, not negative, for each image.

    Args:
        weights: Float [N] or [N, 1].

    Raises:
        ValueError: Another shape; negative, NaN or infinite values.
    """
    weights = np.asarray(weights)
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if weights.ndim != 1:
        raise InputError(
            f"sample_weight must have one weight per image, [N], got {weights.shape}; to weigh "
            "pixels, write a model of your own (see `Autoencoder`)."
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise InputError("sample_weight must be finite and not negative.")


def _as_tuple(batch) -> tuple:
    return batch if isinstance(batch, tuple) else (batch,)


def _as_numpy(tensor):
    if tensor is None or isinstance(tensor, np.ndarray):
        return tensor
    array = np.asarray(ops.convert_to_numpy(tensor) if ops.is_tensor(tensor) else tensor)
    # NumPy does not count bfloat16 among the floats.
    return array.astype("float32") if array.dtype.name == "bfloat16" else array
