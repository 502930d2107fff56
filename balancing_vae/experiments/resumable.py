"""Measure many cases in turn; finished cases survive a kill."""

import hashlib
import json
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from balancing_vae.files.atomic import atomic_file
from balancing_vae.progress import progress_bar
from balancing_vae.progress import write_line
from balancing_vae.schema import anything
from balancing_vae.schema import mapping
from balancing_vae.schema import read_json
from balancing_vae.schema import sequence


def measure_each(
    path: str | Path, cases: Sequence[dict], measure: Callable[[dict], dict], title: str
) -> list[dict]:
    """Return a row for each case, measured now or found in the file.

    The file is written anew after each case, so that a run that was stopped goes on with
    the case it was at.

    Args:
        path: A `.json` file; made where it is missing. Rows of other cases stay in it.
        cases: What decides a row, all of it, as plain data: of images and weights their
            `sha256_of`.
        measure: From a case to what is measured of it, as plain data.
        title: What stands before the progress bar; where nobody can watch one, before a line
            for each case.

    Returns:
        `case | measured` for each case, in the order of the cases.

    Raises:
        ValueError: The file holds something else.

    Example:
        ```python
        rows = measure_each("runs/fig4/rows.json", cases, train_and_measure, "fig4")
        ```
    """
    path = Path(path)
    kept = _read(path)
    rows = []
    with progress_bar(total=len(cases), desc=title, unit="case") as bar:
        for case in cases:
            row = next((row for row in kept if case.items() <= row.items()), None)
            if row is None:
                row = case | measure(case)
                kept.append(row)
                _write(path, kept)
            rows.append(row)
            bar.update()
            if bar.disable:
                write_line(f"{title}: {len(rows)} of {len(cases)} cases")
    return rows


def sha256_of(*arrays: np.ndarray) -> str:
    """Return the hash of arrays that decide a row: images, weights.

    Args:
        arrays: Any; their order counts.

    Returns:
        64 hexadecimal digits.

    Example:
        ```python
        case = {"epochs": 10, "data_sha256": sha256_of(x_train, x_test)}
        ```
    """
    total = hashlib.sha256()
    for array in arrays:
        total.update(f"{array.dtype.str}{array.shape}".encode())
        total.update(np.ascontiguousarray(array))
    return total.hexdigest()


def _read(path: Path) -> list[dict]:
    if not path.exists():
        return []
    is_rows = sequence(mapping(anything), of="a list of measured rows")
    return read_json(path, is_rows, "move it away to start again")


def _write(path: Path, rows: list[dict]) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(rows, indent=1), "utf-8")
