"""Features of a Keras model file, and the small classifier that this package trains."""

import shutil

import keras
import numpy as np
import pytest
from sklearn.datasets import load_digits

from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.prepared import write_prepared
from balancing_vae.fid.features import extract
from balancing_vae.fid.networks import classifier
from balancing_vae.fid.networks.classifier import Classifier
from balancing_vae.fid.networks.classifier import train_classifier
from balancing_vae.fid.protocols import PROTOCOLS
from balancing_vae.fid.scoring import load_network


@pytest.fixture(scope="module")
def digits():
    data = load_digits()
    return (data.images * 255 / 16).astype("uint8")[..., None], data.target


@pytest.fixture(scope="module")
def path(digits, tmp_path_factory):
    path = tmp_path_factory.mktemp("classifier") / "digits.keras"
    accuracy = train_classifier(*digits, path, epochs=8)
    assert accuracy > 0.9
    return path


def test_features_are_what_the_head_is_given(digits, path):
    images, _ = digits
    network = Classifier(path)
    features = np.concatenate(list(extract(images, network, "asperti2020")))
    assert features.shape == (1792, 64)
    model = keras.saving.load_model(path)
    expected = model.predict(images[:1792] / 255, verbose=0)
    kernel, bias = model.layers[-1].get_weights()
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(keras.ops.softmax(features @ kernel + bias)),
        expected,
        rtol=1e-4,
        atol=1e-6,
    )
    assert network.distance_name == "FD(classifier:digits)"
    assert len(network.sha256) == 64


@pytest.mark.slow
def test_training_is_reproducible(digits, tmp_path):
    images, labels = digits
    weights = []
    for name in ("a", "b"):
        keras.utils.set_random_seed(hash(name) % 1000)
        train_classifier(images[:300], labels[:300], tmp_path / f"{name}.keras", epochs=2, seed=7)
        weights.append(keras.saving.load_model(tmp_path / f"{name}.keras").get_weights())
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_images_that_do_not_fit(path):
    network = Classifier(path)
    protocol = PROTOCOLS["ttur"]
    with pytest.raises(ValueError, match=r"takes images of shape \(8, 8, 1\), these have"):
        network(np.zeros((2, 9, 8, 3), "float32"), protocol)
    color = np.arange(2 * 8 * 8 * 3, dtype="float32").reshape(2, 8, 8, 3)
    with pytest.raises(ValueError, match="takes grey images, these have colours"):
        network(color, protocol)


def test_files_that_are_not_models_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a Keras model"):
        Classifier(tmp_path / "absent.keras")
    (tmp_path / "broken.keras").write_bytes(b"PK")
    with pytest.raises(ValueError, match="is not a functional or sequential Keras model"):
        Classifier(tmp_path / "broken.keras")


def test_classifier_of_a_dataset_is_trained_once(digits, tmp_path, monkeypatch):
    images, labels = digits
    folder = tmp_path / "mnist"
    write_prepared(folder, "mnist", from_arrays({"train": (images[:200], None)}, {}))
    with pytest.raises(ValueError, match="mnist has no labels to train a classifier on"):
        load_network(f"classifier:{folder}")
    arrays = {"train": (images[:200], labels[:200])}
    contents = from_arrays(arrays, {"classes": list("0123456789")})
    write_prepared(folder, "mnist", contents, overwrite=True)
    network = load_network(f"classifier:{folder}")
    assert network.distance_name == "FD(classifier:mnist)"
    monkeypatch.setattr(classifier, "train_classifier", None)
    assert load_network(f"classifier:{folder}").sha256 == network.sha256


def test_a_cache_that_cannot_be_written_causes_a_warning(digits, path, tmp_path, monkeypatch):
    images, labels = digits
    monkeypatch.setattr(
        classifier, "train_classifier", lambda x, y, target: shutil.copyfile(path, target)
    )
    arrays = {"train": (images[:200], labels[:200])}
    contents = from_arrays(arrays, {"classes": list("0123456789")})
    write_prepared(tmp_path / "mnist", "mnist", contents)
    cache = tmp_path / "no-folder"
    cache.write_text("a file where the cache should be")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    with pytest.warns(UserWarning, match="classifier cannot be kept in the cache"):
        network = load_network(f"classifier:{tmp_path / 'mnist'}")
    assert network.distance_name == "FD(classifier:mnist)"
    gray = np.repeat(images[:3].astype("float32"), 3, axis=-1)
    assert network(gray, PROTOCOLS["ttur"]).shape == (3, 64)


def test_labels_must_fit(digits, tmp_path):
    images, labels = digits
    with pytest.raises(ValueError, match="expected uint8"):
        train_classifier(images, labels[:5], tmp_path / "x.keras")
