"""The kernel distance (Bińkowski et al. 2018), KID with Inception's features."""

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.fid.metrics.metric import Estimate
from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.fid.neighbors import Features
from balancing_vae.fid.neighbors import check_sides

SUBSETS = 100
SUBSET_SIZE = 1000
SEED = 0


def kernel_distance(
    real: Features,
    generated: Features,
    subsets: int = SUBSETS,
    subset_size: int = SUBSET_SIZE,
    seed: int = SEED,
) -> Estimate:
    """Return the squared maximum mean discrepancy, averaged over random subsets.

    The kernel is (x'y / d + 1)^3 for d features. The estimate for each pair of subsets is
    unbiased (Gretton et al. 2012, lemma 6). Therefore the expected value does not depend on the
    number of images; for two equal distributions the result is close to zero, and may be
    negative.

    Args:
        real: Features of the real images.
        generated: Features of the generated ones.
        subsets: Number of subsets of each side, drawn without replacement.
        subset_size: Images per subset, at most as many as the smaller side has.
        seed: Seed of the subsets.

    Returns:
        Mean and standard deviation over the subsets (n - 1). If a subset is the whole of both
        sides, its value, without a deviation.

    Raises:
        ValueError: A side has fewer than two images, or the features differ in number.

    Example:
        ```python
        kernel_distance(Features(x), Features(samples)).deviation
        ```
    """
    check_sides(real, generated)
    size = min(subset_size, len(real), len(generated))
    if size < 2:
        raise InputError(
            f"The metric kid needs at least two images on each side, got {len(real)} real and "
            f"{len(generated)} generated ones: give more images, or leave kid out."
        )
    if size == len(real) == len(generated):
        return Estimate(_squared_mmd(real.rows, generated.rows))
    rng = np.random.default_rng(seed)
    values = [
        _squared_mmd(
            *(side.rows[rng.choice(len(side), size, replace=False)] for side in (real, generated))
        )
        for _ in range(subsets)
    ]
    return Estimate(float(np.mean(values)), float(np.std(values, ddof=1)))


def _squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    """Return the unbiased estimate from equally many rows of both sides."""
    n = len(x)
    x, y = x.astype(np.float64), y.astype(np.float64)
    within = sum(_kernel_sum(side, side) - _diagonal_sum(side) for side in (x, y))
    return within / (n * (n - 1)) - 2.0 * _kernel_sum(x, y) / n**2


def _kernel_sum(x: np.ndarray, y: np.ndarray) -> float:
    """Return the sum of (x'y / d + 1)^3 over all pairs of rows."""
    roots = x @ y.T
    roots /= x.shape[1]
    roots += 1.0
    cubes = np.square(roots)
    cubes *= roots
    return float(cubes.sum())


def _diagonal_sum(x: np.ndarray) -> float:
    """Return the sum of (x'x / d + 1)^3 over all rows."""
    return float(((np.square(x).mean(axis=1) + 1.0) ** 3).sum())


KID = Metric(
    name="kid",
    title="KID",
    short_title="KD",
    needs="features",
    better="smaller",
    compute=kernel_distance,
)
