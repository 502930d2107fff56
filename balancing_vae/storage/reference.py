"""Differences between our forward pass and one recorded from the original program."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from balancing_vae.checks import as_float
from balancing_vae.errors import InputError
from balancing_vae.files.arrays import load_arrays

ARRAYS = ("images", "x", "mu", "sigma")


def forward_differences(encode: Callable, path: Path) -> dict[str, float]:
    """Compare preprocessing and encoder separately with a recorded forward pass.

    Args:
        encode: `TwoStageVAE.encode` of a pipeline with the original's weights.
        path: An `.npz` with some of these arrays: `images`, uint8 [N, D, D, C]; `x`, float, the
            input of the original's network for these images; `mu` and `sigma`, float [N, L],
            the outputs of its encoder for `x` (or for `images`, if there is no `x`).

    Returns:
        max|ours - theirs| / max(1, max|theirs|) by compared quantity.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: The file lacks the arrays for a comparison, or they do not match the model.

    Example:
        ```python
        forward_differences(vae.encode, Path("reference.npz"))   # {"modelling (mu)": 2e-07, ...}
        ```
    """
    arrays = load_arrays(path)
    if not ({"images", "x"} & set(arrays)) or "mu" not in arrays:
        raise InputError(
            f"{path} has {sorted(arrays)}; expected `images` or `x`, and `mu`, from {ARRAYS}."
        )
    for name in sorted(set(ARRAYS) & set(arrays)):
        if arrays[name].dtype.kind not in "fu" or not np.isfinite(arrays[name]).all():
            raise InputError(f"{path}: {name} must hold finite floats (images uint8).")
    found = {}
    if {"images", "x"} <= set(arrays):
        found["preprocessing (x)"] = _difference(path, as_float(arrays["images"]), arrays["x"])
    mu, sigma = encode(arrays["x" if "x" in arrays else "images"])
    found["modelling (mu)"] = _difference(path, mu, arrays["mu"])
    if "sigma" in arrays:
        found["modelling (sigma)"] = _difference(path, sigma, arrays["sigma"])
    return found


def _difference(path: Path, ours: np.ndarray, theirs: np.ndarray) -> float:
    if ours.shape != theirs.shape:
        raise InputError(f"{path} has an array of {theirs.shape}, expected {ours.shape}.")
    return float(np.max(np.abs(ours - theirs)) / max(1.0, float(np.max(np.abs(theirs)))))
