"""Turn compact archives of JPEGs into the prepared form.

    python tools/compact_archives.py cifar10 FOLDER --out data/cifar10
    python tools/compact_archives.py celeba FOLDER --out data/celeba

A compact archive is an .npz of many small JPEG files that stores their common parts only once:
`header` (uint8) is the files' common beginning, up to and including the scan header; `data`
(uint8) is the rest of each file without the end mark, one file after the other; `length` is the
number of bytes of each file in `data`. CIFAR-10 also has `labels` and `classes`.

`cifar10` needs `train.npz` and `test.npz`: CIFAR-10 after the JPEG round trip of the original
program, sorted by class. `celeba` needs `images.npz`: CelebA's faces at half size, 89x109,
from the beginning of its training part. The usual crop of 128x128 pixels from 178x218, shrunk to
64x64, is here a crop of 64x64 pixels that is half a pixel off the grid; bicubic interpolation
approximates it best. The splits are then made by position, as for any part of CelebA.

MNIST needs no tool: `balancing-vae datasets prepare mnist --source mnist.npz`.
"""

import argparse
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.celeba import split_by_position
from balancing_vae.datasets.cifar10 import CLASSES
from balancing_vae.datasets.images import JPEG_QUALITY
from balancing_vae.datasets.images import JPEG_SUBSAMPLING
from balancing_vae.datasets.prepared import Contents
from balancing_vae.datasets.prepared import write_prepared

HALF_SIZE_BOX = (12.5, 22.5, 76.5, 86.5)  # half of celeba.BOXES["celeba"]


def read_images(path: Path) -> tuple[Iterator[Image.Image], np.ndarray | None]:
    """Open a compact archive.

    Args:
        path: The .npz.

    Returns:
        The images, each decoded when it is requested, and their labels, int64 [N], or None.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is not a compact archive.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give the folder that holds it.")
    with np.load(path, allow_pickle=False) as archive:
        missing = {"header", "data", "length"} - set(archive.files)
        if missing:
            raise ValueError(f"{path} is not a compact archive: it lacks {sorted(missing)}.")
        header, data = archive["header"].tobytes(), archive["data"].tobytes()
        ends = np.cumsum(archive["length"], dtype=np.int64)
        labels = archive["labels"] if "labels" in archive.files else None
    if not len(ends) or ends[-1] != len(data):
        raise ValueError(f"{path} is damaged: its lengths do not add up to its {len(data)} bytes.")
    starts = np.concatenate([[0], ends[:-1]])
    files = (
        header + data[start:end] + b"\xff\xd9" for start, end in zip(starts, ends, strict=True)
    )
    return (Image.open(io.BytesIO(file)) for file in files), labels


def read_cifar10(folder: Path) -> Contents:
    """Read the two archives of CIFAR-10."""
    arrays = {}
    for split in ("train", "test"):
        images, labels = read_images(folder / f"{split}.npz")
        arrays[split] = np.stack([np.asarray(image) for image in images]), labels
    description = {
        "source": {"file": folder.name, "format": "compact archive"},
        "classes": CLASSES,
        "jpeg": {"quality": JPEG_QUALITY, "subsampling": JPEG_SUBSAMPLING},
    }
    return from_arrays(arrays, description)


def read_celeba(folder: Path) -> Contents:
    """Read the archive of half-size faces."""
    images, _ = read_images(folder / "images.npz")
    faces = np.stack(
        [
            np.asarray(image.resize((64, 64), Image.Resampling.BICUBIC, box=HALF_SIZE_BOX))
            for image in images
        ]
    )
    splits = np.array(split_by_position(len(faces)))
    description = {
        "source": {"file": folder.name, "format": "compact archive of 89x109 images"},
        "partition": "position",
        "crop": HALF_SIZE_BOX,
        "filter": "bicubic",
    }
    return from_arrays(
        {split: (faces[splits == split], None) for split in ("train", "val", "test")}, description
    )


READERS = {"cifar10": read_cifar10, "celeba": read_celeba}


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and write the prepared form."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=READERS)
    parser.add_argument("folder", type=Path, help="folder with the archive or archives")
    parser.add_argument("--out", required=True, help="the folder to write")
    parser.add_argument("--overwrite", action="store_true", help="replace an existing folder")
    options = parser.parse_args(arguments)
    try:
        contents = READERS[options.name](options.folder)
        print(write_prepared(options.out, options.name, contents, options.overwrite))
    except (ValueError, OSError) as error:
        print(f"compact_archives: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
