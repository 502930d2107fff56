"""Sets of images on disk: arrays, folders, prepared datasets."""

import numpy as np
import pytest
from PIL import Image

from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.prepared import write_prepared
from balancing_vae.fid.files import ImageFolder
from balancing_vae.fid.files import open_images

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 8, 10, 3), dtype="uint8")


def write_images(folder, images=IMAGES, pattern="{:03d}.png"):
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(images):
        Image.fromarray(image).save(folder / pattern.format(index))
    return folder


def test_array_is_memory_mapped(tmp_path):
    np.save(tmp_path / "x.npy", IMAGES)
    images = open_images(tmp_path / "x.npy")
    assert isinstance(images, np.memmap)
    np.testing.assert_array_equal(images, IMAGES)


def test_prepared_dataset(tmp_path):
    arrays = {"train": (IMAGES[:3], None), "test": (IMAGES, None)}
    write_prepared(tmp_path / "data", "mine", from_arrays(arrays, {}))
    np.testing.assert_array_equal(open_images(tmp_path / "data"), IMAGES)
    np.testing.assert_array_equal(open_images(tmp_path / "data" / "train.npy"), IMAGES[:3])
    (tmp_path / "data" / "dataset.json").write_text("{}")
    with pytest.raises(ValueError, match="prepare the dataset again"):
        open_images(tmp_path / "data")


def test_folder_is_sorted_and_sliced(tmp_path):
    write_images(tmp_path / "a", IMAGES[:3])
    write_images(tmp_path / "b", IMAGES[3:], pattern="{:03d}.bmp")
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.warns(UserWarning, match=r"5 images; passed over: 1 \.txt"):
        images = open_images(tmp_path)
    assert isinstance(images, ImageFolder)
    assert len(images) == 5
    np.testing.assert_array_equal(images[:], IMAGES)
    np.testing.assert_array_equal(images[3:99], IMAGES[3:])


def test_gray_images_become_three_channels(tmp_path):
    write_images(tmp_path, IMAGES[..., 0])
    np.testing.assert_array_equal(open_images(tmp_path)[:], np.repeat(IMAGES[..., :1], 3, axis=-1))


def test_differing_sizes_name_the_file(tmp_path):
    write_images(tmp_path)
    Image.fromarray(IMAGES[0, :, :7]).save(tmp_path / "odd.png")
    with pytest.raises(ValueError, match=r"odd\.png is 7 x 8 pixels, but 000\.png is 10 x 8"):
        open_images(tmp_path)[:]


def test_truncated_and_deep_images_name_the_file(tmp_path):
    write_images(tmp_path)
    content = (tmp_path / "001.png").read_bytes()
    (tmp_path / "001.png").write_bytes(content[:60])
    with pytest.raises(ValueError, match=r"001\.png cannot be read"):
        open_images(tmp_path)[:]
    Image.fromarray(np.zeros((8, 10), "uint16")).save(tmp_path / "001.png")
    with pytest.raises(ValueError, match=r"001\.png cannot be read .*16 bits per channel"):
        open_images(tmp_path)[:]


def test_invalid_sets_of_images_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="There is no .*absent"):
        open_images(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="holds no image file"):
        open_images(tmp_path)
    (tmp_path / "x.txt").write_text("text")
    with pytest.raises(ValueError, match="neither .npy nor a folder"):
        open_images(tmp_path / "x.txt")
    np.save(tmp_path / "x.npy", np.zeros(3))
    with pytest.raises(ValueError, match="expected images"):
        open_images(tmp_path / "x.npy")
    np.save(tmp_path / "x.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="x.npy is not a complete array of plain numbers"):
        open_images(tmp_path / "x.npy")
