"""The interface of a metric: one number from two sides, and what it needs of them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from typing import Literal
from typing import NamedTuple

from balancing_vae.fid.features import distance_name

# What a metric is computed from, on both sides:
# - statistics: mean and covariance of features, `Statistics`;
# - features: `Features`;
# - images: arrays [n, h, w] or [n, h, w, c], integers in 0..255 or floats in [0, 1];
# - pairs: such images, the second side's each a reconstruction of the first's in its place.
Need = Literal["statistics", "features", "images", "pairs"]


class Estimate(NamedTuple):
    """A metric's value, and how far it may be off.

    Attributes:
        value: The number.
        deviation: Its standard deviation over random subsets; None where nothing is drawn.
    """

    value: float
    deviation: float | None = None


@dataclass(frozen=True)
class Metric:
    """A number that compares generated with real images.

    Attributes:
        name: What it is chosen by.
        title: Its name in tables; of a metric of features, with those of Inception.
        needs: What it is computed from.
        better: Which values are better: `smaller` ones, `larger` ones, those nearer to
            `zero`, or those nearer to the value of the real `data`.
        compute: From both sides, real and generated, to the value.
        short_title: Of a metric of features, its name in tables before other features.

    Example:
        ```python
        METRICS["fid"](Statistics.load("real.npz"), Statistics.load("generated.npz")).value
        ```
    """

    name: str
    title: str
    needs: Need
    better: Literal["smaller", "larger", "zero", "data"]
    compute: Callable[[Any, Any], float | Estimate]
    short_title: str = ""

    def __call__(self, real: Any, generated: Any) -> Estimate:
        """Return the value.

        Args:
            real: The real side, as `needs` says.
            generated: The generated side, likewise.

        Raises:
            ValueError: There are too few images, or the sides do not fit each other.
        """
        value = self.compute(real, generated)
        return value if isinstance(value, Estimate) else Estimate(float(value))

    @property
    def needs_features(self) -> bool:
        """Whether the number depends on a feature network and a protocol."""
        return self.needs in ("statistics", "features")

    def name_in_tables(self, features: str | None = None) -> str:
        """Return what to print beside the number: FID only with Inception's features.

        Args:
            features: The features' name; None where unknown, and for a metric of images.

        Returns:
            For example `FID`, `FD(pixels)`, `KD(pixels)`, `mse`.
        """
        if not self.needs_features:
            return self.title
        return distance_name(features, self.title, self.short_title or self.title)

    def badness(self, value: float, data_value: float = 0.0) -> float:
        """Return a number that is smaller where the value is better.

        Nothing is better than 0 where smaller values are: an unbiased estimate of a distance
        may be negative, and then tells only that it does not differ from 0.

        Args:
            value: The metric's value.
            data_value: Its value of the real data against themselves; only what is better
                nearer to the `data` needs it.

        Returns:
            The value, or what makes "better" mean "smaller".

        Example:
            ```python
            METRICS["precision"].badness(0.9) < METRICS["precision"].badness(0.5)  # True
            ```
        """
        if self.better == "smaller":
            return max(value, 0.0)
        if self.better == "larger":
            return -value
        return abs(value - (data_value if self.better == "data" else 0.0))
