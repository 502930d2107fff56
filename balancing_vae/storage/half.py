"""Weights files of half the size, with kernels in float16."""

import io
import zipfile
from pathlib import Path

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.files.atomic import atomic_file


def round_kernels(path: Path) -> None:
    """Round the kernels of a weights file to float16; models load the file as before.

    Only arrays with two or more axes are rounded. Biases, statistics, counters and gamma are
    not, because they are small and some exceed the range of float16.

    Args:
        path: A `.weights.h5` file, or a `.keras` archive with one inside.

    Raises:
        ValueError: A kernel has values outside the range of float16.
        OSError: The disk is full; the file is left unchanged.

    Example:
        ```python
        round_kernels(Path("weights/mnist/stage1.weights.h5"))
        ```
    """
    with atomic_file(path) as temporary:
        if path.suffix != ".keras":
            temporary.write_bytes(_rounded(path.read_bytes()))
            return
        with (
            zipfile.ZipFile(path) as old,
            zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as new,
        ):
            for name in old.namelist():
                part = old.read(name)
                new.writestr(name, _rounded(part) if name.endswith(".h5") else part)


def _rounded(hdf5: bytes) -> bytes:
    import h5py

    written = io.BytesIO()
    # The latest layout, because the older one adds a kilobyte or two per layer.
    with (
        h5py.File(io.BytesIO(hdf5)) as old,
        h5py.File(written, "w", libver="latest") as new,
    ):

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Group):
                copied = new.require_group(name)
            else:
                copied = new.create_dataset(name, data=_rounded_kernel(name, item[()]))
            copied.attrs.update(item.attrs)

        new.attrs.update(old.attrs)
        old.visititems(copy)
    return written.getvalue()


def _rounded_kernel(name: str, array: np.ndarray) -> np.ndarray:
    if array.dtype != np.float32 or array.ndim < 2:
        return array
    largest = np.abs(array).max(initial=0)
    if not largest <= np.finfo(np.float16).max:
        raise InputError(
            f"{name} has values up to {largest:.4g}, more than float16 can hold; store these "
            "weights in float32."
        )
    return array.astype(np.float16)
