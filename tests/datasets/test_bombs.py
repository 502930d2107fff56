"""Archives and arrays that declare or unpack to too much are refused without being read."""

import bz2
import contextlib
import gzip
import io
import os
import struct
import subprocess
import sys
import tarfile
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest

from balancing_vae import datasets
from balancing_vae.cli.data import open_split
from balancing_vae.datasets import cifar10
from balancing_vae.datasets.bounded import gunzip
from balancing_vae.datasets.bounded import read_tar
from balancing_vae.datasets.files import find_images
from balancing_vae.datasets.files import open_files
from balancing_vae.datasets.npy import open_npy
from balancing_vae.errors import InputError
from balancing_vae.fid.files import open_images
from balancing_vae.fid.networks.inception_files import load_inception
from balancing_vae.files.arrays import load_arrays
from tests.helpers.layouts import cifar_arrays
from tests.helpers.layouts import cifar_binary
from tests.helpers.layouts import face
from tests.helpers.layouts import jpeg
from tests.helpers.layouts import mnist_arrays
from tests.helpers.layouts import mnist_idx

ZEROS = bytes(2**20)


def refuses(name, source, tmp_path, match, **options):
    with pytest.raises(ValueError, match=match):
        datasets.prepare(name, source, tmp_path / "out", allow_partial=True, **options)
    assert not (tmp_path / "out").exists()


def bomb_gz(path, megabytes, before=b""):
    with gzip.open(path, "wb", compresslevel=9) as file:
        file.write(before)
        for _ in range(megabytes):
            file.write(ZEROS)
    return path


def test_gzip_bombs(tmp_path, monkeypatch):
    folder = mnist_idx(tmp_path, mnist_arrays(), packed=True)
    bomb_gz(folder / "train-images-idx3-ubyte.gz", 60)
    match = r"train-images-idx3-ubyte\.gz unpacks to more than .* 47,040,016 bytes"
    refuses("fashion_mnist", folder, tmp_path, match)


def test_a_large_idx_file_is_not_read(tmp_path):
    folder = mnist_idx(tmp_path, mnist_arrays())
    with (folder / "t10k-images-idx3-ubyte").open("ab") as file:
        file.truncate(10**10)
    match = r"t10k-images-idx3-ubyte has 10,000,000,000 bytes; at most 47,040,016 were expected"
    refuses("fashion_mnist", folder, tmp_path, match)


def tar_of(path, members, mode="w:gz", **changes):
    with tarfile.open(path, mode) as archive:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            for key, value in changes.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(data))
    return path


def header(name, size, kind=b"0"):
    """The 512 bytes of a member's header, whatever follows it."""
    info = tarfile.TarInfo(name)
    info.size, info.type = size, kind
    return info.tobuf(tarfile.GNU_FORMAT)


@pytest.mark.parametrize(
    "kind", [b"0", b"x", b"L", b"g"], ids=["file", "pax", "long name", "global"]
)
@pytest.mark.parametrize("name", ["data_batch_1", "other"])
def test_tar_members_that_claim_too_much(tmp_path, kind, name, monkeypatch):
    monkeypatch.setattr(cifar10, "LARGEST_ARCHIVE", 10_000_000)
    path = bomb_gz(tmp_path / "cifar-10-python.tar.gz", 12, header(name, 2**40, kind))
    refuses("cifar10", path, tmp_path, "unpacks to more than .* 10,000,000 bytes")


def test_the_bound_on_a_tar_applies_to_all_members_together(tmp_path):
    path = tar_of(tmp_path / "a.tar.gz", [("a", ZEROS), ("b", ZEROS), ("c", b"c")])
    assert read_tar(path, {"c"}, 3 * len(ZEROS)) == {"c": b"c"}
    with pytest.raises(ValueError, match="unpacks to more than .* 2,000,000 bytes"):
        read_tar(path, {"c"}, 2_000_000)


def test_an_uncompressed_tar_is_read_and_other_members_are_ignored(tmp_path):
    path = tar_of(tmp_path / "a.tar", [("x/a", b"1"), ("b", b"2")], mode="w")
    assert read_tar(path, {"a", "z"}, 100_000) == {"a": b"1"}
    link = tarfile.TarInfo("a")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    with tarfile.open(tmp_path / "l.tar", "w") as archive:
        archive.addfile(link)
    assert read_tar(tmp_path / "l.tar", {"a"}, 100_000) == {}


def test_a_batch_that_is_too_large(tmp_path):
    folder = cifar_binary(tmp_path / "source", cifar_arrays())
    with (folder / "data_batch_2.bin").open("ab") as file:
        file.truncate(33_000_000)
    refuses("cifar10", folder, tmp_path, r"data_batch_2\.bin has 33,000,000 bytes; at most")


