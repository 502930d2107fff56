"""Arrays of any length, mapped by functions that always get batches of one shape."""

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


def test_large_batches_come_first():
    seen = []
    rows = np.arange(14)
    found = map_batches(lambda x: [seen.append(len(x)), -x][1], 2, rows, large=6)
    np.testing.assert_array_equal(found, -rows)
    assert seen == [6, 6, 2]
