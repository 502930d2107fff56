"""CIFAR-10 in all its layouts, and pickles that are refused unopened."""

import hashlib
import os
import pickle
import shutil
import tarfile

import numpy as np
import pytest
from PIL import Image

from balancing_vae import datasets
from balancing_vae.datasets import cifar10
from balancing_vae.datasets.published import sources
from tests.helpers.layouts import CIFAR_BATCHES
from tests.helpers.layouts import cifar_arrays
from tests.helpers.layouts import cifar_binary
from tests.helpers.layouts import cifar_python
from tests.helpers.layouts import python2_pickle
from tests.helpers.layouts import tar_gz


@pytest.fixture
def arrays():
    return cifar_arrays()


@pytest.fixture
def python(tmp_path, arrays, monkeypatch):
    """The python version's folder, whose checksums are the published ones for this test."""
    folder, checksums = cifar_python(tmp_path / "source", arrays)
    monkeypatch.setitem(sources()["cifar10"], "batches", checksums)
    return folder


@pytest.fixture
def binary(tmp_path, arrays):
    return cifar_binary(tmp_path / "source", arrays)


def prepare(source, tmp_path, **options):
    return datasets.prepare(
        "cifar10", source, tmp_path / "out", allow_partial=True, workers=1, **options
    )


def assert_holds(prepared, arrays):
    train = [arrays[name] for name in CIFAR_BATCHES[:5]]
    assert np.array_equal(prepared.images("train"), np.concatenate([x for x, _ in train]))
    assert np.array_equal(prepared.labels("train"), np.concatenate([y for _, y in train]))
    assert np.array_equal(prepared.images("test"), arrays["test_batch"][0])
    assert np.array_equal(prepared.labels("test"), arrays["test_batch"][1])
    assert prepared.classes[0] == "airplane" and prepared.classes[9] == "truck"


@pytest.mark.parametrize("version", ["python", "binary"])
@pytest.mark.parametrize("layout", ["folder", "archive", "folder above", "folder of the archive"])
def test_layouts(version, layout, tmp_path, arrays, request):
    folder = request.getfixturevalue(version)
    source = folder
    if layout == "archive":
        source = tar_gz(folder)
    elif layout == "folder above":
        source = folder.parent
    elif layout == "folder of the archive":
        archive = folder.parent / f"cifar-10-{version}.tar.gz"
        tar_gz(folder).rename(archive)
        shutil.rmtree(folder)
        source = folder.parent
    prepared = prepare(source, tmp_path)
    assert_holds(prepared, arrays)
    assert prepared.description["source"]["format"] == version
    assert prepared.description["jpeg"] is None


def test_the_jpeg_round_trip_is_that_of_pillow_and_is_recorded(binary, tmp_path, arrays):
    prepared = prepare(binary, tmp_path, jpeg=True)
    assert prepared.description["jpeg"] == {"quality": 75, "subsampling": "4:2:0"}
    Image.fromarray(arrays["test_batch"][0][1]).save(tmp_path / "x.jpg")
    with Image.open(tmp_path / "x.jpg") as image:
        assert np.array_equal(prepared.images("test")[1], image)
    assert not np.array_equal(prepared.images("test"), arrays["test_batch"][0])


def test_jpeg_round_trip_with_two_workers_is_the_same(binary, tmp_path):
    one = datasets.prepare(
        "cifar10", binary, tmp_path / "one", allow_partial=True, jpeg=True, workers=1
    )
    two = datasets.prepare(
        "cifar10", binary, tmp_path / "two", allow_partial=True, jpeg=True, workers=2
    )
    assert one.description == two.description


def refuses(source, tmp_path, error, match, **options):
    with pytest.raises(error, match=match):
        prepare(source, tmp_path, **options)
    assert not (tmp_path / "out").exists()


def test_a_pickle_with_another_checksum_is_not_opened(python, tmp_path):
    trap = tmp_path / "trapped"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    (python / "data_batch_3").write_bytes(pickle.dumps(Trap()))
    refuses(python, tmp_path, ValueError, "data_batch_3 has the sha256 .* was not opened")
    refuses(tar_gz(python), tmp_path, ValueError, "data_batch_3 has the sha256")
    assert not trap.exists()


def test_only_arrays_are_unpickled_even_with_the_right_checksum(python, tmp_path, monkeypatch):
    trap = tmp_path / "trapped"

    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(trap),)

    data = python2_pickle({b"data": Trap(), b"labels": []})
    (python / "data_batch_1").write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    monkeypatch.setitem(sources()["cifar10"]["batches"], "data_batch_1", digest)
    refuses(python, tmp_path, ValueError, "data_batch_1 is not a batch of CIFAR-10.*mkdir")
    assert not trap.exists()


@pytest.mark.parametrize(
    "batch",
    [
        {b"labels": [1]},
        {b"data": np.zeros((2, 3072), np.uint8), b"labels": [1]},
        {b"data": np.zeros((1, 7), np.uint8), b"labels": [1]},
        [1, 2],
    ],
)
def test_a_pickle_of_something_else(python, tmp_path, batch):
    data = python2_pickle(batch)
    (python / "test_batch").write_bytes(data)
    checksums = sources()["cifar10"]["batches"] | {"test_batch": hashlib.sha256(data).hexdigest()}
    with pytest.raises(ValueError, match="test_batch"):
        cifar10.read(python, allow_partial=True, checksums=checksums)


def test_published_checksums_are_used_by_default(tmp_path, arrays):
    folder, _ = cifar_python(tmp_path / "source", arrays)
    refuses(folder, tmp_path, ValueError, "CIFAR-10's is 54636561a3ce25bd3e19253c6b0d8538")


def test_counts(binary, tmp_path):
    with pytest.raises(ValueError, match="has 15 train images, CIFAR-10 has 50,000"):
        datasets.prepare("cifar10", binary, tmp_path / "out", workers=1)
    assert not (tmp_path / "out").exists()


def test_a_missing_batch(binary, tmp_path):
    (binary / "data_batch_4.bin").unlink()
    refuses(binary, tmp_path, FileNotFoundError, r"lacks data_batch_4\.bin")


def test_a_cut_batch(binary, tmp_path):
    path = binary / "data_batch_2.bin"
    path.write_bytes(path.read_bytes()[:-1])
    refuses(binary, tmp_path, ValueError, r"data_batch_2\.bin has 9,218 bytes")


def test_labels_beyond_nine(binary, tmp_path):
    path = binary / "test_batch.bin"
    path.write_bytes(bytes([11]) + path.read_bytes()[1:])
    refuses(binary, tmp_path, ValueError, r"test_batch\.bin has the label 11")


def test_a_cut_archive(python, tmp_path):
    archive = tar_gz(python)
    archive.write_bytes(archive.read_bytes()[:5000])
    refuses(archive, tmp_path, ValueError, "is not a complete tar archive")


def test_a_file_that_is_not_an_archive_is_refused(tmp_path):
    page = tmp_path / "cifar-10-python.tar.gz"
    page.write_text("<html>")
    refuses(page, tmp_path, ValueError, "is not a complete tar archive")
    with tarfile.open(page, "w:gz"):
        pass
    refuses(page, tmp_path, ValueError, "is not CIFAR-10")


def test_an_empty_source_is_refused(tmp_path):
    refuses(tmp_path / "absent", tmp_path, FileNotFoundError, "absent does not exist")
    (tmp_path / "empty").mkdir()
    refuses(tmp_path / "empty", tmp_path, ValueError, "is not CIFAR-10")
