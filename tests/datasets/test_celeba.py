"""CelebA: the crop, the splits, the layouts, and every kind of damaged copy."""

import io
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from balancing_vae import datasets
from balancing_vae.datasets import celeba
from balancing_vae.datasets.celeba import split_by_position
from tests.helpers.layouts import celeba_folder
from tests.helpers.layouts import face
from tests.helpers.layouts import jpeg
from tests.helpers.layouts import partition_lines
from tests.helpers.layouts import random_images
from tests.helpers.layouts import zip_of

SPLITS = [0] * 8 + [1] * 2 + [2] * 2


@pytest.fixture
def folder(tmp_path):
    return celeba_folder(tmp_path / "source")


def prepare(source, tmp_path, name="celeba", **options):
    options = {"allow_partial": True, "workers": 1} | options
    return datasets.prepare(name, source, tmp_path / "out", **options)


def refuses(source, tmp_path, error, match, **options):
    with pytest.raises(error) as refusal:
        prepare(source, tmp_path, **options)
    assert re.search(match, refusal.value.cli_message)
    assert not (tmp_path / "out").exists()


def everything(prepared):
    return np.concatenate([prepared.images(split) for split in prepared.counts])


def halve(image):
    """The antialiased bilinear of a factor two: weights 1-3-3-1 along each axis."""
    for axis in (0, 1):
        inside = np.pad(image, [(1, 1) if a == axis else (0, 0) for a in range(3)])
        weights = np.pad(np.ones(image.shape[axis]), 1)
        taps, total = 0.0, 0.0
        for offset, weight in enumerate((1, 3, 3, 1)):
            rows = slice(offset, offset + image.shape[axis] - 1, 2)
            index = (rows,) if axis == 0 else (slice(None), rows)
            shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)
            taps = taps + weight * inside[index]
            total = total + weight * weights[rows].reshape(shape)
        image = taps / total
    return image


def test_celeba_is_rows_45_to_172_and_columns_25_to_152_halved(folder, tmp_path):
    ours = everything(prepare(folder, tmp_path))
    for number, image in enumerate(ours, start=1):
        with Image.open(folder / f"{number:06}.jpg") as file:
            square = np.asarray(file, np.float64)[45 : 172 + 1, 25 : 152 + 1]
        assert np.abs(image - halve(square)).max() <= 1


def test_celeba140_is_rows_39_to_178_and_columns_19_to_158(folder, tmp_path):
    image = everything(prepare(folder, tmp_path, "celeba140"))[0]
    with Image.open(folder / "000001.jpg") as file:
        square = Image.fromarray(np.asarray(file)[39 : 178 + 1, 19 : 158 + 1])
    assert np.array_equal(image, square.resize((64, 64), Image.Resampling.BILINEAR))


def test_complete_celeba_is_split_at_its_official_bounds():
    splits = np.array(split_by_position(202_599))
    assert set(splits[:162_770]) == {"train"}
    assert set(splits[162_770:182_637]) == {"val"}
    assert set(splits[182_637:]) == {"test"} and len(splits) == 202_599


def test_a_part_of_celeba_is_split_in_proportion(folder, tmp_path):
    prepared = prepare(folder, tmp_path)
    assert prepared.counts == {"train": 9, "val": 1, "test": 2}
    assert prepared.description["partition"] == "position"
    assert prepared.description["crop"] == [25, 45, 153, 173]


@pytest.mark.parametrize("csv", [False, True])
@pytest.mark.parametrize("place", ["inside", "beside", "Eval beside", "Eval above"])
def test_the_partition_file_determines_the_splits(folder, tmp_path, csv, place):
    # Not in order, so that position and file cannot agree by chance.
    splits = [2, 0, 1] * 4
    where = {
        "inside": folder,
        "beside": folder.parent,
        "Eval beside": folder.parent / "Eval",
        "Eval above": tmp_path / "Eval",
    }[place]
    where.mkdir(exist_ok=True)
    file = where / f"list_eval_partition.{'csv' if csv else 'txt'}"
    by_position = everything(prepare(folder, tmp_path))
    file.write_text(partition_lines(splits, csv))
    prepared = prepare(folder, tmp_path, overwrite=True)
    assert prepared.description["partition"] == file.name
    for number, split in enumerate(("train", "val", "test")):
        assert np.array_equal(prepared.images(split), by_position[np.array(splits) == number])


@pytest.mark.parametrize("prefix", ["", "img_align_celeba/", "img_align_celeba/img_align_celeba/"])
def test_zip_gives_the_same_as_the_folder(folder, tmp_path, prefix):
    expected = everything(prepare(folder, tmp_path))
    prepared = prepare(zip_of(folder, prefix), tmp_path, overwrite=True)
    assert np.array_equal(everything(prepared), expected)
    assert prepared.description["source"] == {"file": "img_align_celeba.zip", "format": "zip"}


