"""Rows of a comparison: named differences and their bounds."""

import json
from collections.abc import Callable
from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import replace
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Row:
    """One compared quantity: its largest difference and its bound; None means it is not judged."""

    name: str
    difference: float
    allowed: float | None

    @property
    def exceeds(self) -> bool:
        """Whether the difference is too large; NaN counts as too large."""
        return self.allowed is not None and not self.difference <= self.allowed

    def __str__(self) -> str:
        if self.allowed is None:
            return f"{self.name:44} {self.difference:10.2e}              not judged"
        verdict = "EXCEEDS" if self.exceeds else "ok"
        return f"{self.name:44} {self.difference:10.2e}  <= {self.allowed:7.0e}  {verdict}"


def difference(a, b, floor: float = 1.0) -> float:
    """Return max|a - b| / max(floor, max|b|); NaN if the shapes differ."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    if a.shape != b.shape:
        return float("nan")
    return float(np.max(np.abs(a - b)) / max(floor, np.max(np.abs(b))))


def relative(ours, theirs) -> float:
    """Return the largest relative difference, element by element."""
    return float(np.max(np.abs(ours / theirs - 1)))


def check_networks(folder: Path, parts: Iterable[Callable[[dict, dict], list[Row]]]) -> list[Row]:
    """Compare every quantity of every network of a folder.

    Args:
        folder: The folder; it has NAME.json and NAME.npz for each network.
        parts: Functions that compare some quantities, given description and recorded arrays.

    Returns:
        One row per quantity, with the network's name before its own.
    """
    rows = []
    for path in sorted(folder.glob("*.json")):
        description = json.loads(path.read_text("utf-8"))
        with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
            golden = {name: file[name] for name in file.files}
        rows += [
            replace(row, name=f"{path.stem}/{row.name}")
            for part in parts
            for row in part(description, golden)
        ]
    return rows
