"""The tool for compact archives, on tiny archives and, if present, on the real ones."""

import hashlib
import os
from pathlib import Path

import compact_archives
import numpy as np
import pytest

from balancing_vae import datasets
from tests.helpers.layouts import face
from tests.helpers.layouts import jpeg

DATA = os.environ.get("BALANCING_VAE_DATA")
needs_data = pytest.mark.skipif(
    not DATA, reason="BALANCING_VAE_DATA names no folder with the compact archives"
)


def compact(path, images, **extra):
    files = [jpeg(image) for image in images]
    # All files share what stands before the data of the scan.
    header = os.path.commonprefix(files)
    pieces = [file[len(header) : -2] for file in files]
    np.savez(
        path,
        header=np.frombuffer(header, np.uint8),
        data=np.frombuffer(b"".join(pieces), np.uint8),
        length=np.array([len(piece) for piece in pieces], np.uint16),
        **extra,
    )


def run(name, folder, out, *options):
    return compact_archives.main([name, str(folder), "--out", str(out), *options])


def test_cifar10(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    images = [face(n, 32, 32) for n in range(4)]
    compact(source / "train.npz", images[:3], labels=np.arange(3))
    compact(source / "test.npz", images[3:] * 2, labels=np.array([7, 8]))
    assert run("cifar10", source, tmp_path / "out") == 0
    prepared = datasets.open_prepared(tmp_path / "out")
    assert np.array_equal(prepared.images("train"), datasets.jpeg_round_trip(np.stack(images[:3])))
    assert prepared.labels("test").tolist() == [7, 8]
    assert prepared.description["jpeg"] == {"quality": 75, "subsampling": "4:2:0"}


def test_celeba(tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    compact(source / "images.npz", [face(n, 89, 109) for n in range(20)])
    assert run("celeba", source, tmp_path / "out") == 0
    prepared = datasets.open_prepared(tmp_path / "out")
    assert prepared.counts == {"train": 16, "val": 2, "test": 2}
    assert prepared.image_shape == (64, 64, 3)


def test_damaged_archives(tmp_path, capsys):
    assert run("celeba", tmp_path, tmp_path / "out") == 2
    assert "images.npz does not exist" in capsys.readouterr().err
    np.savez(tmp_path / "images.npz", data=np.zeros(3, np.uint8))
    assert run("celeba", tmp_path, tmp_path / "out") == 2
    assert "it lacks ['header', 'length']" in capsys.readouterr().err
    length = np.array([4], np.uint16)
    np.savez(tmp_path / "images.npz", header=length, data=length, length=length)
    assert run("celeba", tmp_path, tmp_path / "out") == 2
    assert "do not add up" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@needs_data
def test_the_real_cifar10(tmp_path):
    assert run("cifar10", Path(DATA) / "cifar10-jpeg", tmp_path / "out") == 0
    splits = datasets.open_prepared(tmp_path / "out").description["splits"]
    assert splits["train"]["sha256"].startswith("bf3aabd52be912da")
    assert splits["test"]["sha256"].startswith("5a6aa8185204d80b")
    np.testing.assert_allclose(splits["train"]["mean"], [0.49125, 0.48209, 0.44652], atol=5e-6)
    np.testing.assert_allclose(splits["train"]["std"], [0.24523, 0.24278, 0.26063], atol=5e-6)


@needs_data
def test_the_real_mnist(tmp_path):
    source = Path(DATA) / "mnist" / "mnist.npz"
    prepared = datasets.prepare("mnist", source, tmp_path / "out")
    header = bytes.fromhex("00000803 0000ea60 0000001c 0000001c")
    digest = hashlib.md5(header + prepared.images("train").tobytes()).hexdigest()
    assert digest == "6bbc9ace898e44ae57da46a324031adb"  # of train-images-idx3-ubyte
    header = bytes.fromhex("00000801 00002710")
    labels = prepared.labels("test").astype(np.uint8).tobytes()
    assert hashlib.md5(header + labels).hexdigest() == "27ae3e4e09519cfbb04c329615203637"
    with pytest.raises(ValueError, match="holds MNIST, not Fashion-MNIST"):
        datasets.prepare("fashion_mnist", source, tmp_path / "other")


@needs_data
def test_the_real_faces(tmp_path):
    assert run("celeba", Path(DATA) / "celeba-subset", tmp_path / "out") == 0
    assert datasets.load("celeba", "train", tmp_path / "out").shape == (8034, 64, 64, 3)
