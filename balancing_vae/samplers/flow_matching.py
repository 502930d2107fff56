"""Train a flow's network by conditional flow matching on straight paths."""

from pathlib import Path

import keras
import numpy as np

from balancing_vae.backend.compilation import dense_steps_per_execution
from balancing_vae.backend.compilation import jit_compile_pays
from balancing_vae.backend.seeding import seeded_initializers
from balancing_vae.progress import progress_bar
from balancing_vae.samplers.unfinished import Unfinished
from balancing_vae.samplers.velocity import Velocity

BATCH_SIZE = 1024
LEARNING_RATE = 2e-3
# Fractions of the training: the first steps, in which the learning rate rises, and the last steps,
# over which the weights are averaged.
WARM_UP = 0.05
AVERAGED = 0.05


def train_velocity(
    mu: np.ndarray,
    sigma: np.ndarray,
    seed: int,
    width: int,
    steps: int,
    unfinished: str | Path | None = None,
) -> Velocity:
    """Train a network to predict the mean velocity of straight paths from noise to latents.

    The optimizer is Adam. Its learning rate rises linearly and then decreases along a cosine. The
    weights are an exponential average over the last steps.

    Args:
        mu: Means of the posteriors of standardised latents, float [N, L].
        sigma: Their standard deviations, float [N, L].
        seed: Seed of the initial weights and of all draws.
        width: Units of each hidden layer.
        steps: Number of training steps, with 1,024 draws each.
        unfinished: An `.npz` file for the state of the training; see `Flow.fit`.

    Returns:
        The trained network.

    Example:
        ```python
        velocity = train_velocity(mu, sigma, seed=0, width=256, steps=4000)
        ```
    """
    with seeded_initializers(seed):
        velocity = Velocity(mu.shape[1], width)
    warm_up = int(WARM_UP * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, max(1, steps - warm_up), warmup_target=LEARNING_RATE, warmup_steps=warm_up
    )
    velocity.compile(
        keras.optimizers.Adam(schedule, use_ema=True, ema_momentum=1 - 1 / (AVERAGED * steps + 1)),
        loss="mse",
        jit_compile=jit_compile_pays(convolutional=False),
        steps_per_execution=dense_steps_per_execution(),
    )
    kept = None if unfinished is None else Unfinished(unfinished, mu, sigma, seed, width, steps)
    start = 0 if kept is None else kept.restore(velocity)
    with progress_bar(total=steps, initial=start, desc="flow", unit="step") as bar:
        follow = keras.callbacks.LambdaCallback(
            on_train_batch_end=lambda batch, logs: bar.update(start + batch + 1 - bar.n)
        )
        velocity.fit(
            Paths(mu, sigma, seed, steps, start),
            shuffle=False,
            verbose=0,
            callbacks=[follow] if kept is None else [follow, kept],
        )
    if kept is not None:
        kept.remove()
    # A new model without an optimizer, like a model that is loaded from a file.
    trained = Velocity(mu.shape[1], width)
    trained.assign(velocity.to_arrays())
    return trained


class Paths(keras.utils.PyDataset):
    """Batches of points on straight paths, with the mean velocities that `on_paths` returns.

    A batch depends only on the seed and on its number. Its times are evenly spaced, which makes
    the loss less noisy.

    Args:
        mu: Means of posteriors, float [N, L].
        sigma: Their standard deviations, float [N, L].
        seed: Seed of all draws.
        steps: Number of batches.
        start: Number of the first batch that is not skipped.

    Example:
        ```python
        (z, t), velocities = Paths(mu, sigma, seed=0, steps=100)[0]
        ```
    """

    def __init__(self, mu: np.ndarray, sigma: np.ndarray, seed: int, steps: int, start: int = 0):
        super().__init__()
        self.mu = mu.astype(np.float32)
        self.sigma = sigma.astype(np.float32)
        self.seed = seed
        self.steps = steps
        self.start = start

    def __len__(self) -> int:
        return self.steps - self.start

    def __getitem__(self, index: int) -> tuple:
        rng = np.random.default_rng([self.seed, self.start + index])
        rows = rng.integers(len(self.mu), size=BATCH_SIZE)
        mu, sigma = self.mu[rows], self.sigma[rows]
        noise = rng.standard_normal(mu.shape, np.float32)
        t = ((np.arange(BATCH_SIZE) + rng.random()) / BATCH_SIZE).astype(np.float32)[:, None]
        z, velocities = on_paths(mu, sigma, t, noise)
        return (z, t), velocities


def on_paths(
    mu: np.ndarray, sigma: np.ndarray, t: np.ndarray, noise: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return points on straight paths, and the mean velocity of all paths through each point.

    A point `(1 - t) noise + t latent` is on many paths, because the latent is a draw from a
    posterior. The mean of their velocities, `latent - noise`, has a closed form. A network that is
    trained on this mean learns the same function as from single paths, but with less noise:

        z = mean + s noise,  mean = t mu,  s^2 = (1 - t)^2 + (t sigma)^2
        velocity = d mean / dt + ds / dt noise

    Source: Lipman et al. 2023, theorem 3.

    Args:
        mu: Means of posteriors, float [N, L].
        sigma: Their standard deviations, float [N, L].
        t: Times in [0, 1], float [N, 1].
        noise: Standard normal, float [N, L].

    Returns:
        The points and the velocities, float [N, L].

    Example:
        ```python
        z, velocities = on_paths(np.ones((1, 2)), np.ones((1, 2)), np.ones((1, 1)), np.ones((1, 2)))
        ```
    """
    s = np.sqrt((1 - t) ** 2 + (t * sigma) ** 2)
    # At t = 1 and sigma = 0, s is 0. All paths arrive at this latent with velocity mu.
    ds = (t * sigma**2 - (1 - t)) / np.where(s > 0, s, 1)
    return t * mu + s * noise, mu + ds * noise
