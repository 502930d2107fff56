"""The logic of the self-test, on stand-ins, because the real test needs the Inception network."""

import numpy as np
import pytest

from balancing_vae.cli import main
from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.prepared import write_prepared
from balancing_vae.fid import self_test as module
from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.networks import inception_files
from balancing_vae.fid.networks.pixels import Pixels
from balancing_vae.fid.self_test import cifar10
from balancing_vae.fid.self_test import self_test
from balancing_vae.fid.statistics import Statistics
from tests.helpers import stand_ins


class Averages(Pixels):
    """Colour averages as features, so that nothing is slow; large, so that every draw shows."""

    def __call__(self, images, protocol):
        return 100 * images.mean(axis=(1, 2))


@pytest.fixture(scope="module")
def images():
    """As many as CIFAR-10 has, brighter and brighter, so that the order matters."""
    texture = np.random.default_rng(0).integers(0, 50, (32, 32, 3), dtype="uint8")
    return tuple(
        texture + np.linspace(0, 200, n).astype("uint8")[:, None, None, None]
        for n in (50_000, 10_000)
    )


def expected_value(train, test):
    """What torch-fidelity draws, through NumPy alone."""
    sides = []
    for images in (train, test):
        chosen = np.random.RandomState(2020).choice(len(images), 5000, replace=False)
        x = 100 * images[chosen].mean(axis=(1, 2))
        sides.append(Statistics(x.mean(axis=0), np.cov(x, rowvar=False), 5000))
    return frechet_distance(*sides)


def test_draws_its_samples_as_torch_fidelity(images, monkeypatch):
    with pytest.raises(ValueError, match="expected 10.3233274"):
        self_test(*images, Averages())
    expected = expected_value(*images)
    assert expected > 1e-3
    monkeypatch.setattr(module, "EXPECTED", expected)
    assert self_test(*images, Averages()) == pytest.approx(expected, abs=1e-4)
    with pytest.raises(ValueError, match="The self-test measured"):
        self_test(images[0][::-1], images[1], Averages())


def test_wants_cifar10(images):
    with pytest.raises(ValueError, match="The test images are uint8 .* needs CIFAR-10"):
        self_test(images[0], images[1][:50], Averages())


@pytest.fixture
def prepared(images, tmp_path):
    arrays = {split: (x, None) for split, x in zip(("train", "test"), images, strict=True)}
    write_prepared(tmp_path / "cifar10", "cifar10", from_arrays(arrays, {"jpeg": None}))
    return tmp_path / "cifar10"


@pytest.mark.usefixtures("accepted")
def test_command(prepared, images, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(inception_files, "FrozenInception", lambda graph: Averages())
    (tmp_path / "g.pb").write_bytes(stand_ins.graph())
    words = ["fid", "--self-test", str(prepared), "--inception", str(tmp_path / "g.pb")]
    assert main(words) == 2
    assert "expected 10.3233274" in capsys.readouterr().err
    expected = expected_value(*images)
    monkeypatch.setattr(module, "EXPECTED", expected)
    assert main(words) == 0
    output = capsys.readouterr().out
    assert output.startswith("self-test passed: FID, protocol ttur")
    assert float(output.split()[-1]) == pytest.approx(expected, abs=1e-4)


def test_jpeg_round_trip_is_refused(tmp_path):
    arrays = {"test": (np.zeros((2, 32, 32, 3), "uint8"), None)}
    jpeg = {"quality": 75, "subsampling": "4:2:0"}
    write_prepared(tmp_path / "data", "cifar10", from_arrays(arrays, {"jpeg": jpeg}))
    with pytest.raises(ValueError, match="prepared with the JPEG round trip"):
        cifar10(tmp_path / "data")


def test_cifar10_from_its_files(monkeypatch, tmp_path):
    """From the archive, or the download where none is named, through the datasets room."""
    seen = []

    def prepare(name, source, out):
        seen.append((name, source))
        arrays = {
            split: (np.full((n, 32, 32, 3), n, "uint8"), None)
            for split, n in (("train", 5), ("test", 2))
        }
        return write_prepared(out, name, from_arrays(arrays, {}))

    monkeypatch.setattr(module, "prepare", prepare)
    for source in (None, "cifar-10-python.tar.gz"):
        train, test = cifar10(source)
        assert (len(train), len(test)) == (5, 2)
        assert (train == 5).all() and (test == 2).all()
    assert seen == [("cifar10", None), ("cifar10", "cifar-10-python.tar.gz")]
