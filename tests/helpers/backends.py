"""Helpers for code that differs between the backends."""

import keras
import numpy as np
import pytest

needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow is the point of this test"
)


def numbers(tensor) -> np.ndarray:
    """Return the values of a tensor or variable of any backend as a NumPy array."""
    return np.asarray(keras.ops.convert_to_numpy(getattr(tensor, "value", tensor)))
