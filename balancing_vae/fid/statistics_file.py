"""The `.npz` format of statistics and its checks."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.fid.covariance import Covariance
from balancing_vae.fid.covariance import Factor
from balancing_vae.fid.covariance import fault
from balancing_vae.fid.covariance import trace
from balancing_vae.files.arrays import load_arrays
from balancing_vae.files.arrays import save_arrays


def write_fields(path: str | os.PathLike, **fields) -> None:
    """Write arrays, numbers and words into a `.npz`, completely or not at all.

    Args:
        path: The file to write.
        **fields: The fields of `read_fields`; a field that is None is left out.

    Raises:
        OSError: The file cannot be written.
    """
    known = {name: value for name, value in fields.items() if value is not None}
    save_arrays(Path(path), **known)


def read_fields(path: str | os.PathLike) -> dict:
    """Read and check the fields of statistics in a `.npz`.

    Args:
        path: A file with `mu` [d], and `sigma` [d, d] or `factor` [r, d]. Nothing in it is
            unpickled.

    Returns:
        mu, covariance, count, ddof, protocol, features, features_sha256, as `Statistics`
        takes them.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: It is damaged, or does not have statistics.

    Example:
        ```python
        read_fields("cifar10_test.npz")["covariance"].shape  # (2048, 2048)
        ```
    """
    path = Path(path)
    if not path.is_file():
        raise MissingFileError(f"There is no file {path}; expected a .npz with mu and sigma.")
    arrays = load_arrays(path)
    stored = {name: arrays[name] for name in _FIELDS if name in arrays}
    if "mu" not in stored or ("sigma" in stored) == ("factor" in stored):
        raise InputError(
            f"{path} holds {', '.join(arrays) or 'nothing'}; expected mu [d] and "
            "sigma [d, d] (or factor [r, d]): give statistics, or images as .npy or a folder."
        )
    for name, value in stored.items():
        fits, expected = _FIELDS[name]
        if not fits(value):
            raise InputError(
                f"{path} holds {name} of shape {value.shape} and dtype {value.dtype}"
                f"{f', {value}' if value.ndim == 0 else ''}; expected {expected}: recompute it "
                "from the images."
            )
    return _together(path, stored)


def _together(path: Path, stored: dict[str, np.ndarray]) -> dict:
    """Return the fields after checking that they are consistent."""
    mu = stored["mu"].astype(np.float64)
    d = len(mu)
    covariance: Covariance
    if "factor" in stored:
        matrix = stored["factor"].astype(np.float64)
        name, fits, covariance = "factor", matrix.shape[1] == d, Factor(matrix)
    else:
        matrix = covariance = stored["sigma"].astype(np.float64)
        name, fits = "sigma", matrix.shape == (d, d)
    if not fits:
        raise InputError(
            f"{path} holds mu of shape {mu.shape} and {name} of shape {matrix.shape}; expected "
            "[d] and [d, d] (of a factor [r, d]): write or download it again."
        )
    with np.errstate(over="ignore"):
        spread = trace(covariance) if np.isfinite(matrix).all() else np.inf
    if not (np.isfinite(mu).all() and np.isfinite(spread)):
        raise InputError(f"{path} holds NaN or infinity: recompute it from the images.")
    wrong = fault(matrix) if name == "sigma" else None
    if wrong:
        raise InputError(
            f"The sigma in {path} {wrong}, so it is not a covariance: recompute it from the images."
        )
    numbers = {name: int(stored[name]) for name in ("count", "ddof") if name in stored}
    words = {
        name: str(stored[name])
        for name in ("protocol", "features", "features_sha256")
        if name in stored
    }
    return {"mu": mu, "covariance": covariance, "count": None, **numbers, **words}


def _is_real(axes: int) -> Callable[[np.ndarray], bool]:
    return lambda array: array.dtype.kind in "fiu" and array.ndim == axes and array.size > 0


def _is_whole(least: int) -> Callable[[np.ndarray], bool]:
    return lambda array: array.dtype.kind in "iu" and array.ndim == 0 and int(array) >= least


def _is_word(array: np.ndarray) -> bool:
    return array.dtype.kind == "U" and array.ndim == 0 and str(array) != ""


_FIELDS = {
    "mu": (_is_real(1), "real numbers [d]"),
    "sigma": (_is_real(2), "real numbers [d, d]"),
    "factor": (_is_real(2), "real numbers [r, d]"),
    "count": (_is_whole(1), "a whole number, at least 1"),
    "ddof": (_is_whole(0), "a whole number, at least 0"),
    "protocol": (_is_word, "a name"),
    "features": (_is_word, "a name"),
    "features_sha256": (_is_word, "a name"),
}
