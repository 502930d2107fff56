"""`metrics.json` in a run's folder: measured numbers with their provenance."""

import json
import os
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from balancing_vae.errors import InputError
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.files.atomic import atomic_file
from balancing_vae.normalization import MODE
from balancing_vae.schema import anything
from balancing_vae.schema import fields_of
from balancing_vae.schema import mapping
from balancing_vae.schema import optional
from balancing_vae.schema import read_json
from balancing_vae.schema import real
from balancing_vae.schema import record
from balancing_vae.schema import sequence
from balancing_vae.schema import text
from balancing_vae.schema import truth
from balancing_vae.schema import whole
from balancing_vae.storage.fingerprint import Fingerprint
from balancing_vae.versions import measurement_versions

METRICS_FILE = "metrics.json"
_FORMAT_VERSION = 4
_REMEDY = "remove it and evaluate again"

# In format 3, each row has all of its fields. Format 2 also has the modes' former names. In
# format 1, `distance` was a number's name in tables, and numbers that are not normalised had a
# mode, too.
_ROW_1 = record(
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
        "normalization": MODE,
        "features_sha256": optional(text),
        "data": optional(text),
        "data_sha256": text,
        "command": text,
        "versions": mapping(text),
        "weights_sha256": text,
        "fitted_sha256": text,
    },
)
_ROW = fields_of(Measurement)
_ROWS = {1: sequence(_ROW_1), 2: sequence(_ROW), 3: sequence(_ROW)}
# The fields that each row stores. All other fields are shared by many rows and stored once.
_OWN = ("column", "metric", "normalization", "seed", "value", "deviation")
# These fields say what was measured. A new number replaces an old one that has the same key.
_KEY = (
    "column",
    "normalization",
    "seed",
    "metric",
    "protocol",
    "features",
    "features_sha256",
    "dataset",
    "data_sha256",
    "against",
)


def of_run(
    measurements: Iterable[Measurement],
    state: Fingerprint,
    dataset: str,
    data: str | None,
    command: str,
    against: str = "test",
) -> list[Measurement]:
    """Return measurements that record what they describe and how to repeat them.

    Args:
        measurements: What `evaluate` returned.
        state: The run's fingerprint, taken before it was loaded.
        dataset: Name of the dataset.
        data: Path of the images; None if they need no files.
        command: The command line of the measurement.
        against: Split of the real images, "test" or "train".

    Returns:
        The same measurements with dataset, data, command, versions and the hashes of what was used.

    Example:
        ```python
        write_metrics("runs/a", of_run(measurements, state, "digits", None, "my_script.py"))
        ```
    """
    versions = measurement_versions()
    told = []
    for one in measurements:
        hashes = state.of(one.column, one.normalization, one.seed)
        told.append(
            replace(
                one,
                dataset=dataset,
                data=data,
                against=against,
                command=command,
                versions=versions,
                weights_sha256=hashes.get("weights_sha256"),
                fitted_sha256=hashes.get("fitted_sha256"),
            )
        )
    return told


def write_metrics(run: str | os.PathLike, measurements: Sequence[Measurement]) -> Path:
    """Write measurements into a run's `metrics.json`; keep its other measurements.

    A number replaces one of the same column, mode of normalisation, sampling seed, metric,
    protocol, features (name and hash) and data (name and hash). A number that records the run's
    weights also replaces numbers of other weights, and numbers of another sampler or
    normalisation in the same column. A number that does not record them is replaced by any
    new number that differs only in the seed.

    Args:
        run: The run's folder.
        measurements: What `evaluate` returned; better, what `of_run` returned, which records the
            run.

    Returns:
        The file's path.

    Raises:
        ValueError: The existing file cannot be understood.
        OSError: The folder cannot be written to.

    Example:
        ```python
        write_metrics("runs/a", measurements)
        ```
    """
    path = Path(run) / METRICS_FILE
    replaced = {_key(one) for one in measurements}
    is_outdated = _outdated_by(measurements)
    kept = [m for m in read_metrics(run) if _key(m) not in replaced and not is_outdated(m)]
    shared, rows = _split([*kept, *measurements])
    contents = (
        f'{{"format_version": {_FORMAT_VERSION},\n"shared": [\n{_lines(shared)}\n],\n'
        f'"measurements": [\n{_lines(rows)}\n]}}\n'
    )
    with atomic_file(path) as temporary:
        temporary.write_text(contents, encoding="utf-8")
    return path


