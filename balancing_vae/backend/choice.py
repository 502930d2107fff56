"""Check the backend that Keras will use."""

import importlib.util
import json
import os
from pathlib import Path

from balancing_vae.errors import MissingPackageError

BACKENDS = ("tensorflow", "jax", "torch")


def check_backend() -> None:
    """Refuse a Keras backend that is unknown or not installed, before Keras is imported.

    Keras chooses the backend from the environment variable `KERAS_BACKEND`, then from its file
    `keras.json`; the default is TensorFlow.

    Raises:
        ImportError: The backend is unknown or not installed.

    Example:
        ```python
        check_backend()
        ```
    """
    where, backend = "KERAS_BACKEND", os.environ.get("KERAS_BACKEND")
    if not backend:
        where, backend = "The backend in Keras's keras.json", _backend_in_file()
    if backend not in BACKENDS:
        raise MissingPackageError(
            f"{where} is {backend!r}; set it to one of {', '.join(BACKENDS)}."
        )
    if importlib.util.find_spec(backend) is None:
        raise MissingPackageError(
            f"The Keras backend {backend!r} is not installed; run `pip install {backend}`, or "
            f"set KERAS_BACKEND to another of {', '.join(BACKENDS)}."
        )


def _backend_in_file() -> str:
    folder = Path(os.environ.get("KERAS_HOME", "~/.keras"))
    try:
        settings = json.loads((folder / "keras.json").expanduser().read_text("utf-8"))
    except (OSError, ValueError, RuntimeError):  # no file, or one that Keras ignores, too
        return BACKENDS[0]
    return settings.get("backend", BACKENDS[0]) if isinstance(settings, dict) else BACKENDS[0]
