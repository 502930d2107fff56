"""Measure many cases in turn; finished cases survive a kill."""

import hashlib
import json
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from balancing_vae.fid.cache import content_sha256
from balancing_vae.fid.features import FeatureNetwork
from balancing_vae.files.atomic import atomic_file
from balancing_vae.progress import progress_bar
from balancing_vae.progress import write_line
from balancing_vae.schema import anything
from balancing_vae.schema import mapping
from balancing_vae.schema import read_json
from balancing_vae.schema import sequence

if TYPE_CHECKING:
    from balancing_vae.pipeline import TwoStageVAE


def measure_each(
    path: str | Path, cases: Sequence[dict], measure: Callable[[dict], dict], title: str
) -> list[dict]:
    """Return a row for each case, measured now or found in the file.

    The file is written after each case. A later call therefore continues with the case at
    which a stopped one ended.

    Args:
        path: A `.json` file; it is created if it is missing. Rows of other cases are kept.
        cases: Plain data that has everything that affects a row. Images and weights are
            represented by their `sha256_of`.
        measure: Takes a case and returns the measured values as plain data.
        title: Text before the progress bar, or, if no bar is shown, at the start of one line
            for each case.

    Returns:
        `case | measured` for each case, in the order of the cases.

    Raises:
        ValueError: The file has other contents.

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
    """Return the hash of arrays that affect a row, such as images and weights.

    Args:
        arrays: Arrays of any kind; their order matters.

    Returns:
        64 hexadecimal digits.

    Example:
        ```python
        case = {"epochs": 10, "data_sha256": sha256_of(x_train, x_test)}
        ```
    """
    hashes = "".join(content_sha256(np.atleast_1d(array)) for array in arrays)
    return hashlib.sha256(hashes.encode()).hexdigest()


def what_decides(
    vae: "TwoStageVAE", x: np.ndarray, real: np.ndarray, network: FeatureNetwork, protocol: str
) -> dict:
    """Return everything that affects a distance of a trained pipeline, as part of a case.

    Args:
        vae: The trained `TwoStageVAE`.
        x: Images used for fitting or training, uint8.
        real: Real images of the distance, uint8.
        network: The feature network.
        protocol: Name of the FID protocol.

    Returns:
        A dict of features and protocol, and of the hashes of features, images and weights.

    Example:
        ```python
        case = {"seed": 0, **what_decides(vae, x_train, x_test, network, "ttur")}
        ```
    """
    weights = [weight for stage in vae.stages.values() for weight in stage.get_weights()]
    return {
        "features": network.name,
        "features_sha256": network.sha256,
        "protocol": protocol,
        "data_sha256": sha256_of(real),
        "fitted_sha256": sha256_of(x),
        "weights_sha256": sha256_of(*weights),
    }


def _read(path: Path) -> list[dict]:
    if not path.exists():
        return []
    is_rows = sequence(mapping(anything), of="a list of measured rows")
    return read_json(path, is_rows, "move it away to start again")


def _write(path: Path, rows: list[dict]) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(rows, indent=1), "utf-8")
