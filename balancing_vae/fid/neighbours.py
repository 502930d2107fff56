"""Features of one side, and distances to nearest neighbours among them, in blocks."""

from collections.abc import Iterable
from weakref import WeakKeyDictionary

import numpy as np

from balancing_vae.errors import InputError
from balancing_vae.fid.statistics import check_rows

# Neighbours whose distances are kept, and rows of a block: 1,024 x 1,024 distances take 8 MiB.
NEIGHBOURS = 5
_BLOCK = 1024


class Features:
    """The features of one side, and what several metrics take from them, computed once.

    Args:
        rows: Real array [n, d], kept in the dtype that it has.

    Raises:
        ValueError: `rows` is not a matrix, or holds NaN or infinity.

    Example:
        ```python
        real = Features.from_batches(extract(x_test, network, "clean"))
        METRICS["precision"](real, Features(generated_rows)).value
        ```
    """

    def __init__(self, rows: np.ndarray):
        rows = np.asarray(rows)
        check_rows(rows)
        self.rows = rows
        self._neighbourhoods: WeakKeyDictionary = WeakKeyDictionary()

    @classmethod
    def from_batches(cls, batches: Iterable[np.ndarray]) -> "Features":
        """Return the features that come in batches, as `extract` yields them.

        Args:
            batches: Real arrays [n_i, d].

        Raises:
            ValueError: There is no batch, or one holds NaN or infinity.
        """
        rows = list(batches)
        if not rows:
            raise InputError("There are no features to compare; give at least two images.")
        return cls(np.concatenate(rows))

    def __len__(self) -> int:
        return len(self.rows)
