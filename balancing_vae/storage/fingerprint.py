"""Hashes of a saved folder's content, recorded with its measured numbers."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from balancing_vae.config import Config
from balancing_vae.files.checksums import sha256
from balancing_vae.normalization import MODE
from balancing_vae.storage.folder import read_finished


@dataclass(frozen=True)
class Fingerprint:
    """Hashes of the weights, samplers and normalisation that produce a pipeline's images.

    Attributes:
        weights: Hash of the weights of all stages.
        samplers: Hash of the file of each fitted sampler, by the column of its images.
        mode: The mode of the saved normalisation, or None if the folder has none.
        normalization: Hash of that normalisation.
    """

    weights: str
    samplers: dict[str, str]
    mode: str | None
    normalization: str

    def of(self, column: str, normalization: str | None, seed: int | None) -> dict[str, Any]:
        """Return the fields in `metrics.json` that identify the model behind a number.

        Args:
            column: `REC`, `GEN-1` or another column.
            normalization: The mode of its normalisation, or None if it is not normalised.
            seed: Its sampling seed, or None if the number depends only on the data.

        Returns:
            `weights_sha256`, and `fitted_sha256` if a fitted sampler or the saved normalisation
            was used. Empty if the number depends only on the data.
        """
        if seed is None:
            return {}
        fitted = [self.samplers.get(column)]
        if normalization is not None and MODE.present(normalization) == self.mode:
            fitted.append(self.normalization)
        fields = {"weights_sha256": self.weights}
        if any(fitted):
            fields["fitted_sha256"] = _sha256_of(fitted)
        return fields


def fingerprint(folder: Path) -> Fingerprint:
    """Compute the fingerprint of a saved folder.

    Args:
        folder: A finished run, or any saved folder.

    Returns:
        Its fingerprint.

    Raises:
        FileNotFoundError: The folder or its `config.json` does not exist.
        ValueError: `config.json` is damaged, or the training is not finished.
        OSError: A file cannot be read.

    Example:
        ```python
        state = fingerprint(Path("runs/a"))
        state.of("GEN-2", "gated", seed=0)["weights_sha256"]
        ```
    """
    description = read_finished(folder)
    files = {path.stem: sha256(path) for path in sorted(folder.glob("samplers/*.npz"))}
    first, second = Config.from_dict(description["config"]).samplers
    columns = {"GEN-1": first, "GEN-2": second, **{f"GEN ({name})": name for name in files}}
    fitted = [description["image_normalization"], description["latent_normalization"]]
    modes = [one["mode"] for one in fitted if one is not None]
    return Fingerprint(
        _sha256_of([sha256(path) for path in sorted(folder.glob("stage[12].weights.h5"))]),
        {column: files[name] for column, name in columns.items() if name in files},
        modes[0] if modes else None,
        _sha256_of([one and one | {"mode": MODE.first(one["mode"])} for one in fitted]),
    )


def _sha256_of(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
