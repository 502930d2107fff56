"""The prepared form: a folder of memory-mapped uint8 arrays and a `dataset.json`."""

import contextlib
import hashlib
import json
import os
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path

import numpy as np
import PIL
from PIL import features

from balancing_vae.datasets.array_writer import ArrayWriter
from balancing_vae.datasets.description import DESCRIPTION_FILE
from balancing_vae.datasets.description import FORMAT_VERSION
from balancing_vae.datasets.description import SPLITS
from balancing_vae.datasets.description import read_description
from balancing_vae.datasets.npy import open_npy
from balancing_vae.errors import InputError
from balancing_vae.errors import MissingFileError
from balancing_vae.errors import ResourceError
from balancing_vae.files.arrays import save_array
from balancing_vae.files.atomic import atomic_folder
from balancing_vae.files.formats import PREPARED
from balancing_vae.progress import progress_bar
from balancing_vae.versions import installed_version

_NAMED_AT_MOST = 20


@dataclass
class Chunk:
    """A few images of one split, to be written.

    Args:
        split: `train`, `val` or `test`.
        images: uint8 [n, D, D, C].
        labels: int64 [n], or None if the source has no labels.
        read: Number of images of the source in this chunk, including broken ones.
    """

    split: str
    images: np.ndarray
    labels: np.ndarray | None
    read: int


@dataclass
class Contents:
    """The contents of a source: its images as a stream, and their description.

    Args:
        image_shape: (D, D, C).
        chunks: The images; the order within each split is kept.
        total: Number of images in the source.
        description: Entries for `dataset.json` besides the arrays' summaries.
        broken: `name (reason)` of each unreadable image; filled while the chunks are read.
        changed: Number of images that were changed before cropping, by kind of change; filled
            while the chunks are read.
        skip_broken: Whether broken images are skipped; otherwise writing fails.
    """

    image_shape: tuple[int, int, int]
    chunks: Generator[Chunk]
    total: int
    description: dict
    broken: list[str] = field(default_factory=list)
    changed: Counter = field(default_factory=Counter)
    skip_broken: bool = False


def write_prepared(
    folder: str | os.PathLike, name: str, contents: Contents, overwrite: bool = False
) -> "Prepared":
    """Write `train.npy`, `val.npy`, `test.npy`, their labels, and `dataset.json`.

    A split without images gets no file. Everything is written under a temporary name first, so
    the folder is either complete or absent. A progress bar on stderr shows images per second.

    Args:
        folder: The folder to write.
        name: The dataset's name, for `datasets.load`.
        contents: The images.
        overwrite: Whether an existing prepared dataset is replaced.

    Returns:
        The prepared dataset, open.

    Raises:
        FileExistsError: `folder` is not empty, and `overwrite` is false or it holds other
            files.
        ValueError: An image is broken and `skip_broken` is false, or there is no image.
        OSError: The disk is full.

    Example:
        ```python
        write_prepared("data/mine", "folder", contents)
        ```
    """
    with atomic_folder(folder, PREPARED, overwrite) as temporary:
        try:
            splits = _write_arrays(temporary, name, contents)
        except ChildProcessError:
            raise
        except OSError as error:
            raise ResourceError(
                f"{folder} could not be written ({error.strerror or error}); free some space or "
                "choose another place. Nothing was left behind."
            ) from error
        _judge_broken(contents, bool(splits))
        description = {
            "format_version": FORMAT_VERSION,
            "name": name,
            "image_shape": list(contents.image_shape),
            **contents.description,
            "changed": dict(contents.changed),
            "skipped": contents.broken,
            "splits": splits,
            "versions": _versions(),
        }
        text = json.dumps(description, indent=2, ensure_ascii=False)
        # File names may not be valid UTF-8. Invalid bytes become \udcXX, as in JSON.
        data = f"{text}\n".encode("utf-8", "backslashreplace")
        (temporary / DESCRIPTION_FILE).write_bytes(data)
    return open_prepared(folder)


def _write_arrays(folder: Path, name: str, contents: Contents) -> dict[str, dict]:
    """Write all chunks into the arrays, and return each split's summary."""
    writers: dict[str, ArrayWriter] = {}
    labels: dict[str, list[np.ndarray]] = {}
    with contextlib.ExitStack() as stack:
        chunks = stack.enter_context(contextlib.closing(contents.chunks))
        progress = stack.enter_context(
            progress_bar(total=contents.total, desc=name, unit=" images")
        )
        for chunk in chunks:
            progress.update(chunk.read)
            if not len(chunk.images):
                continue
            if chunk.split not in writers:
                writer = ArrayWriter(folder / f"{chunk.split}.npy", contents.image_shape)
                writers[chunk.split] = stack.enter_context(writer)
                labels[chunk.split] = []
            writers[chunk.split].append(chunk.images)
            if chunk.labels is not None:
                labels[chunk.split].append(chunk.labels)
    summaries = {split: writers[split].summary() for split in SPLITS if split in writers}
    for split, pieces in labels.items():
        if pieces:
            together = np.concatenate(pieces).astype(np.int64)
            save_array(folder / f"{split}_labels.npy", together)
            summaries[split]["labels_sha256"] = hashlib.sha256(together).hexdigest()
    return summaries


def _judge_broken(contents: Contents, any_image: bool) -> None:
    """Raise if there are broken images that may not be skipped, or no others are left."""
    broken = contents.broken
    if not broken or (contents.skip_broken and any_image):
        return
    named = "; ".join(broken[:_NAMED_AT_MOST])
    more = f"; and {len(broken) - _NAMED_AT_MOST} more" if len(broken) > _NAMED_AT_MOST else ""
    problem = (
        f"{len(broken)} of {contents.total} images cannot be used: {named}{more}. "
        "Nothing was written"
    )
    if contents.skip_broken:
        raise InputError(f"{problem}; no image is left to prepare: check the source.")
    raise InputError(
        problem,
        "replace or repair these files, or skip them with skip_broken=True",
        "replace or repair these files, or skip them with --skip-broken",
    )