def test_partition_inside_the_zip_and_macs_shadow_files(folder, tmp_path):
    path = zip_of(folder)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("list_eval_partition.csv", partition_lines(SPLITS, csv=True))
        archive.writestr("__MACOSX/img_align_celeba/._000001.jpg", b"shadow")
    assert prepare(path, tmp_path).counts == {"train": 8, "val": 2, "test": 2}


def test_the_parent_folder_is_accepted(folder, tmp_path):
    assert sum(prepare(folder.parent, tmp_path).counts.values()) == 12


def test_the_number_of_workers_does_not_change_the_bytes(tmp_path):
    source = zip_of(celeba_folder(tmp_path / "source", 150))
    one = datasets.prepare("celeba", source, tmp_path / "1", allow_partial=True, workers=1)
    three = datasets.prepare("celeba", source, tmp_path / "3", allow_partial=True, workers=3)
    names = sorted(path.name for path in one.folder.iterdir())
    assert names == ["dataset.json", "test.npy", "train.npy", "val.npy"]
    for name in names:
        assert (one.folder / name).read_bytes() == (three.folder / name).read_bytes()


def test_workers_below_one(folder, tmp_path):
    refuses(folder, tmp_path, ValueError, "workers is 0; give 1 or more", workers=0)
    refuses(folder, tmp_path, ValueError, "workers is 1000000; give 256 or fewer", workers=10**6)


def test_wrong_count(folder, tmp_path):
    match = "has 12 images, CelebA has 202,599; .*--allow-partial"
    refuses(folder, tmp_path, ValueError, match, allow_partial=False)


