"""A trained linear autoencoder compared with PCA: figure 2, and variance loss = mse."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize
from sklearn.decomposition import PCA

from balancing_vae.experiments.within_images import variance_loss_within
from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import colors
from balancing_vae.figures.style import style
from balancing_vae.moments import mse
from balancing_vae.moments import variance_loss

COMPONENTS = (1, 2, 4, 8, 16, 32)
STOPPING_RULE = {"maxiter": 2000, "maxfun": 4000, "ftol": 1e-15, "gtol": 1e-9}


def points_in_the_plane(count: int = 60, seed: int = 0) -> np.ndarray:
    """Draw points of an elongated, rotated normal distribution.

    Args:
        count: Number of points, at least 2.
        seed: Seed of the draw.

    Returns:
        Float64 [count, 2].

    Example:
        ```python
        x = points_in_the_plane()
        ```
    """
    slanted = np.array([[0.9, -0.35], [0.5, 0.6]]) * np.array([2.0, 0.8])
    return np.random.default_rng(seed).standard_normal((count, 2)) @ slanted.T


def train_linear_autoencoder(x: np.ndarray, components: int, seed: int = 0) -> np.ndarray:
    """Train two dense layers without activation to reconstruct their input.

    L-BFGS follows the gradients from random weights; no eigenvectors are used. The squared error
    of centred data depends only on their covariance C: it is the trace of E' C E, where
    E = 1 - encoder decoder.

    Args:
        x: Data, float [N, ...].
        components: Units of the hidden layer, at least 1.
        seed: Seed of the weights.

    Returns:
        The reconstructions, float64 of the data's shape.

    Example:
        ```python
        x_hat = train_linear_autoencoder(points_in_the_plane(), components=1)
        ```
    """
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    mean, size = flat.mean(axis=0), flat.shape[1]
    covariance = (flat - mean).T @ (flat - mean) / flat.size

    def layers(weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        encoder, decoder = np.split(weights, 2)
        return encoder.reshape(size, components), decoder.reshape(components, size)

    def loss_and_gradient(weights: np.ndarray) -> tuple[float, np.ndarray]:
        encoder, decoder = layers(weights)
        error = np.eye(size) - encoder @ decoder
        slope = covariance @ error
        gradients = (-2 * slope @ decoder.T, -2 * encoder.T @ slope)
        return np.sum(error * slope), np.concatenate([g.ravel() for g in gradients])

    start = np.random.default_rng(seed).normal(scale=size**-0.5, size=2 * size * components)
    found = minimize(loss_and_gradient, start, jac=True, method="L-BFGS-B", options=STOPPING_RULE)
    encoder, decoder = layers(found.x)
    return ((flat - mean) @ encoder @ decoder + mean).reshape(np.shape(x))


def linear_beside_pca(
    x: np.ndarray, components: Sequence[int] = COMPONENTS, seed: int = 0
) -> list[dict]:
    """Train linear autoencoders and compare their mse and variance loss with PCA's.

    Of all linear maps through the same number of components, PCA has the smallest error. A
    trained autoencoder can reach it, but not improve on it. At a minimum, the residuals are
    uncorrelated with the reconstruction, so the variance loss equals the mse.

    Args:
        x: Data, float [N, ...].
        components: Units of the hidden layer.
        seed: Seed of the weights.

    Returns:
        One row for each number of components: components; mse, variance_loss and
        variance_loss_within of the autoencoder; pca_mse and pca_variance_loss_within.

    Example:
        ```python
        rows = linear_beside_pca(points_in_the_plane(), components=(1, 2))
        ```
    """
    rows = []
    for k in components:
        x_hat, projected = train_linear_autoencoder(x, k, seed), project(x, k)
        rows.append(
            {
                "components": k,
                "mse": mse(x, x_hat),
                "variance_loss": variance_loss(x, x_hat),
                "variance_loss_within": variance_loss_within(x, x_hat),
                "pca_mse": mse(x, projected),
                "pca_variance_loss_within": variance_loss_within(x, projected),
            }
        )
    return rows


def project(x: np.ndarray, components: int) -> np.ndarray:
    """Return the reconstruction by PCA: the projections onto the first components.

    Args:
        x: Data, float [N, ...].
        components: Number of components, at most N and the number of features.

    Returns:
        Float64 of the data's shape.

    Example:
        ```python
        x_hat = project(points_in_the_plane(), 1)
        ```
    """
    flat = np.asarray(x, np.float64).reshape(len(x), -1)
    fitted = PCA(components, svd_solver="full").fit(flat)
    return fitted.inverse_transform(fitted.transform(flat)).reshape(np.shape(x))


def draw_linear(x: np.ndarray, rows: list[dict], pca: dict[str, np.ndarray]) -> Figure:
    """Draw points in the plane with their projections, and both losses over the components.

    Args:
        x: Points, float [N, 2].
        rows: What `linear_beside_pca` returned for other data.
        pca: What `pca_variance_loss` returned for those data.

    Returns:
        The figure.
    """
    x_hat = project(x, 1)
    blue, red, *_ = colors()
    with style():
        figure = Figure(figsize=(10, 4))
        left, right = figure.subplots(1, 2)
        for point, projected in zip(x, x_hat, strict=True):
            left.plot(*np.stack([point, projected]).T, color="0.75", linewidth=0.8, zorder=1)
        left.plot(*x.T, "o", color=blue, markersize=4, label="data")
        left.plot(*x_hat.T, "o", color=red, markersize=3, label="on the first component")
        left.set_aspect("equal")
        left.set_xlabel("first feature")
        left.set_ylabel("second feature")
        left.set_title(f"mse {mse(x, x_hat):.4f} = variance loss {variance_loss(x, x_hat):.4f}")
        left.legend(loc="upper left")
        right.plot(pca["components"], pca["mse"], color="0.6", label="PCA: mse = variance loss")
        number = [row["components"] for row in rows]
        for name, marker, color in (("mse", "o", blue), ("variance_loss", "x", red)):
            label = f"linear autoencoder: {name.replace('_', ' ')}"
            right.plot(number, [row[name] for row in rows], marker, color=color, label=label)
        right.set_xlim(-0.5, 1.1 * max(number))
        right.set_xlabel("components")
        right.set_ylabel("per pixel (intensity squared)")
        right.legend()
    return figure
