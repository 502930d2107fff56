"""What a comparison consists of: named differences, and what is allowed."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Row:
    """One compared quantity: its largest difference and what is allowed, None if nothing is."""

    name: str
    difference: float
    allowed: float | None

    @property
    def exceeds(self) -> bool:
        """Whether the difference is too large; one that is no number is."""
        return self.allowed is not None and not self.difference <= self.allowed

    def __str__(self) -> str:
        if self.allowed is None:
            return f"{self.name:44} {self.difference:10.2e}              not judged"
        verdict = "EXCEEDS" if self.exceeds else "ok"
        return f"{self.name:44} {self.difference:10.2e}  <= {self.allowed:7.0e}  {verdict}"


def difference(a, b, floor: float = 1.0) -> float:
    """Return max|a - b| / max(floor, max|b|); NaN where the shapes differ."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        return float("nan")
    return float(np.max(np.abs(a - b)) / max(floor, np.max(np.abs(b))))
