"""From an image file to pixels: what is refused or changed, in the same way for all commands."""

import io
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from PIL import Image

from balancing_vae import datasets
from balancing_vae.datasets.images import read_picture
from balancing_vae.fid.files import ImageFolder
from tests.helpers.layouts import face

RGB = face(1, 8, 6)
RGBA = np.concatenate([RGB, np.full((6, 8, 1), 255, np.uint8)], axis=-1)


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        file, kind, **options
    )
    return file.getvalue()


def pixels(data, **options):
    return np.asarray(read_picture(data, **options).image)


def png(width, height, depth, color, rows=None):
    """A PNG made by hand: Pillow writes no 16-bit colour, and no lies about the size."""

    def piece(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    rows = b"\0" * 10 if rows is None else rows
    pieces = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(piece(*p) for p in pieces)


def tiff_of_16_bit_color(planar):
    """One strip, or one for each colour: there Pillow names no depth with the tiles."""
    strips, size = (1, 6) if planar == 1 else (3, 2)
    tags = [(256, 1), (257, 1), (258, 8), (259, 1), (262, 2), (273, 20), (277, 3), (278, 1)]
    tags += [(279, size), (284, planar)]
    behind = 8 + 2 + 12 * len(tags) + 4
    bits, offsets = behind, behind + 6
    lengths = offsets + 4 * strips
    data = lengths + 4 * strips
    out = b"II*\0" + struct.pack("<IH", 8, len(tags))
    for tag, value in tags:
        kind, count = 3, 1
        if tag == 258:
            count, value = 3, bits
        if tag in (273, 279):
            kind, count = 4, strips
            value = data if tag == 273 else size
            if strips > 1:
                value = offsets if tag == 273 else lengths
        out += struct.pack("<HHII", tag, kind, count, value)
    out += struct.pack("<I3H", 0, 16, 16, 16)
    out += struct.pack(f"<{strips}I", *(data + size * n for n in range(strips)))
    return out + struct.pack(f"<{strips}I", *[size] * strips) + bytes(6)


REFUSED = {
    "CMYK": (saved(Image.fromarray(RGB).convert("CMYK"), "JPEG"), "its mode is CMYK"),
    "LAB": (saved(Image.fromarray(RGB).convert("LAB"), "TIFF"), "its mode is LAB"),
    "16-bit grey PNG": (saved(RGB[..., 0].astype(np.uint16) * 257), "16 bits per channel"),
    "16-bit colour PNG": (png(2, 2, 16, 2, b"\0" * 26), "16 bits per channel"),
    "16-bit colour and alpha PNG": (png(2, 2, 16, 6, b"\0" * 34), "16 bits per channel"),
    "16-bit colour TIFF": (tiff_of_16_bit_color(1), "16 bits per channel"),
    "16-bit planar TIFF": (tiff_of_16_bit_color(2), "16 bits per channel"),
    "16-bit colour PPM": (b"P6 1 1 65535\n" + bytes(6), "16 bits per channel"),
    "floats": (saved(RGB[..., 0].astype(np.float32), "TIFF"), "16 bits per channel|mode is F"),
    "32-bit whole numbers": (saved(RGB[..., 0].astype(np.int32), "TIFF"), "16 bits|mode is I"),
    "nothing": (b"", "it is not a complete image in AVIF, BMP"),
    "text": (b"<html>", "it is not a complete image in AVIF, BMP"),
    "PostScript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "it is not a complete"),
    "half a PNG": (saved(face(1, 64, 64))[:2000], "truncated"),
    "half a JPEG": (saved(face(1, 64, 64), "JPEG")[:800], "truncated"),
    "a bomb": (png(30_000, 30_000, 8, 2), "exceeds limit"),
    "half a bomb": (png(10_000, 10_000, 8, 2), "10000x10000 pixels; at most 89,478,485 are read"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_both_commands_refuse_the_same_images(tmp_path, name):
    data, reason = REFUSED[name]
    source = tmp_path / "source"
    source.mkdir()
    (source / "a.png").write_bytes(saved(RGB))
    (source / "b.png").write_bytes(data)
    with pytest.raises(ValueError, match=rf"1 of 2 images cannot be used: b.png \(.*{reason}"):
        datasets.prepare("folder", source, tmp_path / "out", side=4, workers=1)
    images = ImageFolder(source)
    with pytest.raises(ValueError, match=rf"source/b.png cannot be read \(.*{reason}"):
        images[:]


def test_the_bound_on_pixels_is_that_of_pillow(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 47)
    with (
        pytest.warns(Image.DecompressionBombWarning),
        pytest.raises(ValueError, match="8x6 pixels"),
    ):
        read_picture(saved(RGB))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert np.array_equal(pixels(saved(RGB)), RGB)


def test_a_file_larger_than_any_image_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48)
    source = tmp_path / "source"
    source.mkdir()
    with (source / "a.png").open("wb") as file:
        file.truncate(2_000_000)
    match = r"a\.png \(.*has 2,000,000 bytes; at most 1,000,192 were expected"
    with pytest.raises(ValueError, match=match):
        datasets.prepare("folder", source, tmp_path / "out", side=4, workers=1)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photos_are_rotated_upright(kind, orientation):
    """EXIF says where the first row and column of what is stored belong."""
    stored = Image.fromarray(RGB)
    turns = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.transpose(1, 0, 2),
        6: RGB[::-1].transpose(1, 0, 2),
        7: RGB[::-1, ::-1].transpose(1, 0, 2),
        8: RGB[:, ::-1].transpose(1, 0, 2),
    }
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 100, "subsampling": 0}, "WEBP": {"lossless": True}}
    picture = read_picture(saved(stored, kind, exif=exif, **options.get(kind, {})))
    difference = np.asarray(picture.image).astype(int) - turns[orientation]
    assert np.abs(difference).max() <= (8 if kind == "JPEG" else 0)
    assert picture.turned == (orientation != 1)


