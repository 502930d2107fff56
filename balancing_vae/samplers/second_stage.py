"""The second stage as a sampler: its decoder maps the prior's draws to latents."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.samplers.prior import Prior
from balancing_vae.samplers.sampler import Sampler

if TYPE_CHECKING:
    from balancing_vae.models.latent_vae import LatentVAE


@dataclass(frozen=True, eq=False)
class SecondStage(Sampler):
    """The second stage as a sampler: z = decoder(noise), or decoder(noise) + gamma noise'.

    `TwoStageVAE` trains and saves the second stage. Source: Dai and Wipf 2019.

    Attributes:
        stage: The second VAE.
        batch_size: Number of latents that are decoded together; an accelerator may decode more
            (see `large_batch`).
        adds_noise: Whether the decoder's noise, with standard deviation gamma, is added, as in
            the program of Dai and Wipf. The original program does not add it.

    Example:
        ```python
        z = vae.samplers["second_stage"].sample(100, seed=0)
        ```
    """

    stage: "LatentVAE"
    batch_size: int
    adds_noise: bool = False

    @classmethod
    def fit(cls, z: np.ndarray, seed: int = 0, sigma: np.ndarray | None = None) -> "SecondStage":
        """Raise, because `TwoStageVAE.fit` trains the second stage."""
        raise InputError(
            "A second stage is not fitted to latents but trained by TwoStageVAE.fit; include "
            '"second_stage" in the config\'s samplers.'
        )

    @property
    def latent_dim(self) -> int:
        """Number of latents."""
        return self.stage.latent_dim

    def sample(
        self,
        n: int,
        seed: int = 0,
        noise: np.ndarray | None = None,
        latent_noise: np.ndarray | None = None,
    ) -> np.ndarray:
        """Draw latents; see `Sampler.sample`.

        Args:
            n: Number of latents.
            seed: Seed of the draws.
            noise: Standard normal noise, float [n, L], in place of a seed.
            latent_noise: The decoder's noise, standard normal, float [n, L]. By default it is
                drawn with the seed, even if `noise` is given.

        Returns:
            Float32 [n, L].

        Raises:
            ValueError: Noise does not have the shape [n, L], or `latent_noise` would not be
                added.
        """
        from balancing_vae.backend.inference import to_numpy

        return to_numpy(self.sample_on_device(n, seed, noise, latent_noise))

    def sample_on_device(
        self,
        n: int,
        seed: int = 0,
        noise: np.ndarray | None = None,
        latent_noise: np.ndarray | None = None,
    ):
        """Draw latents as `sample` does, and leave them on the device.

        Args:
            n: Number of latents.
            seed: As in `sample`.
            noise: As in `sample`.
            latent_noise: As in `sample`.

        Returns:
            Float32 tensor [n, L].
        """
        # Imported here, because commands that compute nothing also import the samplers.
        from keras import ops

        from balancing_vae.backend.inference import predict_on_device

        if latent_noise is not None:
            check_adds_noise(self)
        prior = Prior(self.latent_dim)
        z = predict_on_device(self.stage.decoder, self.batch_size, prior.sample(n, seed, noise))
        if self.adds_noise:
            # A separate stream, so that the other draws equal those of every other sampler.
            stream = np.random.SeedSequence(seed).spawn(1)[0]
            gamma = ops.convert_to_numpy(self.stage.balancing.gamma)
            z = ops.add(z, gamma * prior.sample(n, stream, latent_noise))
        return z

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Raise, because the density is an integral that has no closed form."""
        raise InputError(
            "The density of a second stage cannot be computed; use the prior or a fitted sampler."
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Raise, because its weights are saved with the stage."""
        raise InputError("A second stage is saved with its pipeline; call vae.save(folder).")


def check_adds_noise(sampler: Sampler) -> None:
    """Raise if a sampler does not use `latent_noise`.

    Args:
        sampler: The sampler.

    Raises:
        ValueError: The sampler is not a second stage with noise.
    """
    if not getattr(sampler, "adds_noise", False):
        raise InputError(
            "These samples do not use latent_noise; it needs the second stage and a config "
            "with second_stage_noise=True."
        )
