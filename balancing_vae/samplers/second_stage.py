"""The second stage as a sampler: its decoder maps the prior's draws to latents."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from balancing_vae.backend.batches import map_batches
from balancing_vae.errors import InputError
from balancing_vae.samplers.prior import Prior
from balancing_vae.samplers.sampler import Sampler

if TYPE_CHECKING:
    from balancing_vae.models.latent_vae import LatentVAE


@dataclass(frozen=True, eq=False)
class SecondStage(Sampler):
    """z = decoder(noise), or z = decoder(noise) + gamma noise'. Source: Dai and Wipf 2019.

    It is a stage of `TwoStageVAE`, which trains and saves it.

    Attributes:
        stage: The second VAE.
        batch_size: Latents that are decoded together.
        adds_noise: Whether the decoder's noise is added, of standard deviation gamma, as in
            the program of Dai and Wipf; the original program decodes alone.

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
        """Refuse: it is trained by `TwoStageVAE.fit`."""
        raise InputError(
            "A second stage is not fitted to latents but trained by TwoStageVAE.fit; name "
            '"second_stage" among the config\'s samplers.'
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
            n: How many.
            seed: Seed of the draws.
            noise: Standard normal, float [n, L], in place of a seed.
            latent_noise: The decoder's noise, standard normal, float [n, L], in place of a
                seed; without it the seed decides, whether `noise` is given or not.

        Returns:
            Float32 [n, L].

        Raises:
            ValueError: The noise given is not [n, L], or would not be added.
        """
        if latent_noise is not None:
            check_adds_noise(self)
        prior = Prior(self.latent_dim)
        decode = self.stage.decoder.predict_on_batch
        z = map_batches(decode, self.batch_size, prior.sample(n, seed, noise))
        if self.adds_noise:
            # Commands that compute nothing import the samplers, too.
            from keras import ops

            # A stream of its own: the other draws are those of every other sampler.
            stream = np.random.SeedSequence(seed).spawn(1)[0]
            gamma = ops.convert_to_numpy(self.stage.balancing.gamma)
            z = z + gamma * prior.sample(n, stream, latent_noise)
        return z

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Refuse: it is an integral over the second latents, without a closed form."""
        raise InputError(
            "A second stage has no density that can be computed; take the prior or a fitted "
            "sampler."
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Refuse: its weights are those of a stage."""
        raise InputError("A second stage is saved with its pipeline; call vae.save(folder).")


def check_adds_noise(sampler: Sampler) -> None:
    """Refuse `latent_noise` where none is added.

    Args:
        sampler: The sampler that it is for.

    Raises:
        ValueError: It is not a second stage with noise.
    """
    if not getattr(sampler, "adds_noise", False):
        raise InputError(
            "latent_noise has no part in these samples; it needs the second stage and a config "
            "with second_stage_noise=True."
        )
