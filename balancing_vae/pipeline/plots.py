"""Plots of a pipeline, and the images they show."""

from collections.abc import Iterable
from typing import TYPE_CHECKING
from typing import Protocol

import numpy as np

from balancing_vae.checks import as_float
from balancing_vae.errors import InputError
from balancing_vae.pipeline.history import History

if TYPE_CHECKING:
    from balancing_vae.figures.style import Figure

COLUMNS = 16


class _Pipeline(Protocol):
    """The methods that `Plots` needs from the class that inherits it."""

    history: History

    def _array(self, x: np.ndarray | Iterable, limit: int | None = None) -> np.ndarray: ...


class Plots:
    """The plot methods of `TwoStageVAE`. Matplotlib is imported at the first plot."""

    def plot_samples(self: _Pipeline, n: int = 48, **drawn_from) -> "Figure":
        """Draw generated images.

        Args:
            n: Number of images.
            **drawn_from: Arguments of `generate`: `stage`, `sampler`, `normalize`, `seed`.

        Returns:
            The figure; a notebook shows it, `savefig` writes it.

        Example:
            ```python
            vae.plot_samples(stage=2, normalize=False, seed=0)
            ```
        """
        from balancing_vae.figures.images import draw_images

        return draw_images(samples(self, n, **drawn_from))

    def plot_reconstructions(
        self: _Pipeline, x: np.ndarray | Iterable, n: int = 16, seed: int = 0
    ) -> "Figure":
        """Draw images above their reconstructions.

        Args:
            x: Real images as in `encode`.
            n: Number of images to draw; the first `n` are used.
            seed: Seed of the posterior's noise.

        Returns:
            The figure; a notebook shows it, `savefig` writes it.

        Example:
            ```python
            vae.plot_reconstructions(x_test)
            ```
        """
        from balancing_vae.figures.images import draw_images

        return draw_images(reconstructions(self, self._array(x, n), seed))

    def plot_interpolation(
        self: _Pipeline, a: np.ndarray, b: np.ndarray, steps: int = 9
    ) -> "Figure":
        """Draw linear interpolations in latent space between two images.

        Args:
            a: An image, integers in 0..255 or floats in [0, 1], [D, D, C]; or
                several, [N, D, D, C].
            b: The images at the other end, as many as in `a`.
            steps: Number of decoded images per interpolation, at least 2; the original images
                are added at both ends.

        Returns:
            The figure; a notebook shows it, `savefig` writes it.

        Example:
            ```python
            vae.plot_interpolation(x_test[0], x_test[1])
            ```
        """
        from balancing_vae.figures.images import draw_images

        a, b = (np.asarray(image) for image in (a, b))
        starts, ends = (image[None] if image.ndim == 3 else image for image in (a, b))
        return draw_images(interpolations(self, starts, ends, steps))

    def plot_history(self: _Pipeline) -> "Figure":
        """Draw the training's loss, kl, mse and gamma, a row of panels for each stage.

        Returns:
            The figure; a notebook shows it, `savefig` writes it.

        Raises:
            ValueError: There is no epoch yet.

        Example:
            ```python
            vae.plot_history()
            ```
        """
        return self.history.plot()


def samples(vae, n: int, columns: int = COLUMNS, **drawn_from) -> dict[str, np.ndarray]:
    """Generate images, row by row.

    Args:
        vae: A trained `TwoStageVAE`.
        n: Number of images, at least 1.
        columns: Images per row.
        **drawn_from: Arguments of `TwoStageVAE.generate`.

    Returns:
        Images, float [columns, D, D, C] in [0, 1], by their numbers; the last row may have
        fewer.
    """
    images = vae.generate(n, **drawn_from)
    return {
        f"{start + 1} to {min(start + columns, n)}": images[start : start + columns]
        for start in range(0, n, columns)
    }


def reconstructions(vae, x: np.ndarray, seed: int = 0) -> dict[str, np.ndarray]:
    """Reconstruct images.

    Args:
        vae: A trained `TwoStageVAE`.
        x: Real images, integers in 0..255 or floats in [0, 1], [N, D, D, C].
        seed: Seed of the posterior's noise.

    Returns:
        Images, float [N, D, D, C] in [0, 1], without padding: "data" and "reconstruction".
    """
    return {
        "data": vae.without_padding(as_float(x)),
        "reconstruction": vae.reconstruct(x, seed=seed),
    }


def interpolations(
    vae, starts: np.ndarray, ends: np.ndarray, steps: int = 9
) -> dict[str, np.ndarray]:
    """Decode linear interpolations between the `mu` of pairs of images.

    Args:
        vae: A trained `TwoStageVAE`.
        starts: Images, integers in 0..255 or floats in [0, 1], [N, D, D, C].
        ends: The images at the other end, as many as in `starts`.
        steps: Number of decoded images per pair, at least 2.

    Returns:
        For each pair the first image, the decoded images and the last image, float
        [steps + 2, D, D, C] in [0, 1], without padding.

    Raises:
        ValueError: The images do not match the model or each other.

    Example:
        ```python
        draw_images(interpolations(vae, x_test[:4], x_test[4:8])).savefig("ways.png")
        ```
    """
    if len(starts) != len(ends):
        raise InputError(
            f"Cannot pair {len(starts)} starts with {len(ends)} ends; give equally many."
        )
    t = np.linspace(0, 1, steps)[:, None]
    rows = {}
    pairs = zip(starts, ends, vae.encode(starts)[0], vae.encode(ends)[0], strict=True)
    for i, (start, end, first, last) in enumerate(pairs):
        way = vae.decode((1 - t) * first + t * last)
        start, end = (vae.without_padding(as_float(x)[None]) for x in (start, end))
        rows[f"pair {i + 1}"] = np.concatenate([start, way, end])
    return rows
