"""Renormalisation after training: the variance that generated data lack is put back.

Each class is fitted on what it needs and then applied. Mode "reference" is the original
program's, and the default for anything compared with published numbers; mode "paper" is
what the paper describes.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from balancing_vae.checks import check_finite
from balancing_vae.errors import InputError
from balancing_vae.moments import mean_std
from balancing_vae.moments import mse
from balancing_vae.moments import variance_law
from balancing_vae.moments import variance_loss
from balancing_vae.schema import check_fields
from balancing_vae.schema import one_of
from balancing_vae.schema import real

MODES = ("reference", "paper")
GATE = 0.25
NOTHING_RESCALED = (
    "Generated images are not rescaled: the second stage lost too little variance for the original "
    'program\'s threshold (mode "reference"); fit_normalization(x, mode="paper") rescales them.'
)


class NothingRescaledWarning(UserWarning):
    """Normalisation was asked for, and the original program's gate leaves all as it is."""


@dataclass(frozen=True)
class LatentNormalization:
    """Rescales latents to the moments that the variance law expects.

    Mode "reference": the second stage's latents become `z * target / mean(std(z))`, the
    deviation taken over each batch; the prior's `z * target`; both only where the gate
    opened. Mode "paper": the second stage's likewise, but over the whole sample and
    without a gate; the prior's stay as they are, since it has the expected moments already.

    The latents of any other sampler are rescaled as the second stage's are, without a
    gate: what the second stage loses says nothing of them.

    Attributes:
        mode: "reference" or "paper".
        target: Expected standard deviation: the root of the mean variance law, of the
            mode's own form.
        gate_open: Whether the second stage lost enough variance for the original program
            to rescale; always true in mode "paper" and without a second stage.
    """

    mode: Annotated[str, one_of(*MODES)]
    target: Annotated[float, real(least=0)]
    gate_open: bool

    def __post_init__(self):
        check_fields(self)

    @classmethod
    def fit(
        cls, mu: np.ndarray, sigma: np.ndarray, z_hat: np.ndarray | None, mode: str = "reference"
    ) -> "LatentNormalization":
        """Measure the expected moments, and whether the second stage falls short of them.

        With mse2 = mean((mu - z_hat)^2) and loss2 = mean(var(mu) - var(z_hat)), the gate
        opens where loss2 / mse2 > 0.25. Source: the original program.

        Args:
            mu: Posterior means of real images, float [N, L].
            sigma: Posterior standard deviations, float [N, L].
            z_hat: Second-stage reconstructions of `mu`, float [N, L]; None where there is
                no second stage.
            mode: "reference" or "paper".

        Returns:
            The fitted normalisation.

        Raises:
            ValueError: There is no such mode, the shapes differ, or there is NaN among them.

        Example:
            ```python
            normalization = LatentNormalization.fit(mu, sigma, z_hat)
            ```
        """
        _check_mode(mode)
        for latents in (mu, sigma) if z_hat is None else (mu, sigma, z_hat):
            check_finite(latents, "The latents")
        target = float(np.sqrt(variance_law(mu, sigma, mode).mean()))
        if mode == "paper" or z_hat is None:
            return cls(mode, target, gate_open=True)
        return cls(mode, target, variance_loss(mu, z_hat) > GATE * mse(mu, z_hat))

    def apply(self, z: np.ndarray, sampler: str, batch_size: int) -> np.ndarray:
        """Return rescaled latents.

        Args:
            z: Latents, float [N, L].
            sampler: Where they come from: "prior", "second_stage" or another.
            batch_size: Latents per batch in mode "reference".

        Returns:
            Float [N, L], `z` itself where nothing is to be done.

        Raises:
            ValueError: The latents of a batch do not vary: they cannot be rescaled.

        Example:
            ```python
            z = normalization.apply(z, "second_stage", batch_size=100)
            ```
        """
        if sampler == "prior":
            return z * self.target if self.gate_open and self.mode == "reference" else z
        if sampler == "second_stage" and not self.gate_open:
            return z
        if self.mode == "paper":
            return self._rescale(z)
        batches = [z[i : i + batch_size] for i in range(0, len(z), batch_size)]
        return np.concatenate([self._rescale(batch) for batch in batches])

    def _rescale(self, z: np.ndarray) -> np.ndarray:
        spread = mean_std(z)
        if spread == 0:
            raise InputError(
                f"The sampler's latents do not vary within a batch of {len(z)}; take a larger "
                "batch_size, train or fit the sampler, or generate without normalisation."
            )
        return z * (self.target / spread)


@dataclass(frozen=True)
class ImageNormalization:
    """Rescales images about their mean to the data's mean standard deviation.

    (img - mean(img)) * target / mean(std(img)) + mean(img), clipped to [0, 1], with means
    and deviations over the images given. Mode "reference" applies it to reconstructions
    only, as the original program does; mode "paper" to generated images too.

    Attributes:
        mode: "reference" or "paper".
        target: The data's standard deviation over images, averaged over pixels.
    """

    mode: Annotated[str, one_of(*MODES)]
    target: Annotated[float, real(least=0)]

    def __post_init__(self):
        check_fields(self)

    @classmethod
    def fit(cls, x: np.ndarray, mode: str = "reference") -> "ImageNormalization":
        """Measure the data.

        Args:
            x: Real images, float [N, D, D, C] in [0, 1].
            mode: "reference" or "paper".

        Returns:
            The fitted normalisation.

        Raises:
            ValueError: There is no such mode.

        Example:
            ```python
            normalization = ImageNormalization.fit(x_test)
            ```
        """
        _check_mode(mode)
        return cls(mode, mean_std(x))

    def scale(self, images: np.ndarray) -> float:
        """Return the factor that `images` would be rescaled by; 1 if they are all alike."""
        spread = mean_std(images)
        return self.target / spread if spread > 0 else 1.0

    def apply(self, images: np.ndarray, generated: bool) -> np.ndarray:
        """Return rescaled images.

        Args:
            images: Float [N, D, D, C] in [0, 1].
            generated: Whether the images were generated, rather than reconstructed.

        Returns:
            Float [N, D, D, C] in [0, 1], `images` itself where nothing is to be done.

        Example:
            ```python
            x_hat = normalization.apply(x_hat, generated=False)
            ```
        """
        if generated and self.mode == "reference":
            return images
        mean = images.mean(axis=0, keepdims=True)
        return np.clip((images - mean) * np.float32(self.scale(images)) + mean, 0.0, 1.0)


def _check_mode(mode: str) -> None:
    if mode not in MODES:
        raise InputError(f"mode must be one of {MODES}, got {mode!r}.")