def test_damaged_tags_change_nothing():
    exif = Image.Exif()
    exif[0x0112] = 6
    data = saved(RGB, "JPEG", exif=exif)
    for damaged in (data.replace(b"MM\0*", b"XX\0*"), data.replace(b"\x01\x12\0\x03", b"\xff" * 4)):
        assert damaged != data
        picture = read_picture(damaged)
        assert picture.image.size == (8, 6) and not picture.turned


def test_the_folder_dataset_rotates_photos_but_celeba_does_not(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3
    source = tmp_path / "img_align_celeba"
    source.mkdir()
    whole = face(1)
    for name, options in (("a.jpg", {}), ("b.jpg", {"exif": exif})):
        (source / name).write_bytes(saved(whole, "JPEG", **options))
    faces = datasets.prepare("celeba", source, tmp_path / "c", allow_partial=True, workers=1)
    stored = np.concatenate([faces.images(split) for split in faces.counts])
    np.testing.assert_array_equal(stored[0], stored[1])
    assert faces.description["changed"] == {}
    photos = datasets.prepare("folder", source, tmp_path / "f", side=178, workers=1)
    plain, turned = photos.images("train")
    np.testing.assert_array_equal(turned, plain[::-1, ::-1])
    assert photos.description["changed"] == {"turned upright (EXIF)": 1}
    images = ImageFolder(source)[:]
    np.testing.assert_array_equal(images[1], images[0][::-1, ::-1])


def test_a_crop_counts_upright_pixels(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "a.png").write_bytes(saved(RGB, exif=exif))
    options = {"side": 4, "crop": (0, 2, 4, 6), "workers": 1}
    prepared = datasets.prepare("folder", tmp_path / "source", tmp_path / "out", **options)
    upright = RGB[::-1].transpose(1, 0, 2)
    np.testing.assert_array_equal(prepared.images("train")[0], upright[2:6, 0:4])


def half_transparent():
    image = RGBA.copy()
    image[:3, :, 3] = 7
    return image


TRANSPARENT = {
    "RGBA": saved(half_transparent()),
    "LA": saved(half_transparent()[..., [0, 3]]),
    "palette": saved(Image.fromarray(RGB).quantize(8), transparency=bytes([0] * 4 + [255] * 4)),
    "one index": saved(Image.fromarray(RGB).quantize(8), "GIF", transparency=1),
    "one colour": saved(RGB, transparency=tuple(map(int, RGB[0, 0]))),
}


@pytest.mark.parametrize("name", TRANSPARENT)
def test_transparent_pixels_keep_their_stored_color(name):
    data = TRANSPARENT[name]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = read_picture(data)
    assert picture.transparent
    with Image.open(io.BytesIO(data)) as image:
        image.info.pop("transparency", None)
        np.testing.assert_array_equal(np.asarray(picture.image), np.asarray(image.convert("RGB")))


def test_an_opaque_alpha_channel_is_not_transparency():
    assert not read_picture(saved(RGBA)).transparent


def test_transparent_images_are_counted_and_reported(tmp_path, capsys):
    from balancing_vae.cli import main

    source = tmp_path / "source"
    source.mkdir()
    for number in range(12):
        (source / f"{number:02}.png").write_bytes(saved(RGBA if number % 2 else half_transparent()))
    words = ["--source", str(source), "--out", str(tmp_path / "out"), "--side", "4"]
    assert main(["datasets", "prepare", "folder", *words, "--workers", "2"]) == 0
    assert "changed    6 transparency dropped" in capsys.readouterr().out
    description = datasets.open_prepared(tmp_path / "out").description
    assert description["changed"] == {"transparency dropped": 6}
    with pytest.warns(
        UserWarning, match="00.png has transparent pixels, which are used without"
    ) as said:
        images = ImageFolder(source)
        np.testing.assert_array_equal(images[:][0], RGB)
    assert len(said) == 1


def test_gray_images_have_one_channel(tmp_path):
    from balancing_vae.cli import main

    source = tmp_path / "source"
    source.mkdir()
    (source / "a.png").write_bytes(saved(RGB[:6, :6]))
    (source / "b.png").write_bytes(saved(RGB[:6, :6, 0]))
    words = ["--source", str(source), "--out", str(tmp_path / "out"), "--side", "6", "--grayscale"]
    assert main(["datasets", "prepare", "folder", *words, "--workers", "1"]) == 0
    prepared = datasets.open_prepared(tmp_path / "out")
    assert prepared.image_shape == (6, 6, 1) and prepared.description["grey"] is True
    color, gray = prepared.images("train")
    np.testing.assert_array_equal(gray[..., 0], RGB[:6, :6, 0])
    expected = RGB[:6, :6] @ [0.299, 0.587, 0.114]
    assert np.abs(color[..., 0] - expected).max() <= 1
    with pytest.raises(ValueError, match="mnist does not take the option grayscale"):
        datasets.prepare("mnist", source, tmp_path / "other", grayscale=True)


@settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    st.sampled_from(["BMP", "GIF", "JPEG", "PNG", "PPM", "QOI", "TGA", "TIFF", "WEBP"]), st.data()
)
@pytest.mark.filterwarnings("ignore")
def test_a_damaged_picture_is_read_or_refused(kind, data):
    whole = saved(RGB, kind)
    place = data.draw(st.integers(0, len(whole) - 1), label="place")
    garbage = data.draw(st.binary(max_size=16), label="garbage")
    cut = data.draw(st.booleans(), label="cut")
    damaged = whole[:place] + garbage + (b"" if cut else whole[place + len(garbage) :])
    try:
        picture = read_picture(damaged)
    except ValueError as error:
        assert str(error)
    else:
        assert picture.image.mode == "RGB"
        assert np.asarray(picture.image).shape == (*picture.image.size[::-1], 3)
