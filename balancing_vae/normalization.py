"""Post-hoc normalisation: restore the variance that generated data have lost.

Each class is fitted to real data and then applied. The mode decides what is rescaled, by how much
and when; `MODES` lists all modes. docs/faithfulness.md says which version of the original program
used which mode.
"""

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from balancing_vae.checks import check_finite
from balancing_vae.config import PRIOR
from balancing_vae.config import SECOND_STAGE
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
    """One way of normalising: which latents and images it rescales, and how.

    Attributes:
        second_term: The latents' target is the root of the variance law with this second term,
            as `variance_law` takes it. None: the target is 1, the prior's standard deviation.
        gated: Whether the second stage's latents are rescaled only if its variance loss is
            above a quarter of its mse.
        by_batch: Whether the latents' standard deviation is taken over each batch. If false,
            it is taken over the whole sample.
        prior: Whether the prior's latents are multiplied by the target.
        reconstructions: Whether reconstructed images are rescaled.
        generated: Whether generated images are rescaled.
    """

    second_term: str | None
    gated: bool
    by_batch: bool
    prior: bool
    reconstructions: bool
    generated: bool


MODES = {
    # The original program's versions of 17 February and 23 May 2020.
    "gated": Mode(
        "sigma", gated=True, by_batch=True, prior=True, reconstructions=True, generated=False
    ),
    # The original program's version of 30 January 2020, which the paper's text describes.
    "latents": Mode(
        None, gated=False, by_batch=True, prior=False, reconstructions=False, generated=False
    ),
    # Not in any version of the program: the law as printed in the paper, and all images.
    "latents_and_images": Mode(
        "sigma^2", gated=False, by_batch=False, prior=False, reconstructions=True, generated=True
    ),
}
DEFAULT_MODE = "gated"
# The modes' former names, which older saved folders and commands still use.
MODE = Spelling(
    "mode",
    tuple(MODES),
    {"reference": "gated", "paper": "latents_and_images"},
    removed_in="0.3",
)


class NothingRescaledWarning(UserWarning):
    """Normalisation was requested, but its mode rescales nothing here."""


@dataclass(frozen=True)
class LatentNormalization:
    """Rescales latents to the standard deviation that the variance law predicts.

    The second stage's latents become `z * target / mean(std(z))`. Mode "gated" takes the
    standard deviation over each batch and multiplies the prior's latents by the target; it does
    both only if the gate is open. Mode "latents" always rescales; it takes the standard
    deviation over each batch, and its target is 1. Mode "latents_and_images" always rescales
    and takes the standard deviation over the whole sample. The last two do not change the
    prior's latents.

    The latents of any other sampler are rescaled in the same way, but without a gate: the
    second stage's variance loss says nothing about them.

    Attributes:
        mode: "gated", "latents" or "latents_and_images"; `MODES` says what each does.
        target: Expected standard deviation: 1 in mode "latents", else the root of the mean
            variance law in the mode's form.
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
        """Compute the target deviation, and whether the second stage loses enough variance.

        With mse2 = mean((mu - z_hat)^2) and loss2 = mean(var(mu) - var(z_hat)), the gate
        opens if loss2 / mse2 > 0.25. Source: the original program.

        Args:
            mu: Posterior means of real images, float [N, L].
            sigma: Posterior standard deviations, float [N, L].
            z_hat: Second-stage reconstructions of `mu`, float [N, L]; None if there is no
                second stage.
            mode: "gated", "latents" or "latents_and_images".

        Returns:
            The fitted normalisation.

        Raises:
            ValueError: `mode` is unknown, the shapes differ, or a value is NaN; or the encoder
                is deterministic and the mode is "latents", whose target holds only for the
                latents of a VAE.

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
                    f'Mode "{mode}" rescales latents to standard deviation 1, the value that KL '
                    "divergence drives them to; a deterministic encoder has no KL: choose "
                    f"{' or '.join(repr(other) for other in MODES if other != mode)}."
                )
            return cls(mode, 1.0, gate_open=True)
        target = float(np.sqrt(variance_law(mu, sigma, does.second_term).mean()))
        if not does.gated or z_hat is None:
            return cls(mode, target, gate_open=True)
        return cls(mode, target, variance_loss(mu, z_hat) > GATE * mse(mu, z_hat))

    def rescales(self, sampler: str) -> bool:
        """Return whether `apply` changes the latents of a sampler of that name."""
        if sampler == PRIOR:
            return self.gate_open and MODES[self.mode].prior
        return self.gate_open or sampler != SECOND_STAGE

    def left_alone(self, sampler: str) -> str | None:
        """Return why a sampler's latents and images are not rescaled, or None if they are."""
        does = MODES[self.mode]
        if self.rescales(sampler) or does.generated:
            return None
        if does.gated and not self.gate_open:
            reason = "the second stage lost too little variance for the original program's gate"
        else:
            reason = f"it leaves those of the sampler {sampler} as they are"
        other = "latents" if sampler == SECOND_STAGE else "latents_and_images"
        return (
            f'Generated images are not rescaled in mode "{self.mode}": {reason}; '
            f'fit_normalization(x, mode="{other}") rescales them.'
        )

    def apply(self, z, sampler: str, batch_size: int):
        """Return rescaled latents.

        Args:
            z: Latents, an array or a tensor, float [N, L].
            sampler: Where they come from: "prior", "second_stage" or another.
            batch_size: Latents per batch, for modes that rescale by batches.

        Returns:
            Float [N, L], in main memory or on the device, as `z` is; `z` itself if nothing is
            rescaled.

        Raises:
            ValueError: The latents of a batch do not vary, so they cannot be rescaled.

        Example:
            ```python
            z = normalization.apply(z, "second_stage", batch_size=100)
            ```
        """
        if not self.rescales(sampler):
            return z
        if sampler == PRIOR:
            return z * self.target
        rows = batch_size if MODES[self.mode].by_batch else len(z)
        if isinstance(z, np.ndarray):
            return z * self._factors(z, rows)
        # Imported here, because commands that compute nothing also import this module.
        from keras import ops

        return ops.multiply(z, self._factors(ops.convert_to_numpy(z), rows))

    def _factors(self, z: np.ndarray, rows: int) -> np.ndarray:
        """Return the factor of each latent, [N, 1], the same for each batch of `rows`."""
        batches = [z[i : i + rows] for i in range(0, len(z), rows)]
        factors = np.repeat([self._factor(batch) for batch in batches], [len(b) for b in batches])
        return factors.astype(z.dtype)[:, None]

    def _factor(self, z: np.ndarray) -> float:
        spread = mean_std(z)
        if spread == 0:
            raise InputError(
                f"The sampler's latents do not vary within a batch of {len(z)}; use a larger "
                "batch_size, train or fit the sampler, or generate without normalisation."
            )
        return self.target / spread