def test_inception_bombs(tmp_path):
    name = "classify_image_graph_def.pb"
    path = bomb_gz(tmp_path / "inception.tgz", 1, header(name, 2**40))
    with pytest.raises(ValueError, match="inception.tgz unpacks to more than .* 97,673,916 bytes"):
        load_inception(path)
    with (tmp_path / name).open("wb") as file:
        file.truncate(10**10)
    with pytest.raises(ValueError, match="has 10,000,000,000 bytes; at most 95,673,916.*On a mach"):
        load_inception(tmp_path / name)


def lying_zip(path, name, data, declared):
    """A zip whose entry unpacks to `data` but says it has `declared` bytes."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
    content = bytearray(path.read_bytes())
    for signature, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        start = content.find(signature) + place
        content[start : start + 4] = struct.pack("<I", declared)
    path.write_bytes(content)
    return path


def test_zip_bombs(tmp_path):
    path = lying_zip(tmp_path / "a.zip", "a.png", ZEROS, 4 * 10**9)
    match = r"a\.png \(it declares 4,000,000,000 unpacked bytes; at most 358,913,940 were"
    with pytest.raises(ValueError, match=match):
        datasets.prepare("folder", path, tmp_path / "out", side=8, workers=1)
    path = lying_zip(tmp_path / "b.zip", "a.png", ZEROS, 100)
    with pytest.raises(ValueError, match=r"a\.png \(Bad CRC-32"):
        datasets.prepare("folder", path, tmp_path / "out", side=8, workers=1)


def test_no_more_is_unpacked_than_an_entry_says(tmp_path):
    """zipfile without a length would unpack all 300 MB to see whether it is right."""
    path = tmp_path / "a.zip"
    options = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 1}
    with zipfile.ZipFile(path, "w", **options) as archive, archive.open("a", "w") as file:
        for _ in range(300):
            file.write(ZEROS)
    content = bytearray(path.read_bytes())
    start = content.find(b"PK\1\2") + 24
    content[start : start + 4] = struct.pack("<I", 1000)
    path.write_bytes(content)
    code = f"""
        from pathlib import Path
        from balancing_vae.datasets.files import open_files
        try:
            open_files(Path({str(path)!r})).read("a", 10**9)
        except ValueError:
            status = dict(line.split(":", 1) for line in open("/proc/self/status"))
            print(int(status["VmHWM"].split()[0]) // 1024)
    """
    words = [sys.executable, "-c", textwrap.dedent(code)]
    process = subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parents[2])
    assert int(process.stdout) < 200, process.stderr


def test_other_compressions_are_refused(tmp_path):
    """Python unpacks bzip2 and LZMA by the block, whatever a block holds."""
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        path = tmp_path / f"{method}.zip"
        with zipfile.ZipFile(path, "w", method) as archive:
            archive.writestr("a.jpg", jpeg(face(1, 8, 8)))
        with pytest.raises(ValueError, match=r"a\.jpg \(it is not compressed with deflate; unpack"):
            datasets.prepare("folder", path, tmp_path / "out", side=8, workers=1)
    (tmp_path / "a.tar.bz2").write_bytes(bz2.compress(ZEROS))
    refuses("cifar10", tmp_path / "a.tar.bz2", tmp_path, "is not a complete tar archive")


def test_an_encrypted_entry(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jpg", jpeg(face(1, 8, 8)))
    content = bytearray(path.read_bytes())
    for signature, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.find(signature) + place] |= 1
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.jpg \(it is encrypted"):
        datasets.prepare("folder", path, tmp_path / "out", side=8, workers=1)


def npy(description):
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, description)
    return file.getvalue()


HUGE = {"descr": "|u1", "fortran_order": False, "shape": (10**12, 28, 28)}


def test_npz_bombs(tmp_path):
    arrays = mnist_arrays()
    path = tmp_path / "m.npz"
    kept = {f"{kind}_{s}": a for s in arrays for kind, a in zip("xy", arrays[s], strict=True)}
    np.savez_compressed(path, **kept | {"x_test": np.zeros(100 * 2**20, np.uint8)})
    refuses("fashion_mnist", path, tmp_path, r"m\.npz .*declare 104,8\d\d,\d\d\d bytes, more than")
    np.savez(path, **{key: value for key, value in kept.items() if key != "x_test"})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("x_test.npy", npy(HUGE))
    refuses("fashion_mnist", path, tmp_path, r"m\.npz is not an \.npz with plain arrays")
    np.savez(path, **{key: value for key, value in kept.items() if key != "x_test"})
    refuses("fashion_mnist", path, tmp_path, r"\('x_test'\); download it again")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.npy", npy(HUGE | {"shape": (1,)}) + b"1")
    with pytest.raises(ValueError, match="a.npy is packed in a way that NumPy does not write"):
        load_arrays(path)


DAMAGED_NPY = {
    "nothing": b"",
    "half a header": b"\x93NUMPY\x01\x00v\x00{'descr'",
    "no header": b"\x93NUMPY\x01\x00\x05\x00abcde",
    "not Python": b"\x93NUMPY\x01\x00\x0a\x00((((((((((",
    "unclosed text": b"\x93NUMPY\x01\x00\x0a\x00{'''''''''",
    "huge": npy(HUGE),
    "overflowing": npy(HUGE | {"shape": (2**62, 2**62)}),
    "negative": npy(HUGE | {"shape": (-1, 4, 4)}),
    "objects": npy(HUGE | {"descr": "|O", "shape": (1,)}),
    "no type": npy(HUGE | {"descr": "nonsense", "shape": (1,)}),
    "zip": b"PK\x03\x04",
    "text": b"<html>",
}


@pytest.mark.parametrize("name", DAMAGED_NPY)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_damaged_npy_files_are_named(tmp_path, name):
    path = tmp_path / "x.npy"
    path.write_bytes(DAMAGED_NPY[name])
    for read in (open_npy, open_images, lambda path: open_split(path, None, "train")):
        with pytest.raises(ValueError, match=r"x\.npy is not a complete array of plain .* \(."):
            read(path)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("x_train.npy", DAMAGED_NPY[name])
    match = r"x\.npz is not an \.npz with plain arrays x_train"
    refuses("fashion_mnist", tmp_path / "x.npz", tmp_path, match)


def test_whole_arrays_are_read(tmp_path):
    array = np.arange(24, dtype=np.int16).reshape(2, 3, 4)
    np.save(tmp_path / "a.npy", array)
    np.testing.assert_array_equal(open_npy(tmp_path / "a.npy"), array)
    np.save(tmp_path / "empty.npy", array[:0])
    assert open_npy(tmp_path / "empty.npy").shape == (0, 3, 4)


@pytest.mark.parametrize("cut", range(1, 400, 23))
def test_cut_archives_are_named(tmp_path, cut):
    picture = jpeg(face(1, 8, 8))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.jpg", picture)
    tar_of(tmp_path / "a.tar.gz", [("data_batch_1", picture)])
    (tmp_path / "a.gz").write_bytes(gzip.compress(os.urandom(500)))
    for name in ("a.zip", "a.tar.gz", "a.gz"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(ValueError, match="a.zip is not a complete zip archive"):
        open_files(tmp_path / "a.zip")
    with pytest.raises(ValueError, match="a.tar.gz is not a complete tar archive"):
        read_tar(tmp_path / "a.tar.gz", {"data_batch_1"}, 10**6)
    with pytest.raises(ValueError, match="a.gz is not a complete gzip file"):
        gunzip(tmp_path / "a.gz", 10**6)


def write_archives(folder):
    """Write one archive of each kind."""
    picture = jpeg(face(1, 8, 8))
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/a.jpg", picture)
        archive.writestr("\u00e9.jpg", picture)
    members = [("data_batch_1", picture), ("\u00e9" * 120, picture)]
    tar_of(folder / "a.tar", members, mode="w")
    tar_of(folder / "a.tar.gz", members)
    (folder / "a.gz").write_bytes(gzip.compress(picture))
    np.save(folder / "a.npy", np.arange(24).reshape(2, 3, 4))


def read_zip(path):
    files = open_files(path)
    for name in find_images(files)[0]:
        with contextlib.suppress(InputError):  # without the archive's name, for the caller
            files.read(name, 10**6)


READERS = {
    "a.zip": read_zip,
    "a.tar": lambda path: read_tar(path, {"data_batch_1"}, 10**6),
    "a.tar.gz": lambda path: read_tar(path, {"data_batch_1"}, 10**6),
    "a.gz": lambda path: gunzip(path, 10**6),
    "a.npy": lambda path: open_npy(path).sum(),
}


@pytest.mark.parametrize("name", READERS)
def test_a_missing_permission_is_not_reported_as_damage(tmp_path, monkeypatch, name):
    write_archives(tmp_path)

    def closed(path, *arguments, **keywords):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "open", closed)
    with pytest.raises(PermissionError, match=name):
        READERS[name](tmp_path / name)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
def test_random_damage_to_archives_is_read_or_refused(tmp_path, name):
    write_archives(tmp_path)
    read = READERS[name]
    read(tmp_path / name)
    whole = (tmp_path / name).read_bytes()
    random = np.random.default_rng(0)
    for number in range(200):
        damaged = bytearray(whole)
        for _ in range(random.choice([1, 2, 8])):
            damaged[random.integers(len(damaged))] = random.integers(256)
        # A name for each: a map of a file that shrinks under it would end the process.
        path = tmp_path / f"{number}{name}"
        path.write_bytes(damaged[: random.integers(len(damaged))] if number % 4 == 0 else damaged)
        try:
            read(path)
        except InputError as error:
            assert str(path) in str(error)
