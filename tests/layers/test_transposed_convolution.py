"""The transposed convolution equals Keras's, with a fast gradient of the kernel on JAX."""

import json

import keras
import numpy as np
import pytest

from balancing_vae.layers.transposed_convolution import Conv2DTranspose
from balancing_vae.networks.resnet import resnet_networks
from balancing_vae.packing.plain import plain_copy
from tests.helpers.backends import numbers
from tests.helpers.processes import python_prints

SETTINGS = [
    {"strides": 2, "padding": "same"},
    {"strides": 2, "padding": "same", "use_bias": False, "activation": "relu"},
    {"strides": 1, "padding": "same", "activation": "sigmoid"},
    {"strides": (2, 3), "padding": "valid"},
    {"strides": 2, "padding": "same", "output_padding": 0},
    {"strides": 1, "padding": "valid", "dilation_rate": 2},
    {"strides": 2, "padding": "same", "data_format": "channels_first"},
]
# TensorFlow cannot compute these on a CPU.
ONLY_ELSEWHERE = ("dilation_rate", "data_format")
# Prints, for each setting: the largest relative difference of output and gradients from those of
# Keras's layer, and how many convolutions of each layer's training program dilate an image.
DIFFERENCES = """
import json, sys
import jax, numpy as np
from tests.layers.test_transposed_convolution import pair

def compared(settings, precision):
    x = np.random.default_rng(1).standard_normal((2, 5, 6, 3)).astype("f4")
    found = []
    layers = pair(settings | {"dtype": precision})
    for layer, given in zip(layers, [{"training": True}, {}], strict=True):
        def loss(weights, x):
            y, _ = layer.stateless_call(weights, [], x, **given)
            return (y.astype("f4") * g).sum(), y
        weights = [w.value for w in layer.trainable_variables]
        g = np.random.default_rng(2).standard_normal(layer(x).shape).astype("f4")
        step = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))
        (_, y), gradients = step(weights, x)
        program = step.lower(weights, x).as_text()
        dilating = [line for line in program.splitlines() if "lhs_dilate" in line]
        arrays = [np.asarray(a, "f4") for a in jax.tree.leaves([y, gradients])]
        found.append((arrays, sum("lhs_dilate = [1, 1]" not in line for line in dilating)))
    (mine, dilated), (theirs, also) = found
    errors = [np.abs(a - b).max() / np.abs(b).max() for a, b in zip(mine, theirs, strict=True)]
    return float(max(errors)), dilated, also

settings, precision = json.loads(sys.argv[1])
print(json.dumps([compared(one, precision) for one in settings]))
"""
# Prints how many convolutions of a VAE's training program dilate an image.
OF_A_VAE = """
import jax, numpy as np
from balancing_vae.models import VAE
from balancing_vae.networks.resnet import resnet_networks

vae = VAE(*resnet_networks((8, 8, 1), 3, base_dim=2, num_scale=1, fc_dim=4))
x = np.zeros((2, 8, 8, 1), "f4")
fixed = [weight.value for weight in vae.non_trainable_variables]

def loss(weights):
    outputs, _ = vae.stateless_call(weights, fixed, x, training=True)
    return outputs["reconstruction"].sum()

weights = [weight.value for weight in vae.trainable_variables]
program = jax.jit(jax.value_and_grad(loss)).lower(weights).as_text().splitlines()
print(sum("lhs_dilate = [2, 2]" in line for line in program))
"""
FORWARD_MODE = """
import jax, numpy as np
from balancing_vae.layers.transposed_convolution import Conv2DTranspose

layer = Conv2DTranspose(4, 3, strides=2, padding="same")
x = np.ones((1, 5, 5, 3), "f4")
y, slope = jax.jvp(layer, (x,), (x,))
print(float(abs(y - slope).max()))
"""


def pair(settings: dict) -> tuple:
    """Return this package's layer and Keras's, with the same random weights."""
    rng = np.random.default_rng(0)
    ours, theirs = (
        kind(4, 3, **settings) for kind in (Conv2DTranspose, keras.layers.Conv2DTranspose)
    )
    for layer in (ours, theirs):
        layer.build((None, 5, 6, 3))
    ours.set_weights([rng.standard_normal(weight.shape) for weight in ours.get_weights()])
    theirs.set_weights(ours.get_weights())
    return ours, theirs


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_outputs_and_config_are_those_of_keras(settings):
    if keras.backend.backend() == "tensorflow" and any(map(settings.get, ONLY_ELSEWHERE)):
        pytest.skip("not on TensorFlow")
    ours, theirs = pair(settings)
    x = np.random.default_rng(1).standard_normal((2, 5, 6, 3)).astype("f4")
    expected = numbers(theirs(x))
    for training in (True, False):
        np.testing.assert_array_equal(numbers(ours(x, training=training)), expected)
    copy = Conv2DTranspose.from_config(ours.get_config())
    changed = {"name": theirs.name}
    assert copy.get_config() | changed == theirs.get_config()


def test_a_plain_copy_has_layers_of_keras_alone():
    _, decoder = resnet_networks((8, 8, 1), 3, base_dim=2, num_scale=1, fc_dim=4)
    kinds = {type(layer) for layer in plain_copy(decoder).layers}
    assert Conv2DTranspose in {type(layer) for layer in decoder.layers}
    assert keras.layers.Conv2DTranspose in kinds
    assert all(kind.__module__.startswith("keras.") for kind in kinds)


def test_a_layer_without_activation_returns_logits():
    layer, _ = pair({"activation": "sigmoid"})
    x = np.ones((1, 5, 6, 3), "f4")
    y = numbers(layer(x))
    layer.activation = None
    np.testing.assert_allclose(y, 1 / (1 + np.exp(-numbers(layer(x)))), rtol=1e-5)


def test_a_subclass_has_no_plain_copy():
    class Doubled(Conv2DTranspose):
        def applied_kernel(self):
            return 2 * super().applied_kernel()

    images = keras.Input((5, 6, 3))
    with pytest.raises(ValueError, match="is a Doubled, which belongs neither to Keras"):
        plain_copy(keras.Model(images, Doubled(4, 3)(images)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("precision", "bound"), [("float32", 1e-5), ("mixed_bfloat16", 0.02)], ids=str
)
def test_gradients_on_jax_are_those_of_keras_without_dilated_images(precision, bound):
    pytest.importorskip("jax")
    given = json.dumps([SETTINGS, precision])
    rows = python_prints(DIFFERENCES, given, KERAS_BACKEND="jax")
    for settings, (error, dilated, keras_dilated) in zip(SETTINGS, rows, strict=True):
        assert error < bound, settings
        strided = settings["strides"] != 1
        # The forward pass dilates the image; Keras's gradient of the kernel does so again.
        assert (dilated, keras_dilated) == ((1, 2) if strided else (0, 0)), settings


@pytest.mark.slow
def test_training_a_vae_on_jax_dilates_images_only_in_the_forward_pass():
    pytest.importorskip("jax")
    transposed = 2  # convolutions of the decoder, from 2x2 to 8x8
    assert python_prints(OF_A_VAE, KERAS_BACKEND="jax") == transposed


@pytest.mark.slow
def test_inference_on_jax_has_a_forward_mode_derivative():
    pytest.importorskip("jax")
    assert python_prints(FORWARD_MODE, KERAS_BACKEND="jax") < 1e-5
