"""The stages' Adam has Keras's formula and slots, whichever operation computes it."""

import keras
import numpy as np
import pytest

from balancing_vae.training import optimizer as module
from balancing_vae.training.optimizer import Adam
from tests.helpers.backends import needs_tensorflow
from tests.helpers.backends import numbers


def trained_by(optimizer, steps=5):
    """Return a weight and all the optimizer's variables after some steps."""
    random = np.random.default_rng(0)
    weight = keras.Variable(random.standard_normal((3, 4)), dtype="float32")
    optimizer.build([weight])
    for _ in range(steps):
        optimizer.apply([keras.ops.convert_to_tensor(random.standard_normal((3, 4)), "float32")])
    return numbers(weight), [numbers(variable) for variable in optimizer.variables]


@pytest.mark.parametrize(
    "arguments", [{}, {"beta_1": 0.5, "beta_2": 0.9}, {"amsgrad": True}, {"clipnorm": 0.1}]
)
def test_it_equals_the_adam_of_keras(arguments):
    weight, slots = trained_by(Adam(0.1, **arguments))
    expected, expected_slots = trained_by(keras.optimizers.Adam(0.1, epsilon=1e-8, **arguments))
    # TensorFlow's operation knows 1 - 0.999 to five digits, as in the original program. Five
    # steps of 0.1 were made.
    np.testing.assert_allclose(weight, expected, atol=2e-5 * 0.5)
    # The same slots in the same order: states that Keras's Adam left can be gone on with.
    for ours, theirs in zip(slots, expected_slots, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=2e-5, atol=1e-7)


@needs_tensorflow
@pytest.mark.parametrize("missing", [0, 1])
def test_a_keras_version_with_other_slots_uses_its_own_update(monkeypatch, missing):
    """Within rounding it is the same step."""
    fast, fast_slots = trained_by(Adam(0.1))
    assert "ResourceApplyAdam" in operations_of_a_step()
    names = list(module.SLOTS)
    names[missing] = "_kept_elsewhere"
    monkeypatch.setattr(module, "SLOTS", names)
    assert "ResourceApplyAdam" not in operations_of_a_step()
    slow, slow_slots = trained_by(Adam(0.1))
    np.testing.assert_allclose(fast, slow, atol=2e-5 * 0.5)
    for first, second in zip(fast_slots, slow_slots, strict=True):
        np.testing.assert_allclose(first, second, rtol=2e-5, atol=1e-7)


def operations_of_a_step() -> set[str]:
    """Return the kinds of operations in a compiled step of Adam."""
    import tensorflow as tf

    weight = keras.Variable(np.ones((3, 4)), dtype="float32")
    optimizer = Adam(0.1)
    optimizer.build([weight])
    step = tf.function(lambda gradient: optimizer.apply([gradient]))
    graph = step.get_concrete_function(tf.TensorSpec((3, 4))).graph
    return {operation.type for operation in graph.get_operations()}


def test_it_is_made_again_from_its_config():
    again = keras.optimizers.deserialize(keras.optimizers.serialize(Adam(0.3, beta_1=0.8)))
    assert isinstance(again, Adam)
    assert (again.beta_1, again.epsilon) == (0.8, 1e-8)
    assert float(numbers(again.learning_rate)) == pytest.approx(0.3)