def read_metrics(run: str | os.PathLike) -> list[Measurement]:
    """Return the measurements in a run's `metrics.json`; an empty list if there is none.

    Args:
        run: The run's folder.

    Returns:
        One measurement for each number.

    Raises:
        ValueError: The file is damaged or its format is newer; the message says what is wrong.

    Example:
        ```python
        read_metrics("runs/a")[0].value
        ```
    """
    path = Path(run) / METRICS_FILE
    if not os.path.lexists(path):
        return []
    contents = read_json(path, _contents, _REMEDY)
    rows = contents["measurements"]
    if contents["format_version"] == 1:
        return _from_format_1(rows)
    if contents["format_version"] == _FORMAT_VERSION:
        rows = _joined(contents["shared"], rows)
    return [Measurement(**row) for row in rows]


def _contents(value: Any, name: str) -> None:
    record({"format_version": whole()}, others=anything)(value, name)
    version = value["format_version"]
    if version == _FORMAT_VERSION:
        _contents_of_today(value, name)
    elif version in _ROWS:
        record({"format_version": whole(), "measurements": _ROWS[version]})(value, name)
    else:
        raise InputError(
            f"it has the format {version}, but this version of balancing_vae reads formats up to "
            f"{_FORMAT_VERSION}"
        )


def _contents_of_today(value: dict, name: str) -> None:
    shared = sequence(mapping(anything))
    rows = sequence(record({"shared": whole(least=0)}, others=anything))
    record({"format_version": whole(), "shared": shared, "measurements": rows})(value, name)
    for i, row in enumerate(value["measurements"]):
        if row["shared"] >= len(value["shared"]):
            raise InputError(
                f"measurements[{i}].shared must be below {len(value['shared'])}, the number of "
                f"shared entries; got {row['shared']}"
            )
    sequence(_ROW)(_joined(value["shared"], value["measurements"]), "measurements")


def _split(measurements: Iterable[Measurement]) -> tuple[list[dict], list[dict]]:
    """Return the sets of fields that rows share, and the rows, each with its set's index."""
    shared: list[dict] = []
    rows = []
    for one in measurements:
        fields = one.to_dict()
        own = {name: fields.pop(name) for name in _OWN if name in fields}
        if fields not in shared:
            shared.append(fields)
        rows.append(own | {"shared": shared.index(fields)})
    return shared, rows


def _joined(shared: list[dict], rows: list[dict]) -> list[dict]:
    """Return rows with all of their fields; the inverse of `_split`."""
    joined = []
    for row in rows:
        own = dict(row)
        joined.append(shared[own.pop("shared")] | own)
    return joined


def _lines(rows: list[dict]) -> str:
    # One row per line. With indentation, the file would be a fifth larger.
    return ",\n".join(json.dumps(row) for row in rows)


def _from_format_1(rows: list[dict]) -> list[Measurement]:
    found: dict[tuple, Measurement] = {}
    for row in rows:
        row = dict(row)
        distance, normalized = row.pop("distance"), row.pop("normalized")
        # A row without a mode is older than the other modes.
        mode = row.pop("normalization", "gated")
        is_frechet = distance == "FID" or distance.startswith("FD(")
        metric = "fid" if is_frechet else distance.lower().replace(" ", "_")
        one = Measurement(metric=metric, normalization=mode if normalized else None, **row)
        # Plain numbers were measured once for each mode; the last one counts.
        found.pop(_key(one), None)
        found[_key(one)] = one
    return list(found.values())


def _key(one: Measurement) -> tuple:
    return tuple(getattr(one, name) for name in _KEY)


def _but_for_the_seed(one: Measurement) -> tuple:
    return tuple(getattr(one, name) for name in _KEY if name != "seed")


def _outdated_by(measurements: Sequence[Measurement]) -> Callable[[Measurement], bool]:
    """Return a function that says whether a number describes an earlier state of the run."""
    told = [one for one in measurements if one.weights_sha256 is not None]
    weights = {one.weights_sha256 for one in told}
    fitted = {(one.column, one.normalization): one.fitted_sha256 for one in told}
    measured = {_but_for_the_seed(one) for one in told}

    def is_outdated(one: Measurement) -> bool:
        if one.weights_sha256 is None:
            return one.seed is not None and _but_for_the_seed(one) in measured
        now = one.fitted_sha256
        of_others = bool(weights) and one.weights_sha256 not in weights
        return of_others or fitted.get((one.column, one.normalization), now) != now

    return is_outdated
