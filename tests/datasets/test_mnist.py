"""MNIST and Fashion-MNIST as idx and npz, padding, and wrong headers."""

import os
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from balancing_vae import datasets
from balancing_vae.datasets import mnist
from balancing_vae.datasets.mnist import read_idx
from tests.helpers.layouts import idx
from tests.helpers.layouts import mnist_arrays
from tests.helpers.layouts import mnist_idx
from tests.helpers.layouts import random_images


@pytest.fixture
def arrays():
    return mnist_arrays()


def save_npz(path, arrays, trailing=()):
    np.savez(
        path,
        **{f"x_{split}": x.reshape(x.shape + trailing) for split, (x, _) in arrays.items()},
        **{f"y_{split}": y for split, (_, y) in arrays.items()},
    )
    return path


def prepare(source, tmp_path, name="fashion_mnist", **options):
    return datasets.prepare(name, source, tmp_path / "out", allow_partial=True, **options)


def assert_holds(prepared, arrays):
    for split, (images, labels) in arrays.items():
        assert np.array_equal(prepared.images(split), images[..., None])
        assert np.array_equal(prepared.labels(split), labels)
        assert prepared.labels(split).dtype == np.int64


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("joint", ["-", "."])
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx(name, packed, joint, tmp_path, arrays):
    prepared = prepare(mnist_idx(tmp_path, arrays, packed, joint), tmp_path, name)
    assert_holds(prepared, arrays)
    assert prepared.classes == mnist.CLASSES[name] and len(prepared.classes) == 10


@pytest.mark.parametrize("trailing", [(), (1,)])
def test_npz(trailing, tmp_path, arrays):
    assert_holds(prepare(save_npz(tmp_path / "m.npz", arrays, trailing), tmp_path), arrays)


def test_padded_images_can_be_unpadded(tmp_path, arrays):
    prepared = prepare(mnist_idx(tmp_path, arrays), tmp_path, pad=True)
    assert prepared.padding == 2
    padded = prepared.images("train")
    assert padded.shape == (7, 32, 32, 1)
    assert np.array_equal(datasets.unpad(padded, prepared.padding)[..., 0], arrays["train"][0])
    assert padded.sum() == arrays["train"][0].sum()


@settings(max_examples=25, deadline=None)
@given(
    side=st.integers(1, 9),
    margin=st.integers(0, 4),
    channels=st.sampled_from([1, 3]),
    n=st.integers(0, 3),
)
def test_unpad_reverses_pad(side, margin, channels, n):
    images = random_images(n, side, channels)
    padded = datasets.pad(images, margin)
    assert padded.shape == (n, side + 2 * margin, side + 2 * margin, channels)
    assert np.array_equal(datasets.unpad(padded, margin), images)


def test_unpad_refuses_images_without_a_frame():
    with pytest.raises(ValueError, match="no frame of 2 pixels"):
        datasets.unpad(np.zeros((1, 4, 4, 1), np.uint8))


def refuses(source, tmp_path, error, match, **options):
    with pytest.raises(error, match=match):
        prepare(source, tmp_path, **options)
    assert not (tmp_path / "out").exists()


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 4), st.integers(1, 4)),
    told=st.tuples(*[st.integers(0, 2**32 - 1)] * 3),
)
def test_an_idx_header_may_not_lie(tmp_path_factory, shape, told):
    array = np.zeros(shape, np.uint8)
    path = tmp_path_factory.mktemp("idx") / "train-images-idx3-ubyte"
    path.write_bytes(idx(array)[:4] + struct.pack(">3I", *told) + array.tobytes())
    if told[0] * told[1] * told[2] == array.size:
        assert read_idx(path).shape == told
    else:
        with pytest.raises(ValueError, match="train-images-idx3-ubyte declares"):
            read_idx(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x00\x00",
        b"<html>",
        bytes([0, 0, 13, 1, 0, 0, 0, 0]),
        bytes([0, 0, 8, 3, 0, 0]),
        bytes([0, 0, 8, 0, 7]),
    ],
)
def test_not_an_idx_file(tmp_path, arrays, data):
    folder = mnist_idx(tmp_path, arrays)
    (folder / "t10k-labels-idx1-ubyte").write_bytes(data)
    refuses(folder, tmp_path, ValueError, "t10k-labels-idx1-ubyte does not start like an idx file")