def _versions() -> dict[str, str]:
    """Return the versions of the packages that affect the pixels."""
    return {
        "balancing_vae": installed_version("balancing_vae") or "not installed",
        "numpy": np.__version__,
        "pillow": PIL.__version__,
        "libjpeg": features.version("libjpeg_turbo") or features.version("jpg") or "not known",
    }


class Prepared:
    """A prepared dataset, whose arrays are memory-mapped and never loaded completely.

    Args:
        folder: The folder that `prepare` wrote.
        description: The content of its `dataset.json`.

    Example:
        ```python
        faces = open_prepared("data/celeba")
        faces.images("train").shape  # (162770, 64, 64, 3)
        faces.description["splits"]["train"]["mean"]
        ```
    """

    def __init__(self, folder: Path, description: dict):
        self.folder = folder
        self.description = description

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {split}" for split, count in self.counts.items())
        shape = "x".join(map(str, self.image_shape))
        return f"<Prepared {self.name}: {shape}, {counts}, in {self.folder}>"

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self.description["name"]

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(D, D, C) of every image."""
        return tuple(self.description["image_shape"])

    @property
    def counts(self) -> dict[str, int]:
        """The number of images by split."""
        return {split: about["count"] for split, about in self.description["splits"].items()}

    @property
    def classes(self) -> list[str] | None:
        """The names of the classes by label, or None if the source has none."""
        return self.description.get("classes")

    @property
    def padding(self) -> int:
        """Width of the black frame that `--pad` added to the images; `unpad` removes it."""
        return self.description.get("padding", 0)

    def images(self, split: str) -> np.ndarray:
        """Open a split's images.

        Args:
            split: `train`, `val` or `test`.

        Returns:
            uint8 [N, D, D, C], memory-mapped, read-only.

        Raises:
            ValueError: The split does not exist, or its file does not match `dataset.json`.
            FileNotFoundError: The file is missing.
        """
        if split not in self.counts:
            raise InputError(
                f"{self.folder} has no split {split!r}; it has {', '.join(self.counts)}."
            )
        path = self.folder / f"{split}.npy"
        array = _open_array(path)
        expected = (self.counts[split], *self.image_shape)
        if array.dtype != np.uint8 or array.shape != expected:
            raise InputError(
                f"{path} holds {array.dtype} {array.shape}, but its {DESCRIPTION_FILE} says "
                f"uint8 {expected}; prepare the dataset again."
            )
        return array

    def labels(self, split: str) -> np.ndarray | None:
        """Open a split's labels.

        Args:
            split: `train`, `val` or `test`.

        Returns:
            int64 [N], or None if the source has no labels.

        Raises:
            ValueError: The file does not match `dataset.json`.
            FileNotFoundError: The file is missing.
        """
        path = self.folder / f"{split}_labels.npy"
        if self.classes is None:
            return None
        labels = _open_array(path)
        expected = (self.counts[split],)
        if labels.shape != expected or labels.dtype != np.int64:
            raise InputError(
                f"{path} holds labels of shape {labels.shape} and type {labels.dtype}, expected "
                f"int64 {expected}; prepare the dataset again."
            )
        if labels.min() < 0 or labels.max() >= len(self.classes):
            raise InputError(
                f"{path} has labels from {labels.min()} to {labels.max()}, but "
                f"{DESCRIPTION_FILE} names {len(self.classes)} classes; prepare the dataset again."
            )
        return labels

    def verify(self) -> None:
        """Compare each array's sha256 with the one in `dataset.json`.

        Raises:
            ValueError: An array has been changed since it was prepared.
        """
        for split, about in self.description["splits"].items():
            self._verify_array(f"{split}.npy", self.images(split), about["sha256"])
            labels = self.labels(split)
            if labels is not None:
                self._verify_array(f"{split}_labels.npy", labels, about["labels_sha256"])

    def _verify_array(self, file: str, array: np.ndarray, expected: str) -> None:
        digest = hashlib.sha256()
        for start in range(0, len(array), 1024):
            digest.update(np.ascontiguousarray(array[start : start + 1024]))
        if digest.hexdigest() != expected:
            raise InputError(
                f"{self.folder / file} has the sha256 {digest.hexdigest()}, but "
                f"{DESCRIPTION_FILE} says {expected}; prepare the dataset again."
            )


def open_prepared(folder: str | os.PathLike) -> Prepared:
    """Open a prepared dataset.

    Args:
        folder: The folder that `prepare` wrote.

    Returns:
        The dataset; only its `dataset.json` has been read.

    Raises:
        FileNotFoundError: There is no prepared dataset.
        ValueError: `dataset.json` is not valid.

    Example:
        ```python
        x = open_prepared("data/cifar10").images("train")
        ```
    """
    folder = Path(folder)
    path = folder / DESCRIPTION_FILE
    if not path.is_file():
        raise MissingFileError(
            f"{folder} is not a prepared dataset: it has no {DESCRIPTION_FILE}. If it holds "
            f"pictures, run `balancing-vae datasets prepare folder --source {folder} --side 64 "
            "--out PREPARED` (for another NAME than folder see `datasets list`), then give "
            "PREPARED."
        )
    return Prepared(folder, read_description(path))


def _open_array(path: Path) -> np.ndarray:
    """Open a .npy file memory-mapped; raise for pickled objects and truncated files."""
    if not path.exists():
        raise MissingFileError(f"{path} is missing; prepare the dataset again.")
    return open_npy(path)
