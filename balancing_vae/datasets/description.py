"""The required content of a `dataset.json`, declared once and checked on reading."""

import re
from pathlib import Path
from typing import Any

from balancing_vae.errors import InputError
from balancing_vae.schema import anything
from balancing_vae.schema import mapping
from balancing_vae.schema import optional
from balancing_vae.schema import read_json
from balancing_vae.schema import real
from balancing_vae.schema import record
from balancing_vae.schema import sequence
from balancing_vae.schema import text
from balancing_vae.schema import truth
from balancing_vae.schema import whole

FORMAT_VERSION = 1
SPLITS = ("train", "val", "test")
DESCRIPTION_FILE = "dataset.json"


def _version(value: object, name: str) -> None:
    if value != FORMAT_VERSION or isinstance(value, bool):
        raise InputError(
            f"it has the format version {value!r}, but this program reads {FORMAT_VERSION}"
        )


def _name(value: object, name: str) -> None:
    text(value, name)
    if not value:
        raise InputError(f"{name} must not be empty")


def _sha256(value: Any, name: str) -> None:
    text(value, name)
    if not re.fullmatch("[0-9a-f]{64}", value):
        raise InputError(f"{name} must be 64 hexadecimal digits, got {value[:80]!r}")


def _classes(value: object, name: str) -> None:
    sequence(text)(value, name)
    if not value:
        raise InputError(f"{name} must name a class, or be omitted")


def _crop(value: object, name: str) -> None:
    """Check the crop: a description in words, the side of a centred square, or a box."""
    if isinstance(value, list):
        sequence(real(), 4)(value, name)
    elif not isinstance(value, str):
        whole(above=0)(value, name)


_counts = mapping(whole(above=0))
_split = record(
    {
        "count": whole(above=0),
        "mean": sequence(real(least=0, most=1)),
        "std": sequence(real(least=0, most=1)),
        "sha256": _sha256,
    },
    {"labels_sha256": _sha256},
)
_fields = record(
    {
        "format_version": _version,
        "name": _name,
        "image_shape": sequence(whole(above=0), 3),
        "splits": record({}, dict.fromkeys(SPLITS, _split)),
    },
    {
        "source": mapping(text),
        "classes": optional(_classes),
        "partition": text,
        "crop": _crop,
        "filter": text,
        "grey": truth,
        "jpeg": optional(record({"quality": whole(above=0)}, {"subsampling": text})),
        "padding": whole(least=0),
        "passed_over": _counts,
        "changed": _counts,
        "skipped": sequence(text),
        "versions": mapping(text),
    },
    others=anything,  # a source may add fields of its own
)


def dataset_description(value: Any, name: str) -> None:
    """Check that a value describes a prepared dataset; a rule of `balancing_vae.schema`."""
    # The version is checked first, because a later one may have other fields.
    record({"format_version": _version}, others=anything)(value, name)
    _fields(value, name)
    if not value["splits"]:
        raise InputError(f"splits must have one of {', '.join(SPLITS)}")
    height, width, channels = value["image_shape"]
    if 2 * value.get("padding", 0) >= min(height, width):
        raise InputError(f"padding {value['padding']} leaves nothing of {height}x{width} pixels")
    for split, about in value["splits"].items():
        if not len(about["mean"]) == len(about["std"]) == channels:
            raise InputError(f"splits.{split} must have a mean and a std for each channel")
        if value.get("classes") and "labels_sha256" not in about:
            raise InputError(f"splits.{split} must have labels_sha256, because classes are named")


def read_description(path: Path) -> dict:
    """Read a `dataset.json` and check all fields that this package uses.

    Args:
        path: The file.

    Returns:
        Its content.

    Raises:
        FileNotFoundError: The file does not exist.
        ValueError: It is not JSON, has another format version, or a field is missing or
            invalid. The message names the file and the field.

    Example:
        ```python
        read_description(Path("data/cifar10/dataset.json"))["splits"]["train"]["count"]
        ```
    """
    return read_json(path, dataset_description, "prepare the dataset again")
