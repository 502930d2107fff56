"""Weights files that refer to other files, declare more than they hold, or hold no numbers."""

import io
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest

from balancing_vae.files.arrays import load_arrays
from balancing_vae.files.hdf5 import check_model_archive
from balancing_vae.storage.weights import load_weights
from balancing_vae.storage.weights import save_weights
from tests.helpers.pipelines import tiny_pipeline

KERNEL = "encoder/layers/dense/vars/0"


@pytest.fixture(scope="module")
def stage2():
    return tiny_pipeline().stage2


@pytest.fixture
def path(stage2, tmp_path):
    save_weights(tmp_path / "stage2.weights.h5", stage2)
    return tmp_path / "stage2.weights.h5"


def replace(file, array=None, **options):
    """Store the kernel in another way."""
    kernel = file[KERNEL][()]
    del file[KERNEL]
    if array is None and not options.get("external"):
        array = kernel
    if array is not None:
        options["data"] = array
    else:
        options |= {"shape": kernel.shape, "dtype": "f4"}
    file.create_dataset(KERNEL, **options)


def external(file, folder):
    (folder / "secret").write_bytes(bytes(range(64)))
    replace(file, external=[(str(folder / "secret"), 0, 64)])


def virtual(file, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.ones((2, 4), "f4")
    layout = h5py.VirtualLayout((2, 4), "f4")
    layout[:] = h5py.VirtualSource(folder / "other.h5", "x", (2, 4))
    del file[KERNEL]
    file.create_virtual_dataset(KERNEL, layout)


def external_link(file, folder):
    shutil.copy(file.filename, folder / "other.h5")
    del file["encoder"]
    file["encoder"] = h5py.ExternalLink(str(folder / "other.h5"), "/encoder")


def soft_link(file, folder):
    del file[KERNEL]
    file[KERNEL] = h5py.SoftLink("/decoder/layers/dense/vars/0")


def loop(file, folder):
    file["encoder/layers/again"] = file["encoder"]


def second_name(file, folder):
    del file[KERNEL]
    file[KERNEL] = file["decoder/layers/dense/vars/0"]


def huge_and_compressed(file, folder):
    del file[KERNEL]
    file.create_dataset(KERNEL, (50_000, 50_000), "f4", chunks=(1000, 1000), compression="gzip")


def huge_and_empty(file, folder):
    del file[KERNEL]
    file.create_dataset(KERNEL, (50_000, 50_000), "f4")


def never_stored(file, folder):
    del file[KERNEL]
    file.create_dataset(KERNEL, (2, 4), "f4")


def not_a_number(file, folder):
    file[KERNEL][0, 0] = np.nan


def infinite(file, folder):
    file["balancing/vars/0"][()] = np.inf


def words(file, folder):
    replace(file, np.full((2, 4), "a", h5py.string_dtype()))


def complex_numbers(file, folder):
    replace(file, np.ones((2, 4), "c8"))


def transposed(file, folder):
    replace(file, file[KERNEL][()].T.copy())


def one_more(file, folder):
    file["encoder/layers/dense/vars/9"] = np.zeros((2, 4), "f4")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (external, "an array that is in another file"),
        (virtual, "a virtual array"),
        (external_link, r"a link, '/encoder' \(ExternalLink\)"),
        (soft_link, r"a link, .*\(SoftLink\)"),
        (loop, "the same array under two names"),
        (second_name, "the same array under two names"),
        (huge_and_compressed, "an array in chunks, perhaps compressed"),
        (huge_and_empty, "0 bytes of an array of 10,000,000,000"),
        (never_stored, "0 bytes of an array of 32"),
        (not_a_number, f"NaN or infinite values, in '/{KERNEL}'"),
        (infinite, "NaN or infinite values, in '/balancing/vars/0'"),
        (words, "object in place of numbers"),
        (complex_numbers, "complex64 in place of numbers"),
        (transposed, r"weights of another network .*\(1 arrays of shape \(4, 2\) instead of 0\)"),
        (one_more, r"weights of another network .*\(3 arrays of shape \(2, 4\) instead of 2\)"),
    ],
)
def test_hostile_weights_are_refused_and_nothing_is_assigned(stage2, path, tmp_path, edit, message):
    before = stage2.get_weights()
    with h5py.File(path, "r+") as file:
        edit(file, tmp_path)
    with pytest.raises(ValueError, match=f"stage2.weights.h5 holds {message}") as caught:
        load_weights(path, stage2)
    assert "copy it again" in str(caught.value)
    for old, new in zip(before, stage2.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_intact_weights_are_read_whatever_their_values(stage2, path):
    with h5py.File(path, "r+") as file:
        replace(file, np.full((2, 4), 0.5, "f2"))
    load_weights(path, stage2)
    np.testing.assert_array_equal(stage2.encoder.get_layer("fc0").kernel, np.full((2, 4), 0.5))


# Keras's archives.


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    path = tmp_path_factory.mktemp("archive") / "model.keras"
    keras.Sequential([keras.Input((3,)), keras.layers.Dense(2)]).save(path)
    return path


def changed(archive, path, weights=None, **members):
    """Copy an archive with its weights edited and further members."""
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            content = old.read(name)
            if name.endswith(".h5") and weights is not None:
                file = io.BytesIO(content)
                with h5py.File(file, "r+") as opened:
                    weights(opened)
                content = file.getvalue()
            new.writestr(name, content)
        for name, content in members.items():
            new.writestr(name, content)
    return path


def test_a_sound_archive_passes(archive, tmp_path):
    check_model_archive(archive)
    check_model_archive(changed(archive, tmp_path / "copy.keras"))


def test_hostile_archives_are_refused(archive, tmp_path):
    def nan(file):
        file["layers/dense/vars/1"][0] = np.nan

    def link(file):
        file["layers/dense/vars/2"] = h5py.SoftLink("/layers/dense/vars/1")

    for edit, message in ((nan, "NaN or infinite"), (link, "a link")):
        with pytest.raises(ValueError, match=message):
            check_model_archive(changed(archive, tmp_path / "x.keras", edit))
    bomb = changed(archive, tmp_path / "bomb.keras", bomb=bytes(2**28))
    with pytest.raises(ValueError, match="bytes, more than a file of this size can"):
        check_model_archive(bomb)


# Archives of arrays.


def forged(path, shape, stored=64):
    """Write an .npz whose one array claims a shape that it has not."""
    header = io.BytesIO()
    description = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, description)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.npy", header.getvalue() + bytes(stored))
    return path


def test_arrays_that_claim_missing_data_are_refused(tmp_path):
    path = tmp_path / "arrays.npz"
    np.testing.assert_array_equal(load_arrays(forged(path, (16,)))["a"], np.zeros(16))
    for shape in ((2**40,), (10**9, 10**9, 10**9), (15,), (17,)):
        with pytest.raises(ValueError, match="arrays.npz is damaged: a.npy declares"):
            load_arrays(forged(path, shape))


def test_arrays_larger_than_they_can_be_are_refused(tmp_path):
    path = forged(tmp_path / "arrays.npz", (2**26,), stored=2**28)
    assert path.stat().st_size < 2**20
    with pytest.raises(ValueError, match="declare 268,435,456 bytes, more than"):
        load_arrays(path)
    with pytest.raises(ValueError, match="declare 64 bytes, more than the 63"):
        load_arrays(forged(path, (16,)), most=63)
