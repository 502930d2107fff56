"""Warn if training starts from a gamma that is far too low for its data."""

import warnings

import keras

from balancing_vae.balancing.computed import ComputedGamma

# The errors of two batches of the same data differ by a much smaller factor.
FAR = 4.0


class WarnOfLowGamma(keras.callbacks.Callback):
    """Warns if the first error of a training is far above gamma squared.

    Computed gamma never rises. Weights that were trained on other data keep the gamma of those
    data, and the loss stays unbalanced. Only the first step's values are read.

    Example:
        ```python
        vae.fit(x, callbacks=[WarnOfLowGamma()])
        ```
    """

    # Keras may call it while the next step runs, because it only reads.
    async_safe = True

    def on_train_begin(self, logs=None):
        """Mark the first batch of this training as not checked yet."""
        self.looked = False

    def on_epoch_begin(self, epoch, logs=None):
        """Read the rate, which another callback may have set to 0.

        It must be read here, because within an epoch JAX keeps the weights' values elsewhere.
        """
        balancing = self.model.balancing
        if not isinstance(balancing, ComputedGamma) or not balancing.trainable:
            self.looked = True
        elif not self.looked:
            # With rate 0, gamma is frozen on purpose, and no warning is needed.
            self.looked = float(keras.ops.convert_to_numpy(balancing.rate)) == 0

    def on_train_batch_end(self, batch, logs=None):
        """Compare the first batch's error with gamma."""
        if self.looked:
            return
        self.looked = True
        mse, gamma = float(logs["mse"]), float(logs["gamma"])
        # Computed gamma starts at 1, so a larger error does not indicate other data.
        if min(mse, 1.0) > FAR * gamma**2:
            warnings.warn(
                f"The first error, {mse**0.5:.3g}, is far above gamma, {gamma:.3g}, which never "
                "rises: the weights were trained on other data. Call TwoStageVAE.measure_gamma(x) "
                f"first, or fit with GammaBalancing(gamma={mse**0.5:.3g}).",
                stacklevel=2,
            )
