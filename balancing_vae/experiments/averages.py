"""Averages over several permutations of the data: mse against the variance loss."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.spatial.distance import pdist
from scipy.spatial.distance import squareform

from balancing_vae.errors import InputError
from balancing_vae.experiments.rows import grouped
from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import colors
from balancing_vae.figures.style import style

COUNTS = (2, 3, 5, 9, 17)
KINDS = {
    "random": "any others",
    "neighbors": "near ones",
    "repeated": "another one, repeatedly",
}


def permutations(kind: str, x: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Return permutations of the data's rows; the first one is the identity.

    Args:
        kind: How the other permutations are chosen. "random": independently. "neighbors": each
            maps every row to a nearby row, so that the sum of squared distances is smallest;
            no two of them map a row to the same one. "repeated": one random permutation,
            repeated.
        x: Data, float [N, ...].
        count: Number of permutations, from 2 to N.
        seed: Seed of the random permutations.

    Returns:
        Integers [count, N]. Row i of the average is the mean of the data's rows `[:, i]`.

    Raises:
        ValueError: `kind` is unknown, or `count` is out of range.

    Example:
        ```python
        permutations("random", np.zeros((5, 2)), 3)[0]   # [0, 1, 2, 3, 4]
        ```
    """
    if not 2 <= count <= len(x):
        raise InputError(f"count must be from 2 to {len(x)}, got {count}.")
    rng = np.random.default_rng(seed)
    own = np.arange(len(x))
    if kind == "random":
        return np.stack([own, *(rng.permutation(len(x)) for _ in range(count - 1))])
    if kind == "repeated":
        return np.stack([own, *[rng.permutation(len(x))] * (count - 1)])
    if kind == "neighbors":
        return np.stack([own, *_to_neighbors(x, count - 1)])
    raise InputError(f"kind must be one of {', '.join(KINDS)}; got {kind!r}.")


def _to_neighbors(x: np.ndarray, count: int) -> list[np.ndarray]:
    cost = squareform(pdist(x.reshape(len(x), -1), "sqeuclidean"))
    # This exceeds the cost of any assignment. It prevents that a row is assigned to itself, or
    # to the same row twice.
    taken = 1 + len(x) * cost.max()
    np.fill_diagonal(cost, taken)
    found = []
    for _ in range(count):
        rows, columns = linear_sum_assignment(cost)
        cost[rows, columns] = taken
        found.append(columns)
    return found


def distances_from_average(x: np.ndarray, permuted: np.ndarray) -> np.ndarray:
    """Return the squared distances of permuted data from their average.

    `X_hat` is the mean of the permuted data. The first permutation is the identity, so the mean
    of the first row is the mse. The mean of all rows is the mean quadratic distance. It equals
    the variance loss, because each permutation keeps the mean and the variance of the data.
    For two permutations the variance loss therefore equals the mse. For more it is larger if
    the data are closer to the average than the permuted data are.

    Args:
        x: Data, float [N, ...].
        permuted: Integers [count, N]; the first row is 0 to N - 1.

    Returns:
        Mean squared differences over the features, float64 [count, N].

    Example:
        ```python
        distances = distances_from_average(x, permutations("random", x, 3))
        mse, variance_loss = distances[0].mean(), distances.mean()
        ```
    """
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    average = np.mean([flat[order] for order in permuted], axis=0)
    return np.stack([np.mean((flat[order] - average) ** 2, axis=1) for order in permuted])


def measure_averages(
    x: np.ndarray, counts: Sequence[int] = COUNTS, seeds: Sequence[int] = range(20)
) -> list[dict]:
    """Average data over permutations of each kind, and compare mse and variance loss.

    Args:
        x: Data, float [N, ...].
        counts: Numbers of permutations, including the identity; at least 2 each.
        seeds: Seeds of the permutations. Kind "neighbors" is not random and uses one.

    Returns:
        One row for each average: kind, count, seed, mse, variance_loss (the mean quadratic
        distance) and share (the fraction of the data whose own distance is below it).

    Example:
        ```python
        rows = measure_averages(np.random.default_rng(0).normal(size=(100, 3)), (2, 3))
        ```
    """
    rows = []
    for kind in KINDS:
        for count in counts:
            for seed in seeds[:1] if kind == "neighbors" else seeds:
                distances = distances_from_average(x, permutations(kind, x, count, seed))
                quadratic = float(distances.mean())
                rows.append(
                    {
                        "kind": kind,
                        "count": count,
                        "seed": seed,
                        "mse": float(distances[0].mean()),
                        "variance_loss": quadratic,
                        "share": float(np.mean(distances[0] < quadratic)),
                    }
                )
    return rows


def compare_averages(rows: list[dict]) -> list[dict]:
    """Summarise the averages of each kind and count over their seeds.

    Args:
        rows: What `measure_averages` returned.

    Returns:
        One line for each kind and count: what the data are averaged with; the count; mean mse and
        variance loss; "mse below", the number of averages whose mse is below the variance loss;
        "data below", the fraction of the data whose own distance is below the mean.

    Example:
        ```python
        Table.of(compare_averages(measure_averages(x)))
        ```
    """
    lines = []
    for (kind, count), own in grouped(rows, "kind", "count").items():
        mse, loss = (np.array([row[name] for row in own]) for name in ("mse", "variance_loss"))
        # For two permutations they are equal up to rounding.
        below = int(np.sum(mse < loss * (1 - 1e-9)))
        lines.append(
            {
                "averaged with": KINDS[kind],
                "permutations": count,
                "mse": float(mse.mean()),
                "variance loss": float(loss.mean()),
                "mse below": f"{below} of {len(own)}",
                "data below": f"{np.mean([row['share'] for row in own]):.0%}",
            }
        )
    return lines


def draw_averages(rows: list[dict]) -> Figure:
    """Draw mse / variance loss over the number of permutations, for each kind.

    Args:
        rows: What `measure_averages` returned.

    Returns:
        The figure.
    """
    with style():
        figure = Figure(figsize=(6, 3.8))
        axis = figure.subplots()
        for (kind, own), color in zip(grouped(rows, "kind").items(), colors(), strict=False):
            ratio = [row["mse"] / row["variance_loss"] for row in own]
            axis.plot(
                [row["count"] for row in own], ratio, "o", color=color, alpha=0.5, label=KINDS[kind]
            )
        axis.axhline(1, color="0.6", linestyle="--", label="variance loss = mse")
        axis.set_xscale("log")
        axis.set_yscale("log")
        counts = sorted({row["count"] for row in rows})
        axis.set_xticks(counts, [str(count) for count in counts])
        axis.minorticks_off()
        axis.set_yticks([0.5, 1, 2, 4, 8, 16], ["0.5", "1", "2", "4", "8", "16"])
        axis.set_xlabel("permutations averaged, the data among them")
        axis.set_ylabel("mse / variance loss")
        axis.set_title("a datum is averaged with...")
        axis.legend()
    return figure
