"""TF-GAN, made importable, as a reference for our distance."""

import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.statistics import Statistics
from balancing_vae.fid.tfgan import frechet_distance_tfgan
from balancing_vae.fid.tfgan import import_tensorflow_gan


def features(count, dimension, seed):
    """Correlated and skewed, on the scale of Inception's."""
    rng = np.random.default_rng(seed)
    x = rng.gamma(1.0, 0.3, (count, dimension)) + rng.normal(0, 0.1, (count, 8)) @ rng.normal(
        size=(8, dimension)
    )
    return x.astype("float32")


@pytest.mark.filterwarnings("ignore:Only")
@pytest.mark.parametrize(
    ("count", "dimension"), [(4000, 64), (300, 300), (100, 400), (10, 400), (2, 400)]
)
def test_equals_tfgan(count, dimension):
    """To 1e-6, also where there are fewer samples than features."""
    # In float64, because TF-GAN casts its result to the dtype of what it is given.
    first = features(count, dimension, seed=0).astype("float64")
    second = features(count + 5, dimension, seed=1).astype("float64")
    ours = frechet_distance(Statistics.from_features(first), Statistics.from_features(second))
    assert ours == pytest.approx(frechet_distance_tfgan(first, second), rel=1e-6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Only")
@pytest.mark.parametrize("count", [500, 4000])
def test_equals_tfgan_in_2048_dimensions(count):
    first, second = (features(count, 2048, seed=seed).astype("float64") for seed in (0, 1))
    ours = frechet_distance(Statistics.from_features(first), Statistics.from_features(second))
    assert ours == pytest.approx(frechet_distance_tfgan(first, second), rel=1e-6)


def test_float32_features():
    first, second = features(3000, 32, seed=0), features(3000, 32, seed=1)
    ours = frechet_distance(Statistics.from_features(first), Statistics.from_features(second))
    assert ours == pytest.approx(frechet_distance_tfgan(first, second), rel=1e-5)


def test_the_stand_in_module_is_removed():
    tensorflow_gan = import_tensorflow_gan()
    assert tensorflow_gan is import_tensorflow_gan()
    assert not hasattr(tf, "estimator")
    assert "tensorflow_gan.python.estimator" not in sys.modules
    assert getattr(sys.modules.get("tensorflow_hub"), "__file__", "real") is not None


@pytest.mark.slow
def test_imports_without_distutils():
    """As on Python 3.12, where the standard library has none."""
    script = """
import sys
sys.modules["distutils"] = None
import numpy as np
from balancing_vae.fid.tfgan import frechet_distance_tfgan
x = np.random.default_rng(0).normal(size=(50, 3))
assert abs(frechet_distance_tfgan(x, x + 1) - 3) < 1e-9
assert sys.modules["distutils"] is None
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr


def test_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_gan", None)
    with pytest.raises(ImportError, match=r"pip install 'balancing_vae\[tfgan\]'"):
        import_tensorflow_gan()
