"""Nearest-neighbour balls of one side's features, and which of the other side lie in them."""

from collections.abc import Iterable
from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.fid.statistics import check_rows

# The k of Kynkäänniemi et al. 2019, and that of Naeem et al. 2020.
K_PRECISION = 3
K_DENSITY = 5
_NEIGHBORS = max(K_PRECISION, K_DENSITY)
# 1,024 x 1,024 distances in float64 take 8 MiB.
BLOCK = 1024


class Neighborhoods(NamedTuple):
    """Four metrics from nearest-neighbour balls. A ball reaches to the k-th neighbour.

    Attributes:
        precision: Fraction of generated images inside the ball of a real one, k = 3.
        recall: Fraction of real images inside the ball of a generated one, k = 3.
        density: Mean number of real images' balls around a generated one, divided by k = 5.
        coverage: Fraction of real images whose ball contains a generated one, k = 5.
    """

    precision: float
    recall: float
    density: float
    coverage: float


class Features:
    """The features of one side, with values that several metrics share and are computed once.

    Args:
        rows: Real array [n, d]; its dtype is kept.

    Raises:
        ValueError: `rows` is not a matrix, or holds NaN or infinity.

    Example:
        ```python
        real = Features.from_batches(extract(x_test, network, "clean"))
        METRICS["precision"](real, Features(generated_rows)).value
        ```
    """

    def __init__(self, rows: np.ndarray):
        rows = np.asarray(rows)
        check_rows(rows)
        self.rows = rows
        self._neighborhoods: WeakKeyDictionary[Features, Neighborhoods] = WeakKeyDictionary()

    @classmethod
    def from_batches(cls, batches: Iterable[np.ndarray]) -> "Features":
        """Return the features of batches from `extract`.

        Args:
            batches: Real arrays [n_i, d].

        Raises:
            ValueError: There is no batch, or one holds NaN or infinity.
        """
        rows = list(batches)
        if not rows:
            raise InputError("There are no features to compare; give at least two images.")
        return cls(np.concatenate(rows))

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def squared_radii(self) -> np.ndarray:
        """Squared distances to the nearest others of this side, float64 [n, 5], ascending.

        Infinity if there are fewer others.
        """
        radii = np.full((len(self), _NEIGHBORS), np.inf)
        for here, x in _blocks(self.rows):
            # Distances are symmetric, so those to earlier blocks are already known.
            for there, y in _blocks(self.rows, first=here.start):
                distances = squared_distances(x, y)
                if here == there:
                    np.fill_diagonal(distances, np.inf)  # no image is its own neighbour
                else:
                    radii[there] = _smallest(radii[there], distances.T)
                radii[here] = _smallest(radii[here], distances)
        return np.sort(radii, axis=1)

    def neighborhoods(self, generated: "Features") -> Neighborhoods:
        """Compare generated features with these, the real ones.

        Args:
            generated: The generated side's features.

        Returns:
            All four metrics. If a side has at most k images, the metrics with that k are
            meaningless.

        Raises:
            ValueError: The two sides have different numbers of features.
        """
        if generated not in self._neighborhoods:
            self._neighborhoods[generated] = _neighborhoods(self, generated)
        return self._neighborhoods[generated]


def check_sides(real: Features, generated: Features) -> None:
    """Refuse features that cannot be compared.

    Args:
        real: Features.
        generated: Features.

    Raises:
        ValueError: One side is empty, or they differ in the number of features.
    """
    if not len(real) or not len(generated):
        raise InputError(
            f"There are {len(real):,} real and {len(generated):,} generated images to compare; "
            "give some on both sides."
        )
    sizes = real.rows.shape[1], generated.rows.shape[1]
    if sizes[0] != sizes[1]:
        raise InputError(
            f"The real images have {sizes[0]:,} features and the generated ones {sizes[1]:,}; "
            "extract both with the same network."
        )


def check_neighbors(features: Features, k: int, metric: str, side: str) -> None:
    """Refuse a side whose images do not have k neighbours.

    Args:
        features: The side whose nearest neighbours are needed.
        k: Number of neighbours.
        metric: The metric's name, for the message.
        side: The side's name, for the message.

    Raises:
        ValueError: There are at most k images.
    """
    if len(features) <= k:
        raise InputError(
            f"The metric {metric} looks at each {side} image's {k} nearest neighbours among the "
            f"{side} ones, so it needs at least {k + 1} of them, got {len(features)}: give more "
            f"images, or leave {metric} out."
        )


def _neighborhoods(real: Features, generated: Features) -> Neighborhoods:
    check_sides(real, generated)
    real_small, real_large = real.squared_radii[:, [K_PRECISION - 1, K_DENSITY - 1]].T
    generated_small = generated.squared_radii[:, K_PRECISION - 1]
    precise = np.zeros(len(generated), bool)
    recalled = np.zeros(len(real), bool)
    covered = np.zeros(len(real), bool)
    balls = 0
    for here, x in _blocks(real.rows):
        for there, y in _blocks(generated.rows):
            distances = squared_distances(x, y)
            precise[there] |= (distances <= real_small[here, None]).any(axis=0)
            recalled[here] |= (distances <= generated_small[there]).any(axis=1)
            within = distances <= real_large[here, None]
            covered[here] |= within.any(axis=1)
            balls += int(within.sum())
    return Neighborhoods(
        float(precise.mean()),
        float(recalled.mean()),
        balls / (K_DENSITY * len(generated)),
        float(covered.mean()),
    )


def _blocks(rows: np.ndarray, first: int = 0) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield blocks of rows, starting at row `first`, in float64, each with its place."""
    for start in range(first, len(rows), BLOCK):
        place = slice(start, min(start + BLOCK, len(rows)))
        yield place, rows[place].astype(np.float64)


def _smallest(known: np.ndarray, distances: np.ndarray) -> np.ndarray:
    """Return the smallest of each row's known and new distances, as many as were known."""
    count = known.shape[1]
    both = np.concatenate([known, distances], axis=1)
    return np.partition(both, count - 1, axis=1)[:, :count]


def squared_distances(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Return the squared distances between the rows of two blocks.

    |x|^2 + |y|^2 - 2 x'y is imprecise for very small distances. A result below the rounding
    error is set to zero, so that a copy lies within a ball of radius zero around its original.

    Args:
        x: Float64 [N, F].
        y: Float64 [M, F].

    Returns:
        Float64 [N, M].

    Example:
        ```python
        squared_distances(np.zeros((1, 2)), np.array([[3.0, 4.0]]))  # [[25.0]]
        ```
    """
    squares = np.square(x).sum(axis=1)[:, None] + np.square(y).sum(axis=1)
    distances = x @ y.T
    distances *= -2.0
    distances += squares
    squares *= x.shape[1] * np.finfo(np.float64).eps
    distances[distances <= squares] = 0.0
    return distances
