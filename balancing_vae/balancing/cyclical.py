"""Cyclical beta: repeat the warm-up of the KL weight several times."""

import keras
from keras import ops

from balancing_vae.balancing.scheduled import ScheduledBeta
from balancing_vae.errors import InputError


@keras.saving.register_keras_serializable("balancing_vae")
class CyclicalBeta(ScheduledBeta):
    """A weight of KL that rises from 0 to beta in each of several cycles, with gamma 1.

        tau = (t mod (steps / cycles)) / (steps / cycles),    in step t (from 0) < steps
        weight of KL = beta min(1, tau / rise);    beta from step `steps` on

    Each cycle starts from the latents that the previous cycle has learned. Source: Fu et al.
    2019, *Cyclical Annealing Schedule: A Simple Approach to Mitigating KL Vanishing*, equations
    6 and 7; their training ends with the last cycle.

    Args:
        beta: The weight at the end of each cycle, positive.
        steps: Training steps (batches) of all cycles together, at least 1.
        cycles: Number of cycles, at least 1.
        rise: Fraction of each cycle in which the weight rises, in (0, 1].
        **kwargs: Arguments of every Keras layer.

    Raises:
        ValueError: An argument is out of range.

    Example:
        ```python
        vae = VAE(encoder, decoder, balancing=CyclicalBeta(beta=1.0, steps=40_000, cycles=4))
        ```
    """

    def __init__(
        self,
        beta: float = 1.0,
        steps: int = 10_000,
        cycles: int = 4,
        rise: float = 0.5,
        **kwargs,
    ):
        super().__init__(beta, steps, **kwargs)
        if cycles < 1:
            raise InputError(f"cycles must be at least 1, got {cycles}.")
        if not 0 < rise <= 1:
            raise InputError(f"rise must lie in (0, 1], got {rise}.")
        self.cycles = cycles
        self.rise = rise

    @property
    def kl_factor(self):
        """Float32 scalar tensor in [0, 1]: the current weight divided by beta."""
        # On whole numbers, so that rounding cannot shift the start of a cycle.
        done = ops.mod(ops.convert_to_tensor(self.step) * self.cycles, float(self.steps))
        within = ops.minimum(done / (self.rise * self.steps), 1.0)
        return ops.where(self.progress < 1.0, within, 1.0)

    def get_config(self):
        """Return the arguments from which the strategy can be rebuilt."""
        return {**super().get_config(), "cycles": self.cycles, "rise": self.rise}
