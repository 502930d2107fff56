"""A set measured in parts, as by several processes, gives the statistics of the whole set."""

from functools import reduce

import numpy as np
import pytest

from balancing_vae.fid.measuring import measure
from balancing_vae.fid.measuring import measure_part
from balancing_vae.fid.networks.pixels import Pixels
from balancing_vae.fid.statistics import Statistics

IMAGES = np.random.default_rng(0).integers(0, 256, (150, 4, 4, 1), dtype=np.uint8)


@pytest.mark.parametrize("protocol", ["asperti2020", "clean"])
@pytest.mark.parametrize("parts", [1, 2, 7])
def test_parts_merge_into_the_whole(protocol, parts):
    """`asperti2020` drops the last 22 of 150 images, once."""
    whole = measure(IMAGES, Pixels(), protocol)
    found = [measure_part(IMAGES, Pixels(), protocol, part, parts) for part in range(parts)]
    merged = reduce(Statistics.merge, found)
    assert (merged.count, merged.protocol, merged.features) == (
        whole.count,
        whole.protocol,
        whole.features,
    )
    np.testing.assert_allclose(merged.mu, whole.mu, rtol=1e-12)
    np.testing.assert_allclose(merged.sigma, whole.sigma, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(("part", "parts"), [(2, 2), (-1, 2), (0, 0), (0, 151)])
def test_missing_parts_are_refused(part, parts):
    with pytest.raises(ValueError, match=f"no part {part} of {parts} of 150 images"):
        measure_part(IMAGES, Pixels(), "clean", part, parts)
