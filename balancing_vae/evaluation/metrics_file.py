"""`metrics.json` in a run's folder: each number with all that it takes to repeat it."""

import json
import os
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

from balancing_vae.errors import InputError
from balancing_vae.files.atomic import atomic_file
from balancing_vae.normalization import MODES
from balancing_vae.schema import anything
from balancing_vae.schema import mapping
from balancing_vae.schema import one_of
from balancing_vae.schema import optional
from balancing_vae.schema import read_json
from balancing_vae.schema import real
from balancing_vae.schema import record
from balancing_vae.schema import sequence
from balancing_vae.schema import text
from balancing_vae.schema import truth
from balancing_vae.schema import whole

METRICS_FILE = "metrics.json"
_FORMAT_VERSION = 1
_REMEDY = "remove it and evaluate again"

_ROW = record(
    required={
        "dataset": text,
        "column": text,
        "normalized": truth,
        "seed": optional(whole(least=0)),
        "distance": text,
        "protocol": optional(text),
        "features": optional(text),
        "real_count": whole(least=1),
        "generated_count": whole(least=1),
        "value": real(),
    },
    optional={
        "normalization": one_of(*MODES),
        "features_sha256": optional(text),
        "data": optional(text),
        "data_sha256": text,
        "command": text,
        "versions": mapping(text),
        # What the run was: its weights; the sampler and the normalisation that took part.
        "weights_sha256": text,
        "fitted_sha256": text,
    },
)
# What was measured. A row with the same replaces one that was measured before.
_KEY = (
    "column",
    "normalized",
    "normalization",
    "seed",
    "distance",
    "protocol",
    "features",
    "features_sha256",
    "dataset",
    "data_sha256",
)


def write_metrics(run: str | os.PathLike, rows: list[dict]) -> Path:
    """Write rows into a run's `metrics.json`; whatever else was measured stays.

    A row replaces one of the same column, normalisation and its mode, sampling seed,
    distance, protocol, features and data, both with their hashes. Rows that say what the run
    was also replace those of what it no longer is: of other weights, and of another sampler
    or normalisation in the same column. A row that does not say it is replaced by one that
    differs from it in the seed alone.

    Args:
        run: The run's folder.
        rows: As `evaluate` gives, each with `dataset`, and with data, command and versions
            where they are known; with what `Fingerprint.of` gives, where that is known.

    Returns:
        The file's path.

    Raises:
        ValueError: The file that is there cannot be understood, or a row lacks something.
        OSError: The folder cannot be written to.

    Example:
        ```python
        write_metrics("runs/a", rows)
        ```
    """
    path = Path(run) / METRICS_FILE
    sequence(_ROW)(rows, "rows")
    replaced = {_key(row) for row in rows}
    is_outdated = _outdated_by(rows)
    kept = [r for r in read_metrics(run) if _key(r) not in replaced and not is_outdated(r)]
    # A row a line: indented, hundreds of them take a fifth more space.
    lines = ",\n".join(json.dumps(row) for row in kept + rows)
    contents = f'{{"format_version": {_FORMAT_VERSION}, "measurements": [\n{lines}\n]}}\n'
    with atomic_file(path) as temporary:
        temporary.write_text(contents, encoding="utf-8")
    return path


def read_metrics(run: str | os.PathLike) -> list[dict]:
    """Return the rows of a run's `metrics.json`; none where there is no such file.

    Args:
        run: The run's folder.

    Returns:
        One dict a number.

    Raises:
        ValueError: The file is broken or of a newer format; the message names what is wrong.

    Example:
        ```python
        read_metrics("runs/a")[0]["value"]
        ```
    """
    path = Path(run) / METRICS_FILE
    if not os.path.lexists(path):
        return []
    return read_json(path, _contents, _REMEDY)["measurements"]


def by_data(rows: Sequence[dict]) -> dict[str, list[dict]]:
    """Return rows by the images they were measured on, so that only like is set beside like.

    Args:
        rows: As `read_metrics` gives.

    Returns:
        The rows of each set of images, under "" where there is but one, else under its
        name and the start of its hash. A distance in features of one name, but of several
        networks, has the start of the network's hash in its name.

    Example:
        ```python
        for images, rows in by_data(read_metrics("runs/a")).items():
            print(images, summarise(rows))
        ```
    """
    networks: dict[str, set] = {}
    for row in rows:
        networks.setdefault(row["distance"], set()).add(row.get("features_sha256"))
    groups: dict[tuple, list[dict]] = {}
    for row in rows:
        name, sha256 = row["distance"], row.get("features_sha256")
        if len(networks[name]) > 1:
            row = row | {"distance": f"{name}, network {_start(sha256)}"}
        groups.setdefault((row.get("dataset"), row.get("data_sha256")), []).append(row)
    if len(groups) == 1:
        return {"": next(iter(groups.values()))}
    return {f"{name} {_start(sha256)}": group for (name, sha256), group in groups.items()}


def _start(sha256: str | None) -> str:
    return "unknown" if sha256 is None else sha256[:8]


def _contents(value: object, name: str) -> None:
    record({"format_version": whole()}, others=anything)(value, name)
    if value["format_version"] != _FORMAT_VERSION:
        raise InputError(
            f"it has the format {value['format_version']}, this version of balancing_vae reads "
            f"{_FORMAT_VERSION}"
        )
    record({"format_version": whole(), "measurements": sequence(_ROW)})(value, name)


def _key(row: dict) -> tuple:
    # Before there were modes, there was only that of the original program.
    return tuple({"normalization": "reference", **row}.get(name) for name in _KEY)


def _outdated_by(rows: list[dict]) -> Callable[[dict], bool]:
    """Return what tells whether a row describes a state of the run that is gone."""
    told = [row for row in rows if "weights_sha256" in row]
    weights = {row["weights_sha256"] for row in told}
    fitted = {_place(row): row.get("fitted_sha256") for row in told}
    measured = {_key(row | {"seed": None}) for row in told}

    def is_outdated(row: dict) -> bool:
        if "weights_sha256" not in row:
            return row["seed"] is not None and _key(row | {"seed": None}) in measured
        now = row.get("fitted_sha256")
        of_others = bool(weights) and row["weights_sha256"] not in weights
        return of_others or fitted.get(_place(row), now) != now

    return is_outdated


def _place(row: dict) -> tuple:
    mode = row.get("normalization") if row["normalized"] else None
    return row["column"], row["normalized"], mode
