"""The variance that the second stage loses, which normalisation restores."""

import numpy as np

from balancing_vae.moments import mse
from balancing_vae.moments import variance_law
from balancing_vae.moments import variance_loss


def second_stage_losses(vae, x: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Measure latents of images, their second-stage reconstructions, and second-stage samples.

    Stage 2 is a VAE of latents. Its reconstructions vary less than the latents of images, on
    which the decoder was trained, and its samples vary even less. Source: Asperti 2020.

    Args:
        vae: A trained `TwoStageVAE` with a second stage.
        x: Images, uint8 or float in [0, 1], [N, D, D, C].
        seed: Seed of all draws.

    Returns:
        `law` is the mean over latents of Var(mu) + E[sigma^2]. `latents` is the mean variance of
        latents drawn from the posterior. `mse` and `variance_loss` are those of their
        second-stage reconstructions. `generated_variance_loss` is that of as many second-stage
        samples, without normalisation.

    Example:
        ```python
        second_stage_losses(vae, x_test)["generated_variance_loss"]
        ```
    """
    mu, sigma = vae.encode(x)
    z = mu + sigma * np.random.default_rng(seed).standard_normal(mu.shape, np.float32)
    z_hat = vae.reconstruct_latents(z, seed)
    generated = vae.sample_latents(len(z), stage=2, normalize=False, seed=seed)
    return {
        "law": float(variance_law(mu, sigma).mean()),
        "latents": float(z.var(axis=0, dtype=np.float64).mean()),
        "mse": mse(z, z_hat),
        "variance_loss": variance_loss(z, z_hat),
        "generated_variance_loss": variance_loss(z, generated),
    }
