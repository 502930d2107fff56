"""`metrics.json` in a run's folder: each number with all that it takes to repeat it."""

import json
import os
from pathlib import Path

from balancing_vae.errors import InputError
from balancing_vae.storage.atomic import atomic_file

METRICS_FILE = "metrics.json"
_FORMAT_VERSION = 1


def write_metrics(run: str | os.PathLike, rows: list[dict]) -> Path:
    """Write rows into a run's `metrics.json`; what was measured in other ways stays.

    Another way is another protocol, other features, or another mode of normalisation.

    Args:
        run: The run's folder.
        rows: As `evaluate` gives, each with data, command and version beside.

    Returns:
        The file's path.

    Raises:
        ValueError: The file that is there cannot be understood.
        OSError: The folder cannot be written to.

    Example:
        ```python
        write_metrics("runs/a", rows)
        ```
    """
    path = Path(run) / METRICS_FILE
    replaced = {_kind(row) for row in rows}
    kept = [row for row in read_metrics(run) if _kind(row) not in replaced]
    # A row a line: indented, hundreds of them take a fifth more space.
    lines = ",\n".join(json.dumps(row) for row in kept + rows)
    text = f'{{"format_version": {_FORMAT_VERSION}, "measurements": [\n{lines}\n]}}\n'
    with atomic_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def read_metrics(run: str | os.PathLike) -> list[dict]:
    """Return the rows of a run's `metrics.json`; none where there is no such file.

    Args:
        run: The run's folder.

    Returns:
        One dict a number.

    Raises:
        ValueError: The file is broken or of a newer format.

    Example:
        ```python
        read_metrics("runs/a")[0]["value"]
        ```
    """
    path = Path(run) / METRICS_FILE
    if not path.is_file():
        return []
    try:
        contents = json.loads(path.read_text(encoding="utf-8"))
        version, rows = contents["format_version"], contents["measurements"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is broken ({error}): remove it and evaluate again.") from error
    if version != _FORMAT_VERSION:
        raise InputError(
            f"{path} has format {version}, expected {_FORMAT_VERSION}: use the version of "
            "balancing_vae that wrote it, or evaluate again."
        )
    return rows


def _kind(row: dict) -> tuple:
    return row["protocol"], row["features"], row.get("normalization", "reference")
