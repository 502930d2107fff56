"""What happened in each epoch: rows, columns, a table, curves."""

import math

from matplotlib.figure import Figure

from balancing_vae.errors import MissingPackageError
from balancing_vae.pipeline.training_curves import draw_training_curves
from balancing_vae.pipeline.training_curves import training_curves


class History(list):
    """The rows of all epochs, a list of dicts with `stage`, `epoch` (from 1) and the logs.

    Attributes:
        history: The same by columns, as Keras's `History` has it, with NaN where an epoch
            has no such value: the stages differ in what they log.

    Example:
        ```python
        history = vae.fit(x_train)
        history.of_stage(1).history["mse"]
        history.plot().savefig("curves.png")
        ```
    """

    @property
    def history(self) -> dict[str, list]:
        """Values by name, one for each epoch."""
        names = dict.fromkeys(name for row in self for name in row)
        return {name: [row.get(name, math.nan) for row in self] for name in names}

    def of_stage(self, number: int) -> "History":
        """Return the rows of stage 1 or 2."""
        return History(row for row in self if row["stage"] == number)

    def to_dataframe(self):
        """Return a `pandas.DataFrame`, one row for each epoch.

        Raises:
            ImportError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise MissingPackageError(
                "A data frame needs pandas, which is not installed: run `pip install pandas`, or "
                "take `history`, a dict of columns."
            ) from error
        return pandas.DataFrame(self.history)

    def plot(self) -> Figure:
        """Return the curves of loss, kl, mse and gamma, a row of panels for each stage."""
        return draw_training_curves(training_curves(self))

    def __repr__(self) -> str:
        stages = []
        for number in sorted({row["stage"] for row in self}):
            rows = self.of_stage(number)
            last = ", ".join(f"{k} {rows[-1][k]:.4g}" for k in ("loss", "mse") if k in rows[-1])
            stages.append(f"stage {number}: {len(rows)} epochs, last {last}")
        return f"History({'; '.join(stages) or 'no epoch yet'})"
