"""SHA256SUMS: the files that it lists, and the ones that it refuses."""

import shutil
import subprocess

import pytest

from balancing_vae.files.checksums import CHECKSUMS
from balancing_vae.files.checksums import check_checksums
from balancing_vae.files.checksums import read_checksums
from balancing_vae.files.checksums import write_checksums


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "samplers").mkdir()
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "samplers" / "b.npz").write_bytes(b"b")
    (tmp_path / ".hidden").write_text("not listed")
    write_checksums(tmp_path)
    return tmp_path


def test_every_file_is_listed(folder):
    assert check_checksums(folder) == ["a.txt", "samplers/b.npz"]
    # `printf a | sha256sum`
    a = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
    assert read_checksums(folder)["a.txt"] == a


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="coreutils are not here")
def test_coreutils_accepts_the_file(folder):
    command = ["sha256sum", "--check", "--strict", CHECKSUMS]
    assert subprocess.run(command, cwd=folder, capture_output=True).returncode == 0
    (folder / "a.txt").write_text("b")
    assert subprocess.run(command, cwd=folder, capture_output=True).returncode == 1


def test_every_wrong_file_is_named(folder):
    (folder / "a.txt").write_text("changed")
    (folder / "samplers" / "b.npz").unlink()
    (folder / "c.txt").write_text("new")
    with pytest.raises(ValueError) as error:
        check_checksums(folder)
    for words in ("a.txt has another sha256", "samplers/b.npz is missing", "c.txt is not listed"):
        assert words in str(error.value)


def test_only_the_named_files_are_summed_again(folder):
    (folder / "a.txt").write_text("changed")
    (folder / "samplers" / "b.npz").write_bytes(b"damaged")
    write_checksums(folder, ["a.txt"])
    with pytest.raises(ValueError, match=r"SHA256SUMS: samplers/b\.npz has another sha256;"):
        check_checksums(folder)


@pytest.mark.parametrize("name", ["../a.txt", "/etc/passwd", "x/../../a.txt", "C:a.txt"])
def test_a_name_that_leads_out_of_the_folder_is_refused(folder, name):
    (folder / CHECKSUMS).write_text(f"{'0' * 64}  {name}\n")
    with pytest.raises(ValueError, match="is outside the folder"):
        read_checksums(folder)


@pytest.mark.parametrize("text", [b"half a li", b"0123  a.txt\n", b"\xff\xfe", b"{}\n"])
def test_a_damaged_list_is_refused(folder, text):
    (folder / CHECKSUMS).write_bytes(text)
    with pytest.raises(ValueError, match="damaged"):
        check_checksums(folder)


def test_a_folder_without_a_list(tmp_path):
    with pytest.raises(FileNotFoundError, match="without it the folder cannot be checked"):
        check_checksums(tmp_path)
