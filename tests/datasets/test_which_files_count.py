"""`prepare folder` and `fid` accept the same files as images, and count the others."""

import os
import threading
import zipfile

import numpy as np
import pytest
from PIL import Image

from balancing_vae import datasets
from balancing_vae.cli import main
from balancing_vae.datasets.files import find_images
from balancing_vae.datasets.files import in_words
from balancing_vae.datasets.files import open_files
from balancing_vae.fid.files import ImageFolder
from tests.helpers.layouts import face
from tests.helpers.layouts import jpeg
from tests.helpers.processes import HANG

PICTURES = [jpeg(face(n, 8, 8)) for n in range(4)]


@pytest.fixture
def folder(tmp_path):
    """Two images, a.jpg and sub/b.jpg."""
    folder = tmp_path / "source"
    (folder / "sub").mkdir(parents=True)
    (folder / "a.jpg").write_bytes(PICTURES[0])
    (folder / "sub" / "b.jpg").write_bytes(PICTURES[1])
    return folder


def found(folder, match=None):
    """Return names and what was passed over, the same for both commands."""
    names, passed_over = find_images(open_files(folder))
    if passed_over:
        with pytest.warns(UserWarning, match=f"passed over: {in_words(passed_over)}"):
            images = ImageFolder(folder)
    else:
        images = ImageFolder(folder)
    assert images.names == names and images.passed_over == passed_over
    prepared = datasets.prepare(
        "folder", folder, folder.parent / "out", overwrite=True, side=8, workers=1
    )
    assert sum(prepared.counts.values()) == len(names)
    assert prepared.description["passed_over"] == passed_over
    return names, passed_over


def within_time(function, *arguments):
    """Return what a function gives; fail where it hangs."""
    result = []
    thread = threading.Thread(target=lambda: result.append(function(*arguments)), daemon=True)
    thread.start()
    thread.join(HANG)
    assert result, "it hangs"
    return result[0]


def test_other_endings_are_counted(folder):
    for name in ("1.heic", "2.HEIC", "sub/3.heic", "README", "x.eps", "x.h5", "notes.txt"):
        (folder / name).write_bytes(PICTURES[2])
    (folder / "C.JPeG").write_bytes(PICTURES[2])
    names, passed_over = found(folder)
    assert names == ["C.JPeG", "a.jpg", "sub/b.jpg"]
    others = {".heic": 3, ".eps": 1, ".h5": 1, ".txt": 1, "without an ending": 1}
    assert passed_over == others
    assert in_words(passed_over) == "3 .heic, 1 .eps, 1 .h5, 1 .txt, 1 without an ending"