def test_full_count_needs_no_permission(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(celeba, "COUNT", 12)
    prepared = prepare(folder, tmp_path, allow_partial=False)
    assert sum(prepared.counts.values()) == 12


def test_no_images(tmp_path):
    (tmp_path / "source").mkdir()
    refuses(tmp_path / "source", tmp_path, ValueError, r"has no \.jpg images")
    refuses(tmp_path / "absent", tmp_path, FileNotFoundError, "absent does not exist")


def test_two_images_with_the_same_name_are_refused(folder, tmp_path):
    (folder / "again").mkdir()
    (folder / "again" / "000003.jpg").write_bytes(jpeg(face(3)))
    refuses(folder, tmp_path, ValueError, r"two images with the name 000003\.jpg")


def test_partition_that_names_an_absent_image(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(celeba, "COUNT", 12)
    file = folder.parent / "list_eval_partition.txt"
    file.write_text(partition_lines([*SPLITS, 2, 2]))
    match = r"list_eval_partition\.txt names 000013\.jpg, which is absent.* \(and 1 more\)"
    refuses(folder, tmp_path, ValueError, match, allow_partial=False)
    # A part of the images with the whole partition file is what --allow-partial is for.
    assert prepare(folder, tmp_path).counts == {"train": 8, "val": 2, "test": 2}


def test_partition_that_leaves_out_an_image(folder, tmp_path):
    (folder.parent / "list_eval_partition.txt").write_text(partition_lines(SPLITS[:-1]))
    refuses(folder, tmp_path, ValueError, r"does not name 000012\.jpg")


@pytest.mark.parametrize("line", ["000012.jpg 3", "000012.jpg", "<html>", "000001.jpg 0"])
def test_partition_with_a_wrong_line(folder, tmp_path, line):
    text = partition_lines(SPLITS[:-1]) + line + "\n"
    (folder.parent / "list_eval_partition.txt").write_text(text)
    refuses(folder, tmp_path, ValueError, r"list_eval_partition\.txt, line 12")


def test_files_that_are_not_celeba_images_are_counted(folder, tmp_path):
    (folder / "list_eval_partition.txt").write_text(partition_lines(SPLITS))
    for name in ("000013.png", "README.txt", ".DS_Store"):
        (folder / name).write_bytes(b"")
    prepared = prepare(folder, tmp_path)
    assert prepared.counts == {"train": 8, "val": 2, "test": 2}
    assert prepared.description["passed_over"] == {".png": 1, ".txt": 1, "hidden": 1}


def test_a_partition_file_that_is_too_large(folder, tmp_path):
    with (folder / "list_eval_partition.txt").open("wb") as file:
        file.truncate(10**10)
    refuses(folder, tmp_path, ValueError, r"partition.txt cannot be read .*10,000,000,000 bytes")


def test_not_a_zip(tmp_path):
    (tmp_path / "img_align_celeba.zip").write_text("<html>Quota exceeded</html>")
    match = r"img_align_celeba\.zip is not a complete zip archive.*Google Drive"
    refuses(tmp_path / "img_align_celeba.zip", tmp_path, ValueError, match)


def test_a_cut_zip(folder, tmp_path):
    path = zip_of(folder)
    path.write_bytes(path.read_bytes()[:-500])
    refuses(path, tmp_path, ValueError, "is not a complete zip archive")


@pytest.mark.parametrize("name", ["../000013.jpg", "/tmp/000013.jpg", "a\\..\\..\\000013.jpg"])
def test_a_zip_entry_that_climbs_out(folder, tmp_path, name):
    path = zip_of(folder)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(name, jpeg(face(13)))
    refuses(path, tmp_path, ValueError, r"000013\.jpg', which is outside the folder")


def damage(folder, number, data):
    (folder / f"{number:06}.jpg").write_bytes(data)


def test_broken_images_are_named_and_counted(folder, tmp_path):
    whole = (folder / "000002.jpg").read_bytes()
    damage(folder, 2, whole[: len(whole) // 2])
    damage(folder, 5, b"")
    damage(folder, 11, b"<html>")
    match = r"3 of 12 images cannot be used: 000002\.jpg \(.*truncated.*\); 000005\.jpg .*000011"
    refuses(folder, tmp_path, ValueError, match)
    refuses(folder, tmp_path, ValueError, "--skip-broken")


@pytest.mark.parametrize("workers", [1, 2])
def test_skip_broken_keeps_the_others_in_their_splits(folder, tmp_path, workers):
    whole = everything(prepare(folder, tmp_path))
    damage(folder, 2, b"")
    prepared = prepare(folder, tmp_path, overwrite=True, skip_broken=True, workers=workers)
    assert prepared.counts == {"train": 8, "val": 1, "test": 2}
    assert [name.split()[0] for name in prepared.description["skipped"]] == ["000002.jpg"]
    assert np.array_equal(everything(prepared), np.delete(whole, 1, axis=0))


def test_a_damaged_zip_entry_is_named(folder, tmp_path):
    path = zip_of(folder)
    data = bytearray(path.read_bytes())
    place = data.find((folder / "000004.jpg").read_bytes())
    data[place + 500] ^= 255
    path.write_bytes(data)
    refuses(path, tmp_path, ValueError, r"1 of 12 .*000004\.jpg \(Bad CRC-32")


def test_a_source_with_only_broken_images_is_refused(folder, tmp_path):
    for number in range(1, 13):
        damage(folder, number, b"")
    refuses(folder, tmp_path, ValueError, "no image is left to prepare", skip_broken=True)


def test_many_broken_images_are_not_all_listed(tmp_path):
    source = celeba_folder(tmp_path / "source", 1)
    for number in range(2, 31):
        damage(source, number, b"")
    refuses(source, tmp_path, ValueError, "29 of 30 .*; and 9 more")


def test_images_of_another_size_are_refused(folder, tmp_path):
    damage(folder, 7, jpeg(face(7, 89, 109)))
    refuses(folder, tmp_path, ValueError, r"000007\.jpg \(it is 89x109, not 178x218\)")


def saved(image, **options):
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def test_a_gray_image_becomes_color(folder, tmp_path):
    gray = face(4)[..., 0]
    damage(folder, 4, jpeg(gray))
    image = everything(prepare(folder, tmp_path))[3]
    assert np.array_equal(image[..., 0], image[..., 1])
    assert np.array_equal(image[..., 0], image[..., 2])


def test_a_cmyk_image_is_refused(folder, tmp_path):
    cmyk = Image.fromarray(face(4)).convert("CMYK")
    damage(folder, 4, saved(cmyk, format="JPEG"))
    refuses(folder, tmp_path, ValueError, r"000004\.jpg \(its mode is CMYK; save it as 8-bit")


def test_16_bit_images_are_refused(folder, tmp_path):
    deep = random_images(1, 218, 1)[0, ..., 0][:, :178].astype(np.uint16) * 257
    damage(folder, 4, saved(Image.fromarray(deep), format="PNG"))
    refuses(folder, tmp_path, ValueError, r"000004\.jpg \(it has 16 bits per channel")


def test_16_bit_color_is_refused_although_its_pillow_mode_is_rgb(folder, tmp_path):
    damage(folder, 4, png_of_16_bit_color(178, 218))
    with Image.open(folder / "000004.jpg") as image:
        assert image.mode == "RGB" and image.size == (178, 218)
    refuses(folder, tmp_path, ValueError, r"000004\.jpg \(it has 16 bits per channel")


def png_of_16_bit_color(width, height):
    import struct
    import zlib

    def piece(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    rows = (b"\0" + bytes(6 * width)) * height
    header = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    pieces = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(piece(*p) for p in pieces)
