"""Rows of an experiment, grouped by common values."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Any


def grouped(rows: Sequence[dict], *names: str) -> dict[Any, list[dict]]:
    """Group rows by their values under the given names.

    Args:
        rows: Dicts that have these names.
        names: One or more names; for several, the key is a tuple.

    Returns:
        The rows of each key, both in the order of their first appearance.

    Example:
        ```python
        grouped([{"kind": "dense", "mse": 0.1}, {"kind": "conv", "mse": 0.2}], "kind")["conv"]
        ```
    """
    groups: dict[Any, list[dict]] = {}
    key = itemgetter(*names)
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return groups
