"""The moments of what a pipeline reconstructs and generates, beside the data's."""

from dataclasses import dataclass

import numpy as np

from balancing_vae import moments
from balancing_vae.checks import as_float
from balancing_vae.figures.tables import html_table
from balancing_vae.normalization import NOTHING_RESCALED


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: "REC", "GEN-1" or "GEN-2".
        normalized: Whether the normalisation was applied.
        mse: Mean squared error to the data; None for generated images.
        variance_loss: Variance over the data that is lacking, averaged over pixels.
        std: Standard deviation over the images, averaged over pixels.
        data_std: The same of the data.
    """

    name: str
    normalized: bool
    mse: float | None
    variance_loss: float
    std: float
    data_std: float


@dataclass(frozen=True, repr=False)
class Evaluation:
    """What `TwoStageVAE.evaluate` measures.

    Attributes:
        rows: REC, GEN-1 and GEN-2, each without and with normalisation.
        variance_law: Mean over latents of Var(mu) + E[sigma^2], expected to be 1.
        variance_law_reference: The original program's form, with E[sigma].
        inactive_latents: How many latents carry no information.
        latent_dim: Number of latents.
        rescaled: Whether latent normalisation does anything: in mode "reference" the
            original's gate may be shut.
    """

    rows: list[Row]
    variance_law: float
    variance_law_reference: float
    inactive_latents: int
    latent_dim: int
    rescaled: bool

    def __str__(self) -> str:
        lines = [f"{'':18}{'mse':>10}{'variance loss':>16}{'mean std':>11}{'of the data':>13}"]
        for row in self.rows:
            name = f"{row.name} {'normalised' if row.normalized else 'plain'}"
            error = "" if row.mse is None else f"{row.mse:.5f}"
            lines.append(
                f"{name:18}{error:>10}{row.variance_loss:16.5f}{row.std:11.4f}{row.data_std:13.4f}"
            )
        return "\n".join([*lines, *self._remarks()])

    def __repr__(self) -> str:  # what a console shows
        return str(self)

    def _repr_html_(self) -> str:
        rows = [
            {
                "images": f"{row.name} {'normalised' if row.normalized else 'plain'}",
                "mse": row.mse,
                "variance loss": row.variance_loss,
                "mean std": row.std,
                "of the data": row.data_std,
            }
            for row in self.rows
        ]
        return html_table(rows, *self._remarks())

    def _remarks(self) -> list[str]:
        lines = [
            f"variance law {self.variance_law:.4f} (expected 1; the original program's form "
            f"{self.variance_law_reference:.4f})",
            f"inactive latents {self.inactive_latents} of {self.latent_dim}",
        ]
        if not self.rescaled:
            lines.append(NOTHING_RESCALED)
        return lines


def evaluate(vae, x: np.ndarray, seed: int = 0) -> Evaluation:
    """Measure reconstructions of `x`, and as many samples of either stage.

    Args:
        vae: A `TwoStageVAE` whose normalisation is fitted.
        x: Real images, integers in 0..255 or floats in [0, 1], [N, D, D, C].
        seed: Seed of the posterior's and the prior's noise.

    Returns:
        The table and what belongs to it.

    Raises:
        ValueError: The images do not fit the model, or the normalisation is not fitted.

    Example:
        ```python
        print(evaluate(vae, x_test))
        ```
    """
    data = as_float(x)
    data_std = moments.mean_std(data)
    rows = []
    for name in ("REC", "GEN-1", "GEN-2"):
        for normalized in (False, True):
            if name == "REC":
                images = vae.reconstruct(x, normalize=normalized, seed=seed, keep_padding=True)
            else:
                stage = int(name[-1])
                images = vae.generate(
                    len(x), stage, normalize=normalized, seed=seed, keep_padding=True
                )
            rows.append(
                Row(
                    name,
                    normalized,
                    moments.mse(data, images) if name == "REC" else None,
                    moments.variance_loss(data, images),
                    moments.mean_std(images),
                    data_std,
                )
            )
    mu, sigma = vae.encode(x)
    return Evaluation(
        rows,
        float(moments.variance_law(mu, sigma, "paper").mean()),
        float(moments.variance_law(mu, sigma, "reference").mean()),
        int(moments.inactive_latents(sigma).sum()),
        mu.shape[1],
        vae.latent_normalization.gate_open,
    )