def test_hidden_files_and_folders_are_skipped(folder):
    for name in (".ipynb_checkpoints/a-checkpoint.jpg", "sub/.git/c.jpg", "._a.jpg", ".DS_Store"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(PICTURES[2])
    names, passed_over = found(folder)
    assert names == ["a.jpg", "sub/b.jpg"]
    assert passed_over == {"hidden": 4}


def test_links_are_followed(folder, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "c.jpg").write_bytes(PICTURES[2])
    (folder / "linked").symlink_to(elsewhere)
    (folder / "d.jpg").symlink_to(elsewhere / "c.jpg")
    names, passed_over = found(folder)
    assert names == ["a.jpg", "d.jpg", "linked/c.jpg", "sub/b.jpg"] and not passed_over
    np.testing.assert_array_equal(ImageFolder(folder)[1:3][0], ImageFolder(folder)[1:3][1])


def test_circular_and_broken_links_are_skipped(folder):
    (folder / "sub" / "up").symlink_to(folder)
    (folder / "again").symlink_to(folder / "sub")
    (folder / "self.jpg").symlink_to(folder / "self.jpg")
    (folder / "gone.jpg").symlink_to(folder / "absent.jpg")
    names, passed_over = within_time(lambda: find_images(open_files(folder)))
    assert names == ["a.jpg", "sub/b.jpg"]
    assert passed_over == {"links to folders that count already": 2, "links to nothing": 2}
    found(folder)


def test_many_links_between_folders_do_not_multiply(tmp_path):
    """Without a guard these are 12! ways through 12 folders."""
    folders = [tmp_path / "source" / f"{n:02}" for n in range(12)]
    for one in folders:
        one.mkdir(parents=True)
        (one / "a.jpg").write_bytes(PICTURES[0])
    for one in folders:
        for other in folders:
            if one != other:
                (one / other.name).symlink_to(other)
    names, passed_over = within_time(lambda: find_images(open_files(tmp_path / "source")))
    assert len(names) == 12
    assert passed_over == {"links to folders that count already": 12 * 11}


def test_a_pipe_is_skipped(folder):
    os.mkfifo(folder / "pipe.jpg")
    (folder / "link.jpg").symlink_to(folder / "pipe.jpg")
    names, passed_over = within_time(lambda: find_images(open_files(folder)))
    assert names == ["a.jpg", "sub/b.jpg"]
    assert passed_over == {"pipes, devices or sockets": 2}
    found(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a device")
def test_a_link_to_a_device_is_skipped(folder, tmp_path):
    try:
        os.mknod(tmp_path / "zero", 0o600 | 0o020000, os.makedev(1, 5))  # as /dev/zero
    except PermissionError:
        pytest.skip("devices cannot be made here")
    (folder / "endless.jpg").symlink_to(tmp_path / "zero")
    names, passed_over = within_time(lambda: find_images(open_files(folder)))
    assert names == ["a.jpg", "sub/b.jpg"]
    assert passed_over == {"pipes, devices or sockets": 1}


@pytest.mark.parametrize("name", ["s.zip", "s.tar.gz", "s.npy", "s.npz", "s.jpg"])
def test_a_pipe_as_the_source_is_refused(tmp_path, name):
    os.mkfifo(tmp_path / name)
    for words in (
        ["datasets", "prepare", "folder", "--side", "8"],
        ["datasets", "prepare", "cifar10"],
        ["datasets", "prepare", "mnist"],
        ["datasets", "prepare", "celeba"],
    ):
        words = [*words, "--source", str(tmp_path / name), "--out", str(tmp_path / "out")]
        assert within_time(main, words) == 2
    assert not (tmp_path / "out").exists()


def test_the_last_of_two_equal_entries_of_a_zip(tmp_path):
    path = tmp_path / "twice.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photos/a.jpg", PICTURES[0])
        archive.writestr("photos\\b.jpg", PICTURES[1])
        with pytest.warns(UserWarning, match="Duplicate name"):
            archive.writestr("photos/a.jpg", PICTURES[2])
        archive.writestr("photos/b.jpg", PICTURES[3])
        archive.writestr("photos/c.jpg", "../../a.jpg")
        archive.getinfo("photos/c.jpg").external_attr = 0o120777 << 16  # a link
    names, passed_over = find_images(open_files(path))
    assert names == ["photos/a.jpg", "photos/b.jpg"]
    assert passed_over == {
        "links inside the zip": 1,
        "zip entries with a later one of the same name": 2,
    }
    prepared = datasets.prepare("folder", path, tmp_path / "out", side=8, workers=1)
    for image, data in zip(prepared.images("train"), PICTURES[2:], strict=True):
        (tmp_path / "expected.jpg").write_bytes(data)
        np.testing.assert_array_equal(image, Image.open(tmp_path / "expected.jpg"))


def test_hidden_entries_of_a_zip(tmp_path):
    path = tmp_path / "mac.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("photos/a.jpg", PICTURES[0])
        for name in ("__MACOSX/photos/._a.jpg", "photos/.ipynb_checkpoints/a.jpg", "photos/x.heic"):
            archive.writestr(name, b"shadow")
    assert find_images(open_files(path)) == (["photos/a.jpg"], {"hidden": 2, ".heic": 1})


def test_a_source_without_images_is_refused(tmp_path):
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.heic").write_bytes(PICTURES[0])
    with pytest.raises(ValueError, match=r"no images; passed over: 1 \.heic; give .*\.jpeg"):
        datasets.prepare("folder", tmp_path / "source", tmp_path / "out", side=8)
    with pytest.raises(FileNotFoundError, match=r"holds no image file, only 1 \.heic"):
        ImageFolder(tmp_path / "source")


def test_both_commands_report_skipped_files(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (folder / "1.heic").write_bytes(PICTURES[2])
    words = ["--source", str(folder), "--out", str(tmp_path / "out"), "--side", "8"]
    assert main(["datasets", "prepare", "folder", *words, "--workers", "1"]) == 0
    assert "left out   1 .heic" in capsys.readouterr().out
    assert (
        main(["fid", str(folder), str(folder), "--features", "pixels", "--protocol", "ttur"]) == 0
    )
    errors = capsys.readouterr().err
    assert f"warning: {folder}: 2 images; passed over: 1 .heic." in errors


def test_a_folder_that_cannot_be_read_is_named(folder, monkeypatch):
    scandir = os.scandir

    def closed(path):
        if os.fspath(path).endswith("sub"):
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(OSError, match="sub cannot be read .Permission denied."):
        find_images(open_files(folder))


@pytest.mark.parametrize("workers", ["1", "2"])
def test_names_that_are_not_utf8(folder, tmp_path, capfdbinary, workers):
    """Broken images, classes and the source itself may have such names."""
    source = os.fsencode(folder)
    for name in (b"\xff/a.jpg", b"\xff/\xe9.jpg", b"b\xfcr\xe4/c.jpg"):
        os.makedirs(os.path.dirname(source + b"/" + name), exist_ok=True)
        with open(source + b"/" + name, "wb") as file:
            file.write(b"" if b"\xe9" in name else PICTURES[2])
    renamed = source + b"\xfe"
    os.rename(source, renamed)
    words = ["--source", os.fsdecode(renamed), "--out", str(tmp_path / "out"), "--side", "8"]
    code = main(["datasets", "prepare", "folder", *words, "--workers", workers, "--skip-broken"])
    assert code == 0
    said = capfdbinary.readouterr().out
    assert b"classes    ., b\\udcfcr\\udce4, sub, \\udcff" in said
    assert b"  \\udcff/\\udce9.jpg (it is not a complete image" in said
    text = (tmp_path / "out" / "dataset.json").read_text("utf-8")
    assert r"\udcff/\udce9.jpg (it is" in text
    prepared = datasets.open_prepared(tmp_path / "out")
    assert prepared.counts == {"train": 4}
    assert [os.fsencode(name) for name in prepared.classes] == [
        b".",
        b"b\xfcr\xe4",
        b"sub",
        b"\xff",
    ]
    assert os.fsencode(prepared.description["source"]["file"]) == b"source\xfe"
    assert main(["datasets", "info", str(tmp_path / "out")]) == 0


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_pipe_in_place_of_an_array(tmp_path, split):
    from balancing_vae.cli.data import open_split
    from balancing_vae.fid.files import open_images

    os.mkfifo(tmp_path / "x.npy")

    def refused(read, *arguments):
        with pytest.raises(ValueError, match=r"x\.npy is not a regular file"):
            read(*arguments)
        return True

    assert within_time(refused, open_split, tmp_path / "x.npy", None, split)
    assert within_time(refused, open_images, tmp_path / "x.npy")
