"""Any folder of images: formats, crops, splits and classes."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from balancing_vae import datasets
from balancing_vae.datasets.folder import read
from balancing_vae.datasets.images import Cut
from tests.helpers.layouts import face
from tests.helpers.layouts import jpeg


def prepare(source, tmp_path, **options):
    options = {"side": 8, "workers": 1} | options
    return datasets.prepare("folder", source, tmp_path / "out", **options)


def draw(folder, names, size=(12, 10)):
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face(number, *size)).save(path)
    return folder


def test_formats_that_pillow_reads(tmp_path):
    names = ["a.png", "b.bmp", "c.gif", "d.tiff", "e.jpg", "f.ppm", "g.webp"]
    source = draw(tmp_path / "source", names)
    (source / "notes.txt").write_text("not an image")
    (source / ".hidden.png").write_text("not an image")
    prepared = prepare(source, tmp_path)
    assert prepared.image_shape == (8, 8, 3)
    assert prepared.counts == {"train": 7}
    assert prepared.classes is None


def test_a_zip_of_a_folder(tmp_path):
    from tests.helpers.layouts import zip_of

    source = draw(tmp_path / "photos", ["a.png", "b.png"])
    expected = prepare(source, tmp_path).images("train")[:]
    packed = prepare(zip_of(source, "photos/"), tmp_path, overwrite=True)
    assert np.array_equal(packed.images("train"), expected)


def test_palette_and_transparent_images_become_rgb(tmp_path):
    source = draw(tmp_path / "source", ["a.png"])
    with Image.open(source / "a.png") as image:
        image.convert("P").save(source / "b.png")
        image.convert("RGBA").save(source / "c.png")
        image.convert("1").save(source / "d.png")
        image.convert("LA").save(source / "e.png")
    images = prepare(source, tmp_path).images("train")
    assert len(images) == 5
    assert np.array_equal(images[0], images[2])


def test_every_tenth_image_is_for_validation_and_the_one_after_it_for_testing(tmp_path):
    source = draw(tmp_path / "source", [f"{n:02}.png" for n in range(20)])
    prepared = prepare(source, tmp_path)
    assert prepared.counts == {"train": 16, "val": 2, "test": 2}
    with Image.open(source / "19.png") as image:
        expected = image.crop((1, 0, 11, 10)).resize((8, 8), Image.Resampling.BILINEAR)
    assert np.array_equal(prepared.images("test")[1], expected)


def test_folders_named_after_splits_determine_the_splits(tmp_path):
    names = ["train/a.png", "train/b.png", "train/c.png", "test/a.png"]
    prepared = prepare(draw(tmp_path / "source", names), tmp_path)
    assert prepared.counts == {"train": 3, "test": 1}
    assert prepared.classes is None


@pytest.mark.parametrize("top", ["", "train/"])
def test_folders_are_classes(tmp_path, top):
    names = [f"{top}dog/1.png", f"{top}cat/2.png", f"{top}cat/1.png"]
    source = draw(tmp_path / "source", names)
    (source / f"{top}cat/0.png").write_bytes(b"")
    prepared = prepare(source, tmp_path, skip_broken=True)
    assert prepared.classes == ["cat", "dog"]
    assert prepared.labels("train").tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("crop", "box"),
    [(None, (1, 0, 11, 10)), (6, (3, 2, 9, 8)), ((2, 1, 10, 9), (2, 1, 10, 9))],
)
def test_crops(tmp_path, crop, box):
    source = draw(tmp_path / "source", ["a.png"])
    prepared = prepare(source, tmp_path, crop=crop)
    with Image.open(source / "a.png") as image:
        expected = image.crop(box).resize((8, 8), Image.Resampling.BILINEAR)
    assert np.array_equal(prepared.images("train")[0], expected)


@given(st.integers(1, 300), st.integers(1, 300), st.integers(1, 300))
def test_a_centered_square_lies_inside_or_is_refused(width, height, square):
    cut = Cut(square, 8)
    if square > min(width, height):
        with pytest.raises(ValueError, match="too small for the crop"):
            cut.box_in(width, height)
    else:
        left, top, right, bottom = cut.box_in(width, height)
        assert right - left == bottom - top == square
        assert 0 <= left <= right <= width and 0 <= top <= bottom <= height
        assert abs(left - (width - right)) <= 1 and abs(top - (height - bottom)) <= 1


def test_large_images_are_decoded_in_short_tasks(tmp_path):
    """Many tasks are under way at once: 64 images of 1024x1024 each would fill the memory."""
    source = draw(tmp_path / "source", [f"{n}.png" for n in range(7)])
    chunks = read(source, side=1024, workers=1).chunks
    assert [len(chunk.images) for chunk in chunks] == [5, 2]
    small = read(source, side=8, workers=1).chunks
    assert [len(chunk.images) for chunk in small] == [7]


def refuses(source, tmp_path, match, **options):
    with pytest.raises(ValueError) as refusal:
        prepare(source, tmp_path, **options)
    assert re.search(match, refusal.value.cli_message)
    assert not (tmp_path / "out").exists()


def test_invalid_arguments_are_refused(tmp_path):
    source = draw(tmp_path / "source", ["a.png"])
    refuses(source, tmp_path, "--side 64", side=None)
    refuses(source, tmp_path, "side is 0", side=0)
    refuses(source, tmp_path, "side is 1000000000; .* 1 to 8,192", side=10**9)
    refuses(source, tmp_path, "crop 0 is empty", crop=0)
    refuses(source, tmp_path, r"crop \(4, 4, 4, 8\) is empty", crop=(4, 4, 4, 8))
    refuses(source, tmp_path, r"a\.png \(it is 12x10, too small for the crop 11\)", crop=11)
    refuses(source, tmp_path, r"a\.png .*too small", crop=(0, 0, 13, 5))
    (tmp_path / "empty").mkdir()
    refuses(tmp_path / "empty", tmp_path, "empty has no images")


def test_a_huge_image_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    source = tmp_path / "source"
    source.mkdir()
    (source / "bomb.jpg").write_bytes(jpeg(face(1)))
    refuses(source, tmp_path, r"bomb\.jpg \(Image size .* exceeds limit")
