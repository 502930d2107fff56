"""The user's control of computed gamma."""

import keras

from balancing_vae.balancing import ComputedGamma
from balancing_vae.errors import InputError


class GammaBalancing(keras.callbacks.Callback):
    """Seeds or freezes a VAE's computed gamma for one `fit`.

    `fit` balances without any callback, because the rule runs inside the compiled step. This
    callback writes the weights that the step reads, so it also works if the step was compiled
    before. It restores the rate when training ends. `gamma` and `mse` are in the logs (progress
    bar, History, CSVLogger) with or without it.

    Args:
        gamma: Gamma to start from, positive; None leaves it unchanged (1 in a new model).
        rate: Weight of the newest batch in the running mean squared error, in [0, 1];
            0 freezes gamma; None leaves it unchanged (0.01).

    Raises:
        ValueError: `gamma` or `rate` is out of range, or the model does not compute gamma.

    Example:
        ```python
        vae.stage1.fit(x, epochs=5, callbacks=[GammaBalancing(gamma=0.2)])
        vae.stage1.fit(x, epochs=5, callbacks=[GammaBalancing(rate=0)])    # frozen
        ```
    """

    def __init__(self, gamma: float | None = None, rate: float | None = None):
        super().__init__()
        if gamma is not None and not gamma > 0:
            raise InputError(f"gamma must be positive, got {gamma}.")
        if rate is not None and not 0 <= rate <= 1:
            raise InputError(f"rate must lie in [0, 1], got {rate}.")
        self.gamma = gamma
        self.rate = rate

    def on_train_begin(self, logs=None):
        """Write gamma and the rate into the strategy's weights."""
        balancing = getattr(self.model, "balancing", None)
        if not isinstance(balancing, ComputedGamma):
            raise InputError(
                "GammaBalancing needs a VAE whose balancing is ComputedGamma, got "
                f"{type(balancing).__name__}; leave the callback out."
            )
        if self.gamma is not None:
            balancing.running_mse.assign(self.gamma**2)
        if self.rate is not None:
            balancing.rate.assign(self.rate)

    def on_train_end(self, logs=None):
        """Restore the rate."""
        if self.rate is not None:
            self.model.balancing.restore_rate()
