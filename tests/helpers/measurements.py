"""Made-up measurements."""

from dataclasses import replace

from balancing_vae.evaluation.measurement import NOISE_FLOOR
from balancing_vae.evaluation.measurement import Measurement


def measurements(
    protocol="asperti2020", value=50.0, dataset="cifar10", features="inception", mode="gated"
) -> list[Measurement]:
    """Return an evaluation with seed 0 (`value`), seed 2 (`value` + 2) and a noise floor of 5."""
    about = {"protocol": protocol, "features": features, "dataset": dataset}
    return [
        Measurement(column, "fid", value + seed, 9984, 9984, normalization, seed, **about)
        for column in ("REC", "GEN-1", "GEN-2")
        for normalization in (None, mode)
        for seed in (0, 2)
    ] + [Measurement(NOISE_FLOOR, "fid", 5.0, 9984, 9984, **about)]


def changed(rows: list[Measurement], **fields) -> list[Measurement]:
    """Return copies of measurements with some fields changed."""
    return [replace(row, **fields) for row in rows]
