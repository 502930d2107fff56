"""Warn if training starts from a gamma that is far too low for its data."""

import warnings

import keras

from balancing_vae.balancing.computed import ComputedGamma

# Between two batches of the same data the error differs by much less.
FAR = 4.0


class WarnOfLowGamma(keras.callbacks.Callback):
    """Warns where the first error of a training is far above what gamma stands for.

    Computed gamma never rises: weights that were trained on other data keep the gamma of
    those, and the loss stays out of balance. Only the first step's value is read.

    Example:
        ```python
        vae.fit(x, callbacks=[WarnOfLowGamma()])
        ```
    """

    # It only reads: Keras may call it while the next step runs.
    async_safe = True

    def on_train_begin(self, logs=None):
        """Look at the first batch of this training."""
        self.looked = False

    def on_epoch_begin(self, epoch, logs=None):
        """Read the rate, which another callback may have set to 0, while it can be read.

        Within an epoch JAX has the weights' values elsewhere.
        """
        balancing = self.model.balancing
        if not isinstance(balancing, ComputedGamma) or not balancing.trainable:
            self.looked = True
        elif not self.looked:
            # With rate 0 gamma is frozen on purpose.
            self.looked = float(keras.ops.convert_to_numpy(balancing.rate)) == 0

    def on_train_batch_end(self, batch, logs=None):
        """Compare the first batch's error with gamma."""
        if self.looked:
            return
        self.looked = True
        mse, gamma = float(logs["mse"]), float(logs["gamma"])
        # Computed gamma starts from 1: where even that is too low, the data are not others.
        if min(mse, 1.0) > FAR * gamma**2:
            warnings.warn(
                f"The first error, {mse**0.5:.3g}, is far above gamma, {gamma:.3g}, which never "
                "rises: the weights were trained on other data. Call TwoStageVAE.measure_gamma(x) "
                f"first, or fit with GammaBalancing(gamma={mse**0.5:.3g}).",
                stacklevel=2,
            )
