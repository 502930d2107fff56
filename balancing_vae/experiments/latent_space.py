"""Explore the latent space: traversals and nearest training neighbours.

Each function returns images by the title of their row; `draw_images` draws them.
"""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from balancing_vae.checks import as_float
from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import style
from balancing_vae.moments import inactive_latents


def traversals(
    vae, x: np.ndarray, count: int = 6, steps: int = 9, reach: float = 2.5
) -> dict[str, np.ndarray]:
    """Decode an image while one latent at a time moves through its range.

    Args:
        vae: A trained `TwoStageVAE`.
        x: Images, uint8 or float in [0, 1], [N, D, D, C]. The latents of the first one are
            moved. All images together determine which latents are most active.
        count: Number of latents to move. They are the ones with the smallest mean sigma; the
            last one is replaced by an inactive latent if there is one.
        steps: Images per row, at least 2.
        reach: Largest distance of a latent from 0, in standard deviations of the prior.

    Returns:
        One row for each latent, float [steps, D, D, C] in [0, 1], without padding.

    Raises:
        ValueError: The images do not match the model.

    Example:
        ```python
        draw_images(traversals(vae, x_test)).savefig("traversals.png")
        ```
    """
    mu, sigma = vae.encode(x)
    order = np.argsort(sigma.mean(axis=0))
    idle = inactive_latents(sigma)
    chosen = order[:count].copy()
    if idle.any():
        chosen[-1] = order[-1]
    rows = {}
    for latent in chosen:
        z = np.repeat(mu[:1], steps, axis=0)
        z[:, latent] = np.linspace(-reach, reach, steps)
        remark = ", inactive" if idle[latent] else ""
        title = f"latent {latent} (sigma {sigma[:, latent].mean():.2f}{remark})"
        rows[title] = vae.decode(z)
    return rows


def nearest_training_images(
    vae, samples: np.ndarray, x_train: np.ndarray, x_test: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Find the training image nearest to each sample, to check for memorisation.

    If a model only repeats its training images, its samples are much closer to them than new
    images of the same kind are.

    Args:
        vae: The `TwoStageVAE` that generated the samples; its padding is removed.
        samples: Generated images from `vae.generate`, float in [0, 1].
        x_train: Training images, uint8 or float in [0, 1], [M, D, D, C].
        x_test: Images that were not used in training, of the same form.

    Returns:
        Rows of images, "sample" and "nearest training image"; and Euclidean distances to
        the nearest training image (root of the mean squared difference), float [N] and
        [number of test images], under "samples" and "test images".

    Example:
        ```python
        rows, distances = nearest_training_images(vae, samples, x_train, x_test)
        ```
    """
    train, test = (vae.without_padding(as_float(x)) for x in (x_train, x_test))
    flat = train.reshape(len(train), -1)
    search = NearestNeighbors(n_neighbors=1).fit(flat)
    distances, indices = {}, {}
    for name, images in (("samples", samples), ("test images", test)):
        found, nearest = search.kneighbors(images.reshape(len(images), -1))
        distances[name] = found[:, 0] / np.sqrt(flat.shape[1])
        indices[name] = nearest[:, 0]
    return {"sample": samples, "nearest training image": train[indices["samples"]]}, distances


def draw_nearest_distances(distances: dict[str, np.ndarray]) -> Figure:
    """Draw how far samples and test images are from the training images.

    Args:
        distances: What `nearest_training_images` returned.

    Returns:
        The figure.
    """
    bins = np.linspace(0, max(values.max() for values in distances.values()), 41)
    with style():
        figure = Figure(figsize=(6, 3.4))
        axis = figure.subplots()
        for name, values in distances.items():
            label = f"{name}, mean {values.mean():.3f}"
            axis.hist(values, bins=bins.tolist(), density=True, alpha=0.6, label=label)
        axis.set_xlabel("distance to the nearest training image (root mean square)")
        axis.set_ylabel("density")
        axis.margins(y=0.25)
        axis.legend()
    return figure
