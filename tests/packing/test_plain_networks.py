"""Networks copied into Keras's own layers give the same images without this package."""

import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest

from balancing_vae.backend.precision import layer_precision
from balancing_vae.networks import infogan_networks
from balancing_vae.networks import latent_networks
from balancing_vae.networks import rae_networks
from balancing_vae.networks import resnet_networks
from balancing_vae.networks import wae_networks
from balancing_vae.packing.plain import plain_copy
from tests.helpers.processes import run_python

SIZES = {"base_dim": 4, "num_scale": 2, "fc_dim": 8}


def unsettled(network: keras.Model) -> keras.Model:
    """Give every weight a value of its own, as after a training."""
    random = np.random.default_rng(0)
    for layer in network.layers:
        layer.set_weights(
            [
                random.uniform(0.5, 1.5, w.shape).astype(w.dtype)
                if w.ndim < 2
                else (w + random.normal(0, 0.05, w.shape)).astype(w.dtype)
                for w in layer.get_weights()
            ]
        )
    return network


def build(name: str) -> keras.Model:
    return unsettled(
        {
            "resnet": lambda: resnet_networks((8, 8, 1), 3, **SIZES)[1],
            "infogan": lambda: infogan_networks((8, 8, 1), 3)[1],
            "wae": lambda: wae_networks((64, 64, 1), 3)[1],
            "rae": lambda: rae_networks((16, 16, 1), 3, 2, 2, spectral_norm=True)[1],
            "latent": lambda: latent_networks(3, second_dim=8, second_depth=2)[1],
            # With spectral norm and with operations of keras.ops.
            "infogan encoder": lambda: infogan_networks((8, 8, 1), 3)[0],
        }[name]()
    )


def inputs(network: keras.Model) -> np.ndarray:
    shape = (5, *network.input_shape[1:])
    return np.random.default_rng(1).standard_normal(shape).astype("float32")


def outputs(network: keras.Model, x: np.ndarray) -> list[np.ndarray]:
    found = network(x)
    found = found if isinstance(found, (list, tuple)) else [found]
    return [keras.ops.convert_to_numpy(tensor) for tensor in found]


@pytest.mark.parametrize(
    "name",
    [
        "resnet",
        "infogan",
        "rae",
        "latent",
        "infogan encoder",
        pytest.param("wae", marks=pytest.mark.slow),
    ],
)
def test_the_copy_gives_the_same(name):
    network = build(name)
    x = inputs(network)
    # The copy first: spectral norm's estimates move with each pass of the original.
    copied = outputs(plain_copy(network), x)
    for ours, theirs in zip(copied, outputs(network, x), strict=True):
        # Rounding differs between processors: 2e-5 was seen in one of Wae's 20,480 pixels.
        np.testing.assert_allclose(ours, theirs, atol=3e-5 if name == "wae" else 1e-5, rtol=1e-5)


def own_names(network: keras.Model, folder: Path) -> bool:
    """Tell whether a saved network names this package."""
    network.save(folder / "copy.keras")
    with zipfile.ZipFile(folder / "copy.keras") as archive:
        return "balancing_vae" in archive.read("config.json").decode()


@pytest.mark.parametrize("name", ["resnet", "infogan encoder"])
def test_only_layers_of_keras_are_left(name, tmp_path):
    network = build(name)
    assert own_names(network, tmp_path) and not own_names(plain_copy(network), tmp_path)


def test_the_copy_of_a_half_width_network_computes_in_float32():
    with layer_precision("mixed_bfloat16"):
        half = build("resnet")
    full = build("resnet")
    full.set_weights(half.get_weights())
    copy = plain_copy(half)
    assert {layer.compute_dtype for layer in copy.layers} == {"float32"}
    x = inputs(full)
    np.testing.assert_allclose(outputs(copy, x)[0], outputs(full, x)[0], atol=1e-5)


def test_layers_of_others_are_refused():
    class Own(keras.layers.Layer):
        def call(self, x):
            return x

    x = keras.Input((2,))
    with pytest.raises(ValueError, match="'theirs' is a Own"):
        plain_copy(keras.Model(x, Own(name="theirs")(x)))


def test_a_network_inside_a_network_is_copied_too(tmp_path):
    x = keras.Input((3,))
    outer = keras.Model(x, keras.layers.Rescaling(0.5)(build("resnet")(x)))
    z = inputs(outer)
    copy = plain_copy(outer)
    assert not own_names(copy, tmp_path)
    np.testing.assert_allclose(outputs(copy, z)[0], outputs(outer, z)[0], atol=1e-5)


LOAD_WITHOUT_PACKAGE = """
import sys
sys.modules["balancing_vae"] = None  # whoever imports it now gets an ImportError
import keras
import numpy as np
for path in sys.argv[1:]:
    network = keras.saving.load_model(path)
    z = np.load(path + ".npy")
    np.save(path + ".out.npy", network.predict_on_batch(z))
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_keras_alone_loads_them(tmp_path, backend):
    expected = {}
    for name in ("resnet", "infogan", "wae", "latent"):
        network, path = build(name), str(tmp_path / f"{name}.keras")
        plain_copy(network).save(path)
        np.save(path + ".npy", inputs(network))
        expected[path] = outputs(network, inputs(network))[0]
    process = run_python("-c", LOAD_WITHOUT_PACKAGE, *expected, KERAS_BACKEND=backend)
    assert process.returncode == 0, process.stderr[-2000:]
    for path, images in expected.items():
        np.testing.assert_allclose(np.load(path + ".out.npy"), images, atol=2e-5, rtol=1e-4)
