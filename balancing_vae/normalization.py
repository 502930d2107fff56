"""Post-hoc normalisation: restore the variance that generated data lack.

Each class is fitted on what it needs and then applied. What is rescaled, by how much and when, is
the mode's: `MODES` has them all. docs/faithfulness.md says which program did what.
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
from balancing_vae.schema import Spelling
from balancing_vae.schema import check_fields
from balancing_vae.schema import real

GATE = 0.25


@dataclass(frozen=True)
class Mode:
    """What one way of normalising rescales.

    Attributes:
        second_term: Of the variance law whose root is the latents' target, as `variance_law`
            takes it; None: the target is 1, the prior's own deviation.
        gated: Whether the second stage must have lost a quarter of its error in variance.
        by_batch: Whether the deviation of latents is taken over each batch, not over all.
        prior: Whether the prior's latents are multiplied by the target.
        reconstructions: Whether reconstructed images are rescaled.
        generated: Whether generated images are.
    """

    second_term: str | None
    gated: bool
    by_batch: bool
    prior: bool
    reconstructions: bool
    generated: bool


MODES = {
    # The original program of 17 February and 23 May 2020.
    "gated": Mode(
        "sigma", gated=True, by_batch=True, prior=True, reconstructions=True, generated=False
    ),
    # That of 30 January 2020, which the paper's text describes.
    "latents": Mode(
        None, gated=False, by_batch=True, prior=False, reconstructions=False, generated=False
    ),
    # No version of the program: the law as printed in the paper, and all images.
    "latents_and_images": Mode(
        "sigma^2", gated=False, by_batch=False, prior=False, reconstructions=True, generated=True
    ),
}
DEFAULT_MODE = "gated"
# What the modes were called before: saved folders and commands of that time are still read.
MODE = Spelling(
    "mode",
    tuple(MODES),
    {"reference": "gated", "paper": "latents_and_images"},
    removed_in="0.3",
)


class NothingRescaledWarning(UserWarning):
    """Normalisation was asked for, and its mode leaves all as it is."""


@dataclass(frozen=True)
class LatentNormalization:
    """Rescales latents to the moments that the variance law expects.

    The second stage's latents become `z * target / mean(std(z))`. Mode "gated" takes the
    deviation over each batch, multiplies the prior's latents by the target, and does both only
    where the gate is open. Mode "latents" takes it over each batch, too, always, and its target
    is 1. Mode "latents_and_images" takes it over the whole sample, always. The last two leave
    the prior's latents as they are.

    The latents of any other sampler are rescaled as the second stage's are, without a
    gate: what the second stage loses says nothing of them.

    Attributes:
        mode: "gated", "latents" or "latents_and_images"; `MODES` says what each does.
        target: Expected standard deviation: 1 in mode "latents", else the root of the mean
            variance law, of the mode's own form.
        gate_open: Whether the second stage lost enough variance for mode "gated" to rescale;
            always true in the other modes and without a second stage.
    """

    mode: Annotated[str, MODE]
    target: Annotated[float, real(least=0)]
    gate_open: bool

    def __post_init__(self):
        check_fields(self)
        object.__setattr__(self, "mode", MODE.present(self.mode))

    @classmethod
    def fit(
        cls, mu: np.ndarray, sigma: np.ndarray, z_hat: np.ndarray | None, mode: str = DEFAULT_MODE
    ) -> "LatentNormalization":
        """Measure the expected moments, and whether the second stage falls short of them.

        With mse2 = mean((mu - z_hat)^2) and loss2 = mean(var(mu) - var(z_hat)), the gate
        opens where loss2 / mse2 > 0.25. Source: the original program.

        Args:
            mu: Posterior means of real images, float [N, L].
            sigma: Posterior standard deviations, float [N, L].
            z_hat: Second-stage reconstructions of `mu`, float [N, L]; None where there is
                no second stage.
            mode: "gated", "latents" or "latents_and_images".

        Returns:
            The fitted normalisation.

        Raises:
            ValueError: There is no such mode, the shapes differ, or there is NaN among them; or
                the encoder is deterministic, and the mode "latents", whose target is the
                deviation of a VAE's latents.

        Example:
            ```python
            normalization = LatentNormalization.fit(mu, sigma, z_hat)
            ```
        """
        mode = MODE.given(mode)
        does = MODES[mode]
        for latents in (mu, sigma) if z_hat is None else (mu, sigma, z_hat):
            check_finite(latents, "The latents")
        if does.second_term is None:
            if not np.any(sigma):
                raise InputError(
                    f'Mode "{mode}" gives latents the deviation 1, which the KL divergence of a '
                    "VAE drives them to; a deterministic encoder has none: choose "
                    f"{' or '.join(repr(other) for other in MODES if other != mode)}."
                )
            return cls(mode, 1.0, gate_open=True)
        target = float(np.sqrt(variance_law(mu, sigma, does.second_term).mean()))
        if not does.gated or z_hat is None:
            return cls(mode, target, gate_open=True)
        return cls(mode, target, variance_loss(mu, z_hat) > GATE * mse(mu, z_hat))

    def rescales(self, sampler: str) -> bool:
        """Tell whether `apply` changes the latents of a sampler of that name."""
        if sampler == "prior":
            return self.gate_open and MODES[self.mode].prior
        return self.gate_open or sampler != "second_stage"

    def left_alone(self, sampler: str) -> str | None:
        """Say why images of a sampler are not rescaled at all; None where they are."""
        does = MODES[self.mode]
        if self.rescales(sampler) or does.generated:
            return None
        if does.gated and not self.gate_open:
            reason = "the second stage lost too little variance for the original program's gate"
        else:
            reason = f"it leaves those of the sampler {sampler} as they are"
        other = "latents" if sampler == "second_stage" else "latents_and_images"
        return (
            f'Generated images are not rescaled in mode "{self.mode}": {reason}; '
            f'fit_normalization(x, mode="{other}") rescales them.'
        )

    def apply(self, z: np.ndarray, sampler: str, batch_size: int) -> np.ndarray:
        """Return rescaled latents.

        Args:
            z: Latents, float [N, L].
            sampler: Where they come from: "prior", "second_stage" or another.
            batch_size: Latents per batch where the mode goes by batches.

        Returns:
            Float [N, L], `z` itself where nothing is to be done.

        Raises:
            ValueError: The latents of a batch do not vary: they cannot be rescaled.

        Example:
            ```python
            z = normalization.apply(z, "second_stage", batch_size=100)
            ```
        """
        if not self.rescales(sampler):
            return z
        if sampler == "prior":
            return z * self.target
        if not MODES[self.mode].by_batch:
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
    and deviations over the images given. Mode "gated" applies it to reconstructions, mode
    "latents_and_images" to generated images too, mode "latents" to none.

    Attributes:
        mode: "gated", "latents" or "latents_and_images".
        target: The data's standard deviation over images, averaged over pixels.
    """

    mode: Annotated[str, MODE]
    target: Annotated[float, real(least=0)]

    def __post_init__(self):
        check_fields(self)
        object.__setattr__(self, "mode", MODE.present(self.mode))

    @classmethod
    def fit(cls, x: np.ndarray, mode: str = DEFAULT_MODE) -> "ImageNormalization":
        """Measure the data.

        Args:
            x: Real images, float [N, D, D, C] in [0, 1].
            mode: "gated", "latents" or "latents_and_images".

        Returns:
            The fitted normalisation.

        Raises:
            ValueError: There is no such mode.

        Example:
            ```python
            normalization = ImageNormalization.fit(x_test)
            ```
        """
        return cls(MODE.given(mode), mean_std(x))

    def left_alone(self) -> str | None:
        """Say why reconstructions are not rescaled; None where they are."""
        if self.rescales(generated=False):
            return None
        return (
            f'Reconstructions are not rescaled in mode "{self.mode}"; fit_normalization(x, '
            'mode="gated") rescales them.'
        )

    def scale(self, images: np.ndarray) -> float:
        """Return the factor that `images` would be rescaled by; 1 if they are all alike."""
        spread = mean_std(images)
        return self.target / spread if spread > 0 else 1.0

    def rescales(self, generated: bool) -> bool:
        """Tell whether `apply` changes images, generated or reconstructed."""
        does = MODES[self.mode]
        return does.generated if generated else does.reconstructions

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
        if not self.rescales(generated):
            return images
        mean = images.mean(axis=0, keepdims=True)
        return np.clip((images - mean) * np.float32(self.scale(images)) + mean, 0.0, 1.0)
