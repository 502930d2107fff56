"""Two families of reconstructions whose variance loss is known beside their mse."""

import numpy as np

from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import style
from balancing_vae.moments import mse
from balancing_vae.moments import variance_loss


def exact_cases(x: np.ndarray, count: int = 11, seed: int = 0) -> dict[str, np.ndarray]:
    """Return mse and variance loss of means with other data, and of shrunk data.

    Halfway to other data, `(X + a permutation of X's rows) / 2`, the variance loss is the
    mse. At t between the data and their mean, `t X + (1 - t) mean(X)`, the mse is
    `(1 - t)^2` of the variance and the variance loss `1 - t^2` of it: never smaller.

    Args:
        x: Data, float [N, ...], N at least 2.
        count: How many cases of each family, at least 2.
        seed: Seed of the permutations.

    Returns:
        `halfway` and `shrunk`, float64 [count, 2] each: mse and variance loss. The shrunk
        ones go from the data themselves to their mean; the halfway ones permute a share
        of the rows that grows from 0 to all.

    Example:
        ```python
        draw_exact_cases(exact_cases(x)).savefig("exact.png")
        ```
    """
    x = np.asarray(x, np.float64).reshape(len(x), -1)
    rng = np.random.default_rng(seed)
    mean = x.mean(axis=0)
    halfway, shrunk = [], []
    for share in np.linspace(0, 1, count):
        order = np.arange(len(x))
        moved = rng.choice(len(x), round(share * len(x)), replace=False)
        order[np.sort(moved)] = moved
        halfway.append((x + x[order]) / 2)
        shrunk.append((1 - share) * x + share * mean)
    return {
        "halfway": np.array([(mse(x, x_hat), variance_loss(x, x_hat)) for x_hat in halfway]),
        "shrunk": np.array([(mse(x, x_hat), variance_loss(x, x_hat)) for x_hat in shrunk]),
    }


def draw_exact_cases(cases: dict[str, np.ndarray]) -> Figure:
    """Draw both families beside the diagonal.

    Args:
        cases: What `exact_cases` returned.

    Returns:
        The figure.
    """
    titles = {
        "halfway": "half the data, half a permutation of them",
        "shrunk": "between the data and their mean",
    }
    with style():
        figure = Figure(figsize=(5.2, 4.2))
        axis = figure.subplots()
        for name, points in cases.items():
            axis.plot(*points.T, "o-", label=titles[name])
        end = max(points.max() for points in cases.values())
        axis.plot([0, end], [0, end], color="0.6", linestyle="--", label="variance loss = mse")
        axis.set_xlabel("mse (intensity squared)")
        axis.set_ylabel("variance loss (intensity squared)")
        axis.legend(loc="lower right")
    return figure
