"""PCA, the shallow linear autoencoder, whose variance loss is exactly its error."""

import numpy as np
from sklearn.decomposition import PCA

from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import style
from balancing_vae.moments import mse
from balancing_vae.moments import variance_loss


def pca_variance_loss(x: np.ndarray) -> dict[str, np.ndarray]:
    """Return mse and variance loss of PCA reconstructions, for each number of components.

    A reconstruction is an orthogonal projection. The variance of the data is therefore that of
    the reconstructions plus that of the residuals, and the residuals' mean is 0. Source:
    Asperti 2020.

    Args:
        x: Data, float or uint8 [N, ...], N at least 2.

    Returns:
        `components`, int [K] from 0 to the rank that N and the features allow; `mse` and
        `variance_loss`, float64 [K], which are equal up to rounding.

    Example:
        ```python
        curves = pca_variance_loss(as_float(datasets.load("digits", "train")))
        abs(curves["mse"] - curves["variance_loss"]).max()   # about 1e-16
        ```
    """
    x = np.asarray(x, np.float64).reshape(len(x), -1)
    pca = PCA().fit(x)
    scores = pca.transform(x)
    components = np.arange(pca.n_components_ + 1)
    errors, losses = [], []
    for k in components:
        x_hat = scores[:, :k] @ pca.components_[:k] + pca.mean_
        errors.append(mse(x, x_hat))
        losses.append(variance_loss(x, x_hat))
    return {
        "components": components,
        "mse": np.array(errors),
        "variance_loss": np.array(losses),
    }


def draw_pca_variance_loss(curves: dict[str, np.ndarray]) -> Figure:
    """Draw both curves over the number of components; they coincide.

    Args:
        curves: What `pca_variance_loss` returned.

    Returns:
        The figure.
    """
    with style():
        figure = Figure(figsize=(6, 3.6))
        axis = figure.subplots()
        axis.plot(curves["components"], curves["mse"], label="mse")
        axis.plot(curves["components"], curves["variance_loss"], ".", label="variance loss")
        axis.set_xlabel("principal components kept")
        axis.set_ylabel("per pixel (intensity squared)")
        axis.set_title("PCA: variance loss = mse")
        axis.legend()
    return figure
