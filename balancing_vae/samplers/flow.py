"""A flow from noise to latents, trained by conditional flow matching."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Annotated

import numpy as np

from balancing_vae.backend.batches import map_batches
from balancing_vae.errors import InputError
from balancing_vae.samplers.covariance import NO_DENSITY
from balancing_vae.samplers.ode import SOLVERS
from balancing_vae.samplers.ode import integrate
from balancing_vae.samplers.prior import Prior
from balancing_vae.samplers.sampler import Sampler
from balancing_vae.samplers.sampler import check_latents
from balancing_vae.samplers.sampler import check_points
from balancing_vae.samplers.sampler import check_shapes
from balancing_vae.schema import one_of
from balancing_vae.schema import whole

# Keras is imported where it is needed, because commands that compute nothing also import the
# samplers.
if TYPE_CHECKING:
    from balancing_vae.samplers.velocity import Velocity

# A small number, because the last batch is filled up, so a few samples take as long as a batch.
SOLVED_TOGETHER = 256

Size = Annotated[int, whole(above=0)]
Solver = Annotated[str, one_of(*SOLVERS)]


@dataclass(frozen=True, eq=False)
class Flow(Sampler):
    """z = mean + scale y(1), where dy/dt = velocity(y, t) and y(0) = noise.

    The network is trained on straight paths, `y(t) = (1 - t) noise + t latent`, to predict the
    mean of their velocities, `latent - noise`. Sources: Lipman et al. 2023, "Flow Matching for
    Generative Modeling"; Liu et al. 2023, "Flow Straight and Fast".

    Attributes:
        mean: Mean of the latents, float32 [L].
        scale: Standard deviations of the latents, float32 [L].
        velocity: The network that predicts the velocity.
        solver: "euler", "midpoint" or "rk4".
        solver_steps: Steps of the solver between noise and latents.

    Example:
        ```python
        flow = Flow.fit(mu, sigma=sigma)
        z = flow.sample(100, seed=0)
        ```
    """

    mean: np.ndarray
    scale: np.ndarray
    velocity: "Velocity"
    solver: str
    solver_steps: int

    @classmethod
    def fit(
        cls,
        z: np.ndarray,
        seed: int = 0,
        sigma: np.ndarray | None = None,
        width: Size = 512,
        training_steps: Size = 8000,
        solver: Solver = "midpoint",
        solver_steps: Size = 10,
        unfinished: str | Path | None = None,
    ) -> "Flow":
        """Train the network on new draws from the posteriors in each step.

        The optimizer is Adam, with a learning rate that decreases along a cosine. The fitted
        weights are an average over the last steps.

        Args:
            z: Latents, or the posteriors' means, float [N, L], N > L.
            seed: Seed of the network's initial weights and of all draws.
            sigma: The posteriors' standard deviations, float [N, L].
            width: Units of each hidden layer.
            training_steps: Number of training steps, with 1,024 draws each.
            solver: "euler", "midpoint" or "rk4", of order 1, 2 and 4.
            solver_steps: Steps of the solver between noise and latents.
            unfinished: An `.npz` file that the state of the training is saved in, at most once a
                minute. If the training is interrupted, a later call with the same arguments
                resumes it. The file is removed at the end.

        Returns:
            The fitted flow.

        Raises:
            FileExistsError: `unfinished` is a file of another kind.
            ValueError: Some latents are NaN, there are not more points than dimensions, or the
                file of the unfinished training is damaged.

        Example:
            ```python
            flow = Flow.fit(mu, sigma=sigma, width=256)
            ```
        """
        from balancing_vae.samplers.flow_matching import train_velocity

        mu = check_latents(z)
        sigma = np.zeros_like(mu) if sigma is None else check_latents(sigma)
        mean = mu.mean(axis=0)
        scale = np.sqrt(mu.var(axis=0) + np.mean(sigma**2, axis=0))
        varies = scale > np.finfo(np.float32).eps * np.maximum(1, np.abs(mean))
        scale = np.where(varies, scale, 0.0)
        # A latent that does not vary is replaced by noise in training, and is multiplied by 0
        # when the flow is sampled.
        divisor = np.where(varies, scale, 1.0)
        sigma = np.where(varies, sigma, 1.0) / divisor
        velocity = train_velocity(
            (mu - mean) / divisor, sigma, seed, width, training_steps, unfinished
        )
        return cls(
            mean.astype(np.float32), scale.astype(np.float32), velocity, solver, solver_steps
        )

    @property
    def latent_dim(self) -> int:
        """Number of latents."""
        return len(self.mean)

    def sample(self, n: int, seed: int = 0, noise: np.ndarray | None = None) -> np.ndarray:
        """Draw latents; see `Sampler.sample`."""
        noise = Prior(self.latent_dim).sample(n, seed, noise)

        def velocity(y: np.ndarray, t: float) -> np.ndarray:
            return self.velocity.predict_on_batch((y, _times(y, t)))

        y = map_batches(lambda y: self._solve(velocity, y, 0.0, 1.0), SOLVED_TOGETHER, noise)
        return self.mean + self.scale * y

    def log_density(self, z: np.ndarray) -> np.ndarray:
        """Return the logarithm of the density; see `Sampler.log_density`.

        It uses the change of variables along the path from a latent back to its noise,
        `d log p / dt = -div velocity`, with the exact divergence. One point therefore takes as
        long as L samples. Source: Chen et al. 2018, "Neural Ordinary Differential Equations".
        """
        from balancing_vae.samplers.velocity import VelocityAndDivergence

        z = check_points(z, self.latent_dim)
        if not self.scale.all():
            raise InputError(NO_DENSITY)
        y = ((z - self.mean) / self.scale).astype(np.float32)
        model = VelocityAndDivergence(self.velocity)

        def derivative(state: np.ndarray, t: float) -> np.ndarray:
            return np.hstack(model.predict_on_batch((state[:, :-1], _times(state, t))))

        start = np.hstack([y, np.zeros((len(y), 1), np.float32)])
        end = map_batches(lambda y: self._solve(derivative, y, 1.0, 0.0), SOLVED_TOGETHER, start)
        # The divergence is integrated back in time, so its integral already has a minus sign.
        volume = end[:, -1] - np.log(self.scale.astype(np.float64)).sum()
        return Prior(self.latent_dim).log_density(end[:, :-1]) + volume

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return mean, scale, solver and the network's weights."""
        own = {name: getattr(self, name) for name in ("mean", "scale", "solver", "solver_steps")}
        return {name: np.asarray(value) for name, value in own.items()} | self.velocity.to_arrays()

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Flow":
        """Make the flow from the arrays that `to_arrays` returned; see `Sampler.from_arrays`."""
        from balancing_vae.samplers.velocity import Velocity
        from balancing_vae.samplers.velocity import weight_shapes

        latent_dim = max(1, np.size(arrays.get("mean", 0)))
        width = max(1, np.size(arrays.get("enter_bias", 0)))
        shapes: dict[str, tuple[int, ...]] = {"mean": (latent_dim,), "scale": (latent_dim,)}
        shapes |= weight_shapes(latent_dim, width)
        names = {*shapes, "solver", "solver_steps"}
        if set(arrays) != names:
            raise InputError(f"Expected the arrays {sorted(names)}, got {sorted(arrays)}.")
        # Checked before the network is built, so that a damaged file cannot demand a network that
        # is larger than its arrays.
        check_shapes(**{name: (arrays[name], shape) for name, shape in shapes.items()})
        if (arrays["scale"] < 0).any():
            raise InputError("scale must not be negative.")
        solver, steps = arrays["solver"].item(), arrays["solver_steps"].item()
        one_of(*SOLVERS)(solver, "solver")
        whole(above=0)(steps, "solver_steps")
        velocity = Velocity(latent_dim, width)
        velocity.assign(arrays)
        return cls(arrays["mean"], arrays["scale"], velocity, solver, steps)

    def _solve(self, derivative: Callable, y: np.ndarray, start: float, end: float) -> np.ndarray:
        return integrate(derivative, y, start, end, self.solver, self.solver_steps)


def _times(y: np.ndarray, t: float) -> np.ndarray:
    return np.full((len(y), 1), t, np.float32)
