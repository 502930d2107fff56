"""Moments of reconstructed and generated images, next to those of the data."""

from dataclasses import dataclass

import numpy as np

from balancing_vae import moments
from balancing_vae.checks import as_float
from balancing_vae.config import SECOND_STAGE
from balancing_vae.evaluation.columns import two_stage_columns
from balancing_vae.evaluation.measurement import DATA
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.measuring import MOMENTS
from balancing_vae.evaluation.measuring import evaluate
from balancing_vae.fid.metrics import METRICS
from balancing_vae.figures.tables import Table


@dataclass(frozen=True, repr=False)
class Evaluation:
    """The result of `TwoStageVAE.evaluate`.

    Attributes:
        measurements: The moments of REC, GEN-1 and GEN-2, each without and with
            normalisation, and of the data.
        variance_law: Mean over latents of Var(mu) + E[sigma^2], expected to be 1.
        variance_law_reference: The original program's form, with E[sigma].
        inactive_latents: Number of latents that carry no information.
        latent_dim: Number of latents.
        left_alone: The reason why normalisation does not rescale the second stage's samples;
            None if it does.
    """

    measurements: list[Measurement]
    variance_law: float
    variance_law_reference: float
    inactive_latents: int
    latent_dim: int
    left_alone: str | None

    def value(self, column: str, metric: str, normalized: bool = False) -> float | None:
        """Return one of the numbers; None if it was not measured.

        Args:
            column: "REC", "GEN-1", "GEN-2" or "data".
            metric: "mse", "variance_loss" or "mean_std".
            normalized: Whether the normalisation was applied.

        Example:
            ```python
            vae.evaluate(x_test).value("GEN-2", "variance_loss", normalized=True)
            ```
        """
        wanted = (column, metric, normalized)
        for one in self.measurements:
            if (one.column, one.metric, one.normalization is not None) == wanted:
                return one.value
        return None

    def table(self) -> Table:
        """Return the numbers, with one line for each kind of image, and a note."""
        columns = dict.fromkeys(m.column for m in self.measurements if m.column != DATA)
        titles = [METRICS[name].title for name in MOMENTS]
        of_data = self.value(DATA, "mean_std")
        lines = [
            [
                f"{column} {'normalised' if normalized else 'plain'}",
                *(self.value(column, name, normalized) for name in MOMENTS),
                of_data,
            ]
            for column in columns
            for normalized in (False, True)
        ]
        note = (
            f"variance law {self.variance_law:.4f} (expected 1; the original program's form "
            f"{self.variance_law_reference:.4f})\n"
            f"inactive latents {self.inactive_latents} of {self.latent_dim}"
        )
        if self.left_alone is not None:
            note += f"\n{self.left_alone}"
        return Table(["", *titles, "of the data"], lines, note)

    def __str__(self) -> str:
        return self.table().text()

    def __repr__(self) -> str:  # what a console shows
        return str(self)

    def _repr_html_(self) -> str:
        return self.table().html()


def evaluate_moments(vae, x: np.ndarray, seed: int = 0) -> Evaluation:
    """Measure reconstructions of `x`, and as many samples of each stage.

    Args:
        vae: A `TwoStageVAE` whose normalisation is fitted.
        x: Real images, integers in 0..255 or floats in [0, 1], [N, D, D, C].
        seed: Seed of the posterior's and the prior's noise.

    Returns:
        The measured numbers.

    Raises:
        ValueError: The images do not match the model, or the normalisation is not fitted.

    Example:
        ```python
        print(evaluate_moments(vae, x_test))
        ```
    """
    mu, sigma = vae.encode(x)
    columns = two_stage_columns(vae, x, posterior=(mu, sigma))
    return Evaluation(
        evaluate(columns, as_float(x), seeds=[seed], metrics=MOMENTS),
        float(moments.variance_law(mu, sigma).mean()),
        float(moments.variance_law(mu, sigma, "sigma").mean()),
        int(moments.inactive_latents(sigma).sum()),
        mu.shape[1],
        vae.latent_normalization.left_alone(SECOND_STAGE),
    )