@dataclass(frozen=True)
class ImageNormalization:
    """Rescales images around their mean to the data's mean standard deviation.

    The result is (img - mean(img)) * target / mean(std(img)) + mean(img), clipped to [0, 1].
    Means and standard deviations are taken over the given images. Mode "gated" applies this
    to reconstructions, mode "latents_and_images" also to generated images, and mode "latents"
    to neither.

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
        """Compute the target from real images.

        Args:
            x: Real images, float [N, D, D, C] in [0, 1].
            mode: "gated", "latents" or "latents_and_images".

        Returns:
            The fitted normalisation.

        Raises:
            ValueError: `mode` is unknown.

        Example:
            ```python
            normalization = ImageNormalization.fit(x_test)
            ```
        """
        return cls(MODE.given(mode), mean_std(x))

    def left_alone(self) -> str | None:
        """Return why reconstructions are not rescaled, or None if they are."""
        if self.rescales(generated=False):
            return None
        return (
            f'Reconstructions are not rescaled in mode "{self.mode}"; fit_normalization(x, '
            'mode="gated") rescales them.'
        )

    def scale(self, images: np.ndarray) -> float:
        """Return the factor by which `images` would be rescaled; 1 if they are all equal."""
        spread = mean_std(images)
        return self.target / spread if spread > 0 else 1.0

    def rescales(self, generated: bool) -> bool:
        """Return whether `apply` changes generated (or else reconstructed) images."""
        does = MODES[self.mode]
        return does.generated if generated else does.reconstructions

    def apply(self, images: np.ndarray, generated: bool) -> np.ndarray:
        """Return rescaled images.

        Args:
            images: Float [N, D, D, C] in [0, 1].
            generated: Whether the images were generated, rather than reconstructed.

        Returns:
            Float [N, D, D, C] in [0, 1]; `images` itself if nothing is rescaled.

        Example:
            ```python
            x_hat = normalization.apply(x_hat, generated=False)
            ```
        """
        if not self.rescales(generated):
            return images
        mean = images.mean(axis=0, keepdims=True)
        return np.clip((images - mean) * np.float32(self.scale(images)) + mean, 0.0, 1.0)
