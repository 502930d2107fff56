"""Reconstructions whose variance loss is known in closed form, with their mse."""

import numpy as np

from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import style
from balancing_vae.moments import mse
from balancing_vae.moments import variance_loss

_TITLES = {
    "halfway": "half the data, half a permutation of them",
    "shrunk": "between the data and their mean",
    "shrunk_each": "the same, each datum by its own t",
    "kept_or_mean": "some data kept, the others the mean",
}


def exact_cases(x: np.ndarray, count: int = 11, seed: int = 0) -> dict[str, np.ndarray]:
    """Return mse and variance loss of averages with other data, and of data moved to the mean.

    For the average with other data, `(X + a permutation of X's rows) / 2`, the variance loss
    equals the mse. For data moved towards their mean, `t X + (1 - t) mean(X)`, the mse is
    `(1 - t)^2` times the variance and the variance loss is `1 - t^2` times the variance, which
    is never smaller. If each datum has its own t, the mse is still a lower bound of the
    variance loss (see `between_data_and_mean`).

    Args:
        x: Data, float [N, ...], N at least 2.
        count: Number of cases of each family, at least 2.
        seed: Seed of the permutations and of each datum's t.

    Returns:
        Four families by name, float64 [count, 2] each: mse and variance loss. `halfway`
        permutes a fraction of the rows that grows from 0 to 1. The other three go from the data
        to their mean: `shrunk` with the same t for all, `shrunk_each` with a random t for each
        datum, and `kept_or_mean` with t = 0 for a growing fraction of the data and t = 1 for
        the others.

    Example:
        ```python
        draw_exact_cases(exact_cases(x)).savefig("exact.png")
        ```
    """
    x = np.asarray(x, np.float64).reshape(len(x), -1)
    rng = np.random.default_rng(seed)
    cases: dict[str, list] = {name: [] for name in _TITLES}
    for share in np.linspace(0, 1, count):
        order = np.arange(len(x))
        moved = rng.choice(len(x), round(share * len(x)), replace=False)
        order[np.sort(moved)] = moved
        middle, reach = 1 - share, min(share, 1 - share)
        kept = np.ones(len(x))
        kept[moved] = 0
        each = rng.uniform(middle - reach, middle + reach, len(x))
        reconstructions = {
            "halfway": (x + x[order]) / 2,
            "shrunk": between_data_and_mean(x, np.full(len(x), middle)),
            "shrunk_each": between_data_and_mean(x, each),
            "kept_or_mean": between_data_and_mean(x, kept),
        }
        for name, x_hat in reconstructions.items():
            cases[name].append((mse(x, x_hat), variance_loss(x, x_hat)))
    return {name: np.array(points) for name, points in cases.items()}


def between_data_and_mean(x: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return t X + (1 - t) mean(X), where each datum has its own t.

    With d = X - mean(X) the mse is E[(1 - t)^2 d^2], and

        variance loss - mse = 2 E[t (1 - t) d^2] + E[t d]^2,

    which is never negative for t in [0, 1].

    Args:
        x: Data, float [N, ...].
        t: One value for each datum, float [N]; 1 keeps the datum, 0 replaces it by the mean.

    Returns:
        Float64 of the data's shape.

    Example:
        ```python
        between_data_and_mean(np.array([[0.0], [4.0]]), np.array([0.5, 1.0]))   # [[1.], [4.]]
        ```
    """
    x = np.asarray(x, np.float64)
    t = np.reshape(t, (-1,) + (1,) * (x.ndim - 1))
    return t * x + (1 - t) * x.mean(axis=0)


def draw_exact_cases(cases: dict[str, np.ndarray]) -> Figure:
    """Draw the families and the diagonal.

    Args:
        cases: What `exact_cases` returned.

    Returns:
        The figure.
    """
    with style():
        figure = Figure(figsize=(5.2, 4.2))
        axis = figure.subplots()
        for name, points in cases.items():
            axis.plot(*points.T, "o-", label=_TITLES[name])
        end = max(points.max() for points in cases.values())
        axis.plot([0, end], [0, end], color="0.6", linestyle="--", label="variance loss = mse")
        axis.set_xlabel("mse (intensity squared)")
        axis.set_ylabel("variance loss (intensity squared)")
        axis.legend(loc="lower right")
    return figure
