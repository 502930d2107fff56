"""Published distances, read from the package's data."""

import functools
import importlib.resources
import json


@functools.cache
def published_numbers() -> dict:
    """Return all published numbers and their sources.

    Returns:
        A dict with `rows` (dataset, system, column, value, deviation, protocol, source;
        sometimes also network and quoted_from), `columns` and `sources` (title; sometimes also
        url, tables, versions of the program and note).

    Example:
        ```python
        [row for row in published_numbers()["rows"] if row["dataset"] == "cifar10"]
        ```
    """
    path = importlib.resources.files("balancing_vae.evaluation") / "published.json"
    return json.loads(path.read_text(encoding="utf-8"))
