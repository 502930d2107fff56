"""The history of a training as rows, columns, a table and curves."""

import math
from typing import TYPE_CHECKING

from balancing_vae.errors import InputError
from balancing_vae.errors import MissingPackageError
from balancing_vae.figures.tables import Table
from balancing_vae.figures.training_curves import CURVES
from balancing_vae.figures.training_curves import draw_training_curves
from balancing_vae.figures.training_curves import training_curves

if TYPE_CHECKING:
    from balancing_vae.figures.style import Figure


class History(list):
    """The rows of all epochs, a list of dicts with `stage`, `epoch` (from 1) and the logs.

    Attributes:
        history: The same data by columns, as in Keras's `History`. A value that an epoch lacks
            is NaN, because the stages log different values.

    Example:
        ```python
        history = vae.fit(x_train)
        history.of_stage(1).history["mse"]
        history.plot().savefig("curves.png")
        ```
    """

    @property
    def history(self) -> dict[str, list]:
        """Values by name, one per epoch."""
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
                "use `history`, a dict of columns."
            ) from error
        return pandas.DataFrame(self.history)

    def plot(self) -> "Figure":
        """Return the curves of loss, kl, mse and gamma, a row of panels for each stage.

        Raises:
            ValueError: There is no epoch yet.
        """
        if not self:
            raise InputError("There is no epoch to plot yet; call fit(x) first.")
        return draw_training_curves(training_curves(self))

    def _repr_html_(self) -> str:
        rows = []
        for number in sorted({row["stage"] for row in self}):
            own = self.of_stage(number)
            shown = (*CURVES, *(f"val_{name}" for name in CURVES))
            last = {name: own[-1].get(name) for name in shown}
            rows.append({"stage": number, "epochs": len(own), **last})
        used = {name for row in rows for name, value in row.items() if value is not None}
        rows = [{name: value for name, value in row.items() if name in used} for row in rows]
        return Table.of(rows, "Values of the last epoch." if rows else "No epoch yet.").html()

    def __repr__(self) -> str:
        stages = []
        for number in sorted({row["stage"] for row in self}):
            rows = self.of_stage(number)
            last = ", ".join(f"{k} {rows[-1][k]:.4g}" for k in ("loss", "mse") if k in rows[-1])
            stages.append(f"stage {number}: {len(rows)} epochs, last {last}")
        return f"History({'; '.join(stages) or 'no epoch yet'})"
