"""The images of a sheet alternate between the classes."""

import numpy as np

from balancing_vae import datasets


def test_in_turns_cycles_through_the_classes_and_loses_no_image():
    labels = np.array([2, 2, 2, 0, 1, 1, 2])
    order = datasets.in_turns(labels)
    assert labels[order].tolist() == [0, 1, 2, 1, 2, 2, 2]
    assert order.tolist() == [3, 4, 0, 5, 1, 2, 6]


def test_a_row_of_ten_digits_has_each_once():
    labels = datasets.load_labels("digits", "test")
    assert labels[datasets.in_turns(labels)[:10]].tolist() == list(range(10))
