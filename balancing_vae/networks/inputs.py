"""Model inputs: they are checked before the compiled step and scaled in it."""

import copy
import functools
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
        ValueError: The images are bools.
    """
    dtype = keras.backend.standardize_dtype(images.dtype)
    if dtype == "bool":
        raise InputError("The images are bool; give integers in 0..255 or floats in [0, 1].")
    if keras.backend.is_int_dtype(dtype):
        return ops.cast(images, "float32") / 255.0
    return images


def arguments_by_name(method: Callable, model: keras.Model, args: tuple, kwargs: dict) -> dict:
    """Return the arguments of a call of a Keras method by name, without the model.

    Args:
        method: The method, as a function of the class.
        model: The model on which it is called.
        args: The positional arguments.
        kwargs: The keyword arguments.

    Returns:
        The given arguments by name.

    Raises:
        TypeError: The method does not take these arguments.
    """
    given = dict(inspect.signature(method).bind(model, *args, **kwargs).arguments)
    del given["self"]
    return given


def is_arrays(data) -> bool:
    """Return whether data are arrays or tensors (or a structure of them), not batches."""
    leaves = tree.flatten(data)
    return bool(leaves) and all(
        hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in leaves
    )


def is_numpy(inputs) -> bool:
    """Return whether inputs are NumPy arrays, which a user gives, but never a compiled step."""
    return all(isinstance(leaf, np.ndarray) for leaf in tree.flatten(inputs))


def look_at(data):
    """Return the arrays of a data set, or its first batch, as NumPy arrays to check.

    Args:
        data: Data as `keras.Model.fit` takes them as `x`: arrays, or batches (a
            `tf.data.Dataset`, `keras.utils.PyDataset`, `DataLoader` or generator).

    Returns:
        Inputs, labels and sample weights, of which the last two may be None; and the data as
        Keras takes them: the first batch of a generator is restored, and the batches of a
        generator or `DataLoader` are tuples.

    Raises:
        ValueError: `data` are neither arrays nor batches, or hold no batch.
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
        # Keras expects a generator to yield tuples. All other sources may yield arrays, except a
        # `DataLoader` (see below).
        data = (_as_tuple(each) for each in itertools.chain([batch], data))
    elif isinstance(data, keras.utils.PyDataset):
        batch = None if data.num_batches == 0 else data[0]
    else:
        batch = next(iter(data), None)
        if _is_data_loader(data) and hasattr(batch, "shape"):
            batch, data = (batch,), _with_tuples(data)
    if batch is None:
        raise InputError("x holds no batch; check the source of its images.")
    seen = keras.utils.unpack_x_y_sample_weight(batch)
    return *(tree.map_structure(_as_numpy, part) for part in seen), data


def check_intensities(x, image_shape: tuple[int, ...], name: str = "x") -> None:
    """Raise if `x` is not an array of images with values in 0..255 or [0, 1].

    Args:
        x: Images, integers in 0..255 or floats in [0, 1], [N, D, D, C].
        image_shape: Side, side, channels that the networks take; None if any shape is accepted.
        name: The caller's name for the images, used in the message.

    Raises:
        ValueError: `x` has another rank, shape or dtype, holds no image, or has values that are
            out of range or NaN.

    Example:
        ```python
        check_intensities(np.zeros((10, 8, 8, 1), "int64"), (8, 8, 1))
        ```
    """
    if len(image_shape) != 3:  # a user's own network for data other than images
        return
    if isinstance(x, np.ndarray) and x.ndim == 4:
        image_shape = tuple(
            given if wanted is None else wanted
            for wanted, given in zip(image_shape, x.shape[1:], strict=True)
        )
    check_images(x, image_shape, name)


def check_vectors(x, size: int, name: str) -> None:
    """Raise if `x` is not an array of finite vectors of a given size.

    Args:
        x: Vectors, float [N, size].
        size: Their length.
        name: The caller's name for them, used in the message.

    Raises:
        ValueError: `x` has another shape or dtype, or NaN or infinite values.
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
    """Raise if sample weights are not one finite, non-negative number per image.

    Args:
        weights: Float [N] or [N, 1].

    Raises:
        ValueError: The weights have another shape, or negative, NaN or infinite values.
    """
    weights = np.asarray(weights)
    if weights.ndim == 2 and weights.shape[1] == 1:
        weights = weights[:, 0]
    if weights.ndim != 1:
        raise InputError(
            f"sample_weight must have one weight per image, [N], got {weights.shape}; to weight "
            "pixels, write a model of your own (see `Autoencoder`)."
        )
    if not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise InputError("sample_weight must be finite and not negative.")


def _is_data_loader(data) -> bool:
    # By its name, so that PyTorch is not imported.
    modules = [base.__module__ for base in type(data).__mro__]
    return any(module.startswith("torch.utils.data") for module in modules)


def _with_tuples(loader):
    """Return a copy of a `DataLoader` that yields tuples, because Keras would unpack a tensor."""
    loader = copy.copy(loader)
    loader.collate_fn = functools.partial(_collate_to_tuple, loader.collate_fn)
    # Persistent workers belong to the original loader and use its `collate_fn`.
    loader._iterator = None
    return loader


def _collate_to_tuple(collate: Callable, samples) -> tuple:
    return (collate(samples),)


def _as_tuple(batch) -> tuple:
    return batch if isinstance(batch, tuple) else (batch,)


def _as_numpy(tensor):
    if tensor is None or isinstance(tensor, np.ndarray):
        return tensor
    array = np.asarray(ops.convert_to_numpy(tensor) if ops.is_tensor(tensor) else tensor)
    # NumPy does not count bfloat16 among the floats.
    return array.astype("float32") if array.dtype.name == "bfloat16" else array
