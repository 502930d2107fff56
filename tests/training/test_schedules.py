"""The learning rate over the epochs."""

import keras
import numpy as np
import pytest

from balancing_vae.training.schedules import learning_rate_schedule
from balancing_vae.training.schedules import stepped_learning_rate


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(0, 1e-4), (249, 1e-4), (250, 5e-5), (499, 5e-5), (500, 2.5e-5), (699, 2.5e-5)],
)
def test_cifar10s_first_stage_halves_its_rate_every_250_epochs(epoch, expected):
    assert stepped_learning_rate(epoch, 1e-4, 0.5, 250) == pytest.approx(expected)


@pytest.mark.parametrize("lr_epochs", [0, -1])
def test_rate_is_constant_without_steps(lr_epochs):
    assert stepped_learning_rate(1000, 1e-4, 0.5, lr_epochs) == 1e-4


def test_schedule_sets_the_rate_before_each_epoch():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1.0), "mse", jit_compile=False)
    zeros = np.zeros((2, 1), np.float32)
    schedule = learning_rate_schedule(0.5, 0.1, 2)
    seen = model.fit(zeros, zeros, epochs=5, verbose=0, callbacks=[schedule]).history
    np.testing.assert_allclose(seen["learning_rate"], [0.5, 0.5, 0.05, 0.05, 0.005], rtol=1e-6)