def test_cut_gzip(tmp_path, arrays):
    folder = mnist_idx(tmp_path, arrays, packed=True)
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    refuses(folder, tmp_path, ValueError, r"train-images.*\.gz is not a complete gzip file")
    path.write_bytes(b"<html>")
    refuses(folder, tmp_path, ValueError, r"train-images.*\.gz is not a complete gzip file")


def test_missing_file(tmp_path, arrays):
    folder = mnist_idx(tmp_path, arrays)
    (folder / "train-labels-idx1-ubyte").unlink()
    refuses(folder, tmp_path, FileNotFoundError, "train-labels-idx1-ubyte is missing")
    refuses(tmp_path / "absent", tmp_path, FileNotFoundError, "absent does not exist")


def test_pickled_objects_in_an_npz(tmp_path, arrays):
    trap = tmp_path / "trapped"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    arrays["train"] = (np.array([Trap()], dtype=object), arrays["train"][1])
    path = save_npz(tmp_path / "m.npz", arrays)
    refuses(path, tmp_path, ValueError, r"m\.npz is not an \.npz with plain arrays")
    assert not trap.exists()


@pytest.mark.parametrize("text", [b"", b"<html>", b"PK\x03\x04 cut"])
def test_not_an_npz(tmp_path, text):
    (tmp_path / "m.npz").write_bytes(text)
    refuses(tmp_path / "m.npz", tmp_path, ValueError, r"m\.npz is not an \.npz")


def test_npz_without_the_arrays(tmp_path):
    np.savez(tmp_path / "m.npz", x_train=np.zeros(3))
    refuses(tmp_path / "m.npz", tmp_path, ValueError, "x_train, y_train")
    np.save(tmp_path / "m.npy", np.zeros(3))
    refuses(tmp_path / "m.npy", tmp_path, ValueError, r"m\.npy is not an \.npz")


@pytest.mark.parametrize(
    ("images", "labels", "match"),
    [
        (np.zeros((2, 28, 28), np.float32), [1, 2], "expected uint8"),
        (np.zeros((2, 27, 28), np.uint8), [1, 2], "expected uint8"),
        (np.zeros((0, 28, 28), np.uint8), [], "expected uint8"),
        (np.zeros((2, 28, 28), np.uint8), [1], "for 2 images"),
        (np.zeros((2, 28, 28), np.uint8), [1, 10], "from 0 to 9"),
        (np.zeros((2, 28, 28), np.uint8), [1, -1], "from 0 to 9"),
        (np.zeros((2, 28, 28), np.uint8), [1.0, 2.0], "whole number"),
    ],
)
def test_arrays_that_are_something_else(tmp_path, arrays, images, labels, match):
    path = save_npz(tmp_path / "m.npz", arrays | {"test": (images, np.array(labels))})
    refuses(path, tmp_path, ValueError, match)


def test_counts(tmp_path, arrays):
    with pytest.raises(ValueError, match="has 7 images, MNIST has 60,000"):
        datasets.prepare("mnist", mnist_idx(tmp_path, arrays), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_mnist_and_fashion_mnist_are_distinguished(tmp_path, arrays, monkeypatch):
    source = mnist_idx(tmp_path, arrays)
    monkeypatch.setattr(mnist, "COUNTS", {"train": 7, "test": 3})
    with pytest.raises(ValueError, match="does not hold the images of MNIST"):
        datasets.prepare("mnist", source, tmp_path / "out")
    import hashlib

    digest = hashlib.sha256(arrays["train"][0].tobytes()).hexdigest()
    monkeypatch.setitem(datasets.mnist.sources()["mnist"], "train_sha256", digest)
    assert datasets.prepare("mnist", source, tmp_path / "out").counts == {"train": 7, "test": 3}
    with pytest.raises(ValueError, match="holds MNIST, not Fashion-MNIST"):
        datasets.prepare("fashion_mnist", source, tmp_path / "other")
