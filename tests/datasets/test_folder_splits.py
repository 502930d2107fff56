"""`prepare folder` uses folders named after splits, and refuses a mixture."""

import zipfile

import numpy as np
import pytest

from balancing_vae import datasets
from balancing_vae.cli import main
from tests.helpers.layouts import face
from tests.helpers.layouts import jpeg

PICTURE = jpeg(face(1, 8, 8))


def folder_of(folder, names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(PICTURE)
    return folder


def zip_of(path, names):
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, PICTURE)
    return path


def prepare(source, tmp_path):
    return datasets.prepare("folder", source, tmp_path / "out", side=8, workers=1)


def refuses(source, tmp_path, match):
    with pytest.raises(ValueError, match=match):
        prepare(source, tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "tops",
    [
        ("train", "val", "test"),
        ("Train", "VAL", "Test"),
        ("training", "valid", "testing"),
        ("TRAINING", "Validation", "test"),
        ("train", "dev", "test"),
    ],
)
@pytest.mark.parametrize("wrap", ["", "photos/", "photos/images/"])
def test_names_of_splits(tmp_path, tops, wrap):
    train, val, test = tops
    names = [f"{train}/a.jpg", f"{train}/b.jpg", f"{val}/a.jpg", f"{test}/a.jpg"]
    source = folder_of(tmp_path / "source", [wrap + name for name in names])
    (source / "README.txt").write_text("beside the folders, and not an image")
    prepared = prepare(source, tmp_path)
    assert prepared.counts == {"train": 2, "val": 1, "test": 1}
    assert prepared.classes is None
    assert prepared.description["partition"] == f"folders: {', '.join(sorted(tops))}"


@pytest.mark.parametrize("separator", ["/", "\\"])
def test_a_zip_with_one_folder_around_the_splits(tmp_path, separator):
    names = ["photos/Train/cat/1.jpg", "photos/Train/dog/1.jpg", "photos/valid/dog/1.jpg"]
    names = [name.replace("/", separator) for name in names]
    prepared = prepare(zip_of(tmp_path / "photos.zip", names), tmp_path)
    assert prepared.counts == {"train": 2, "val": 1}
    assert prepared.classes == ["cat", "dog"]
    assert prepared.labels("train").tolist() == [0, 1]
    assert prepared.labels("val").tolist() == [1]


@pytest.mark.parametrize(
    ("extra", "match"),
    [
        ("preview.jpg", r"\(test, train\) and others that belong to no split \(preview.jpg\)"),
        ("extra/a.jpg", r"\(test, train\) and others that belong to no split \(extra\)"),
        ("train.jpg", r"\(test, train\) and others that belong to no split \(train.jpg\)"),
        ("val.d/a.jpg", r"\(test, train\) and others that belong to no split \(val.d\)"),
        ("Training/a.jpg", r"several folders for the split train \(Training, train\)"),
    ],
)
def test_a_mixture_is_refused(tmp_path, extra, match):
    refuses(folder_of(tmp_path / "s", ["train/a.jpg", "test/a.jpg", extra]), tmp_path, match)


@pytest.mark.parametrize(
    ("names", "match"),
    [
        (
            ["photos/train/a.jpg", "photos/test/a.jpg", "preview.jpg"],
            r"\(photos/test, photos/train\)",
        ),
        (["bottle/train/good/1.jpg", "cup/Test/good/1.jpg"], r"\(bottle/train, cup/Test\)"),
    ],
)
def test_split_folders_below_the_top_are_refused(tmp_path, names, match):
    source = folder_of(tmp_path / "s", names)
    refuses(source, tmp_path, f"folders named after splits {match}, but not at the top")


def test_only_some_of_many_other_folders_are_named(tmp_path):
    names = ["train/a.jpg", *[f"{n:02}.jpg" for n in range(13)]]
    refuses(folder_of(tmp_path / "s", names), tmp_path, r"08.jpg, 09.jpg and 3 more\)")


def test_a_folder_with_one_split_has_only_this_split(tmp_path):
    source = folder_of(tmp_path / "s", [f"data/test/{n}.jpg" for n in range(20)])
    assert prepare(source, tmp_path).counts == {"test": 20}


def test_images_are_split_only_without_split_folders_and_this_is_reported(tmp_path, capsys):
    names = [f"{folder}/{n}.jpg" for folder in ("cat", "dog") for n in range(10)]
    source = folder_of(tmp_path / "s", names)
    words = ["--source", str(source), "--out", str(tmp_path / "out"), "--side", "8"]
    assert main(["datasets", "prepare", "folder", *words, "--workers", "1"]) == 0
    said = "partition  dealt out, since no folder is named after a split: of each ten"
    assert said in capsys.readouterr().out
    prepared = datasets.open_prepared(tmp_path / "out")
    assert prepared.description["partition"].startswith("dealt out")
    assert prepared.counts == {"train": 16, "val": 2, "test": 2}
    assert prepared.classes == ["cat", "dog"]
    assert np.bincount(prepared.labels("train")).tolist() == [8, 8]


def test_a_folder_around_classes_is_not_a_class(tmp_path):
    prepared = prepare(folder_of(tmp_path / "s", ["a/cat/1.jpg", "a/dog/1.jpg"]), tmp_path)
    assert prepared.classes == ["cat", "dog"]


def test_a_single_image(tmp_path):
    prepared = prepare(folder_of(tmp_path / "s", ["a/b/1.jpg"]), tmp_path)
    assert prepared.counts == {"train": 1} and prepared.classes is None
