"""Tiny files in the layouts in which the real datasets are distributed."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

CIFAR_BATCHES = [f"data_batch_{number}" for number in range(1, 6)] + ["test_batch"]


def random_images(count, side, channels, seed=0):
    shape = (count, side, side, channels)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


class _Python2Pickler(pickle._Pickler):
    """A pickler that writes bytes as Python 2 wrote its strings, and NumPy 1's module names."""

    dispatch = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value):
        if len(value) < 256:
            self.write(pickle.SHORT_BINSTRING + bytes([len(value)]) + value)
        else:
            self.write(pickle.BINSTRING + struct.pack("<i", len(value)) + value)
        self.memoize(value)

    def save_global(self, value, name=None):
        if getattr(value, "__name__", "") == "_reconstruct":
            self.write(b"cnumpy.core.multiarray\n_reconstruct\n")
            self.memoize(value)
        else:
            super().save_global(value, name)

    dispatch[bytes] = save_bytes
    dispatch[type(np.empty(0).__reduce__()[0])] = save_global


def python2_pickle(value):
    file = io.BytesIO()
    _Python2Pickler(file, protocol=2).dump(value)
    return file.getvalue()


def cifar_arrays(batch_size=3):
    """Return the images and labels of six batches by name."""
    return {
        name: (
            random_images(batch_size, 32, 3, seed),
            np.random.default_rng(seed).integers(0, 10, batch_size),
        )
        for seed, name in enumerate(CIFAR_BATCHES)
    }


def cifar_python(folder, arrays):
    """Write the python version's folder; return it and the sha256 of each batch."""
    folder = Path(folder) / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    checksums = {}
    for name, (images, labels) in arrays.items():
        batch = {
            b"batch_label": name.encode(),
            b"labels": [int(label) for label in labels],
            b"data": images.transpose(0, 3, 1, 2).reshape(len(images), -1),
            b"filenames": [b"x.png"] * len(images),
        }
        data = python2_pickle(batch)
        (folder / name).write_bytes(data)
        checksums[name] = hashlib.sha256(data).hexdigest()
    (folder / "batches.meta").write_bytes(python2_pickle({b"num_vis": 3072}))
    return folder, checksums


def cifar_binary(folder, arrays):
    """Write the binary version's folder."""
    folder = Path(folder) / "cifar-10-batches-bin"
    folder.mkdir(parents=True)
    for name, (images, labels) in arrays.items():
        planes = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        records = np.concatenate([labels[:, None].astype(np.uint8), planes], axis=1)
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    return folder


def tar_gz(folder):
    path = folder.parent / f"{folder.name}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, folder.name)
    return path


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


def mnist_arrays(train=7, test=3):
    generator = np.random.default_rng(0)
    return {
        "train": (random_images(train, 28, 1)[..., 0], generator.integers(0, 10, train)),
        "test": (random_images(test, 28, 1, 1)[..., 0], generator.integers(0, 10, test)),
    }


def mnist_idx(folder, arrays, packed=False, joint="-"):
    folder = Path(folder) / "idx"
    folder.mkdir(parents=True)
    for split, stem in (("train", "train"), ("test", "t10k")):
        for array, kind in zip(arrays[split], ("images{}idx3", "labels{}idx1"), strict=True):
            name = f"{stem}-{kind.format(joint)}-ubyte"
            if packed:
                (folder / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
            else:
                (folder / name).write_bytes(idx(array))
    return folder


def jpeg(image, **options):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", **options)
    return file.getvalue()


def face(number, width=178, height=218):
    """Return a smooth picture of CelebA's size as an array."""
    coarse = random_images(1, 8, 3, number)[0]
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def celeba_folder(folder, count=12):
    folder = Path(folder) / "img_align_celeba"
    folder.mkdir(parents=True)
    for number in range(1, count + 1):
        (folder / f"{number:06}.jpg").write_bytes(jpeg(face(number)))
    return folder


def zip_of(folder, prefix="img_align_celeba/"):
    path = folder.parent / f"{folder.name}.zip"
    with zipfile.ZipFile(path, "w") as archive:
        if prefix:
            archive.writestr(prefix, "")
        for file in sorted(folder.iterdir()):
            archive.write(file, prefix + file.name)
    return path


def partition_lines(splits, csv=False):
    """Return a partition file; `splits` has the 0, 1 or 2 of 000001.jpg, 000002.jpg, ..."""
    lines = [f"{n:06}.jpg{',' if csv else ' '}{s}" for n, s in enumerate(splits, start=1)]
    return "\n".join(["image_id,partition", *lines] if csv else lines) + "\n"
