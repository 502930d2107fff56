"""Arrays of any length through functions that see batches of one shape."""

import numpy as np

from balancing_vae.backend.batches import map_batches


def test_map_batches_fills_the_last_batch_with_the_first_rows():
    seen = []

    def double(rows):
        seen.append(rows)
        return 2 * rows

    np.testing.assert_array_equal(map_batches(double, 4, np.arange(6)), 2 * np.arange(6))
    np.testing.assert_array_equal(seen, [[0, 1, 2, 3], [4, 5, 0, 1]])


def test_map_batches_repeats_a_set_smaller_than_a_batch():
    pair = map_batches(lambda a, b: (a, a + b), 5, np.array([1, 2]), np.array([10, 20]))
    np.testing.assert_array_equal(pair, [[1, 2], [11, 22]])
