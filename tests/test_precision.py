"""Mixed precision: layers compute in half the width, the balance stays in float32."""

import keras
import numpy as np
import pytest

from balancing_vae.config import Config
from balancing_vae.precision import layer_precision
from tests.tiny import tiny_images
from tests.tiny import tiny_pipeline


def test_the_layers_compute_in_the_precision_asked_for_and_nothing_else_changes():
    vae = tiny_pipeline(precision="mixed_bfloat16")
    assert vae.stage1.encoder.get_layer("conv0").compute_dtype == "bfloat16"
    assert vae.stage1.encoder.get_layer("mu").compute_dtype == "float32"
    assert keras.config.dtype_policy().name == "float32"


def test_the_policy_comes_back_after_an_error():
    with pytest.raises(KeyError), layer_precision("mixed_float16"):
        raise KeyError
    assert keras.config.dtype_policy().name == "float32"


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_targets_keep_all_their_digits(precision):
    vae = tiny_pipeline(precision=precision)
    x = np.full((2, *vae.config.image_shape), 0.123456789, np.float32)
    np.testing.assert_array_equal(vae.stage1(x)["target"], x)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_trains_saves_and_generates(precision, tmp_path):
    vae = tiny_pipeline(precision=precision)
    vae.fit(tiny_images(), verbose=False)
    vae.save(tmp_path / "run")
    again = type(vae).load(tmp_path / "run")
    assert again.config.precision == precision
    # Compiled with XLA or not, half-width layers round differently.
    np.testing.assert_allclose(again.generate(8, seed=1), vae.generate(8, seed=1), atol=0.01)


def test_an_unknown_precision_is_refused():
    with pytest.raises(ValueError, match="mixed_bfloat16"):
        Config((8, 8, 1), 2, precision="bfloat16")
