"""Published addresses and checksums of the sources, as data."""

import functools
import importlib.resources
import json


@functools.cache
def sources() -> dict[str, dict]:
    """Return each dataset's home page, and its files' URLs, sha256 sums and sizes."""
    path = importlib.resources.files("balancing_vae.datasets") / "sources.json"
    return json.loads(path.read_text(encoding="utf-8"))
