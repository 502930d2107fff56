"""The variance law for each latent and epoch."""

import keras
import numpy as np

from balancing_vae.backend.batches import map_batches
from balancing_vae.checks import as_float
from balancing_vae.figures.style import Figure
from balancing_vae.figures.style import colors
from balancing_vae.figures.style import style
from balancing_vae.moments import inactive_latents


class VarianceLawHistory(keras.callbacks.Callback):
    """Records the moments of a first stage's posterior before training and after each epoch.

    The law says E[mu^2] + E[sigma^2] = 1 for each latent, with E[mu] = 0. Source: Asperti
    2020, equation 4.

    Args:
        x: Images, uint8 or float in [0, 1], [N, D, D, C].
        batch_size: Images encoded at a time.

    Attributes:
        moments: After a training: `mean_mu`, `var_mu` and `mean_var` (E[sigma^2]), float64
            [epochs + 1, L], and `inactive`, bool [epochs + 1, L].

    Example:
        ```python
        law = VarianceLawHistory(x_test)
        vae.stage1.fit(x_train, epochs=20, callbacks=[law])
        draw_variance_law(law.moments).savefig("law.png")
        ```
    """

    def __init__(self, x: np.ndarray, batch_size: int = 256):
        super().__init__()
        self.x = as_float(x)
        self.batch_size = min(batch_size, len(x))
        self.moments: dict[str, np.ndarray] = {}

    def on_train_begin(self, logs=None):
        """Record the moments before training."""
        self.moments = {}
        self._record()

    def on_epoch_end(self, epoch, logs=None):
        """Record the moments after an epoch."""
        self._record()

    def _record(self):
        mu, log_sigma = map_batches(self.model.encoder.predict_on_batch, self.batch_size, self.x)
        mu, sigma = mu.astype(np.float64), np.exp(log_sigma.astype(np.float64))
        row = {
            "mean_mu": mu.mean(axis=0),
            "var_mu": mu.var(axis=0),
            "mean_var": np.mean(sigma**2, axis=0),
            "inactive": inactive_latents(sigma),
        }
        for name, values in row.items():
            before = self.moments.get(name, np.empty((0, len(values)), values.dtype))
            self.moments[name] = np.concatenate([before, values[None]])


def draw_variance_law(moments: dict[str, np.ndarray]) -> Figure:
    """Draw E[mu] and the sum of both terms over training, and each latent's terms after training.

    Args:
        moments: `VarianceLawHistory.moments`.

    Returns:
        The figure; inactive latents have dashed lines and hatched bars.
    """
    law = moments["var_mu"] + moments["mean_mu"] ** 2 + moments["mean_var"]
    inactive = moments["inactive"][-1]
    # Active latents first, the most informative ones before the others.
    order = np.lexsort((moments["mean_var"][-1], inactive))
    blue, red, *_ = colors()
    with style():
        figure = Figure(figsize=(14, 3.6))
        mean, left, right = figure.subplots(1, 3)
        for latent in order:
            dashed = bool(inactive[latent])
            for axis, values in ((mean, moments["mean_mu"]), (left, law)):
                axis.plot(
                    values[:, latent],
                    color=red if dashed else blue,
                    linestyle="--" if dashed else "-",
                    linewidth=1.0,
                    alpha=0.6,
                )
        mean.axhline(0, color="0.5", linestyle=":")
        mean.set_xlabel("epoch")
        mean.set_ylabel("E[mu]")
        mean.set_title("over training (dashed: inactive in the end)")
        left.plot(law.mean(axis=1), color="black", linewidth=2, label="mean over latents")
        left.axhline(1, color="0.5", linestyle=":")
        left.set_xlabel("epoch")
        left.set_ylabel("E[mu²] + E[sigma²]")
        left.set_ylim(0, max(2.0, law[1:].max() * 1.05))
        left.set_title("over training")
        left.legend()
        last = {name: values[-1][order] for name, values in moments.items()}
        place = np.arange(len(order))
        hatches = ["///" if idle else "" for idle in last["inactive"]]
        right.bar(
            place, last["mean_var"], color=red, hatch=hatches, edgecolor="white", label="E[sigma²]"
        )
        square = last["var_mu"] + last["mean_mu"] ** 2
        right.bar(place, square, bottom=last["mean_var"], color=blue, label="E[mu²]")
        right.axhline(1, color="0.5", linestyle=":")
        right.set_xlabel("latent, most active first")
        right.set_ylabel("share of the law")
        right.set_title(f"after training ({inactive.sum()} of {len(order)} inactive, hatched)")
        # Leave room for the legend above the highest bar.
        right.set_ylim(0, 1.15 * max(1.25, (square + last["mean_var"]).max()))
        right.legend(loc="upper center", ncols=2)
    return figure
