"""What a `dataset.json` must say, declared once and checked once, when it is read."""

import json
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from balancing_vae.errors import InputError

FORMAT_VERSION = 1
SPLITS = ("train", "val", "test")
DESCRIPTION_FILE = "dataset.json"


def _is_whole(value: object, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(text, str) for text in value)


def _are_numbers(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(number, int | float) and not isinstance(number, bool) and math.isfinite(number)
        for number in value
    )


def _is_shape(value: object) -> bool:
    return isinstance(value, list) and len(value) == 3 and all(_is_whole(n, 1) for n in value)


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


def _are_counts(value: object) -> bool:
    return isinstance(value, dict) and all(_is_whole(count, 1) for count in value.values())


def _are_words(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(word, str) for word in value.values())


def _are_fractions(value: object) -> bool:
    return _are_numbers(value) and all(0 <= number <= 1 for number in value)


def _is_jpeg(value: object) -> bool:
    if not isinstance(value, dict) or not value.keys() >= {"quality", "subsampling"}:
        return False
    return _is_whole(value["quality"], 1) and _is_text(value["subsampling"])


def _is_crop(value: object) -> bool:
    is_box = _are_numbers(value) and len(value) == 4
    return is_box or _is_text(value) or _is_whole(value, 1)


def _are_splits(value: object) -> bool:
    return isinstance(value, dict) and bool(value) and value.keys() <= set(SPLITS)


@dataclass(frozen=True)
class _Field:
    """One field of a JSON object.

    Attributes:
        kind: What its value must be, in words.
        fits: Tells whether a value is such.
        optional: Whether it may be missing, or null.
    """

    kind: str
    fits: Callable[[object], bool]
    optional: bool = False


# Other fields are allowed: a source may have more to say.
_FIELDS = {
    "name": _Field("a name", _is_text),
    "image_shape": _Field("three whole numbers from 1", _is_shape),
    "splits": _Field(f"an object with some of {', '.join(SPLITS)}", _are_splits),
    "source": _Field("an object of texts", _are_words, optional=True),
    "classes": _Field("a list of names", lambda v: _are_texts(v) and v, optional=True),
    "partition": _Field("a text", _is_text, optional=True),
    "crop": _Field("a side, four numbers or a text", _is_crop, optional=True),
    "filter": _Field("a text", _is_text, optional=True),
    "jpeg": _Field("an object with quality and subsampling", _is_jpeg, optional=True),
    "padding": _Field("a whole number", lambda value: _is_whole(value, 0), optional=True),
    "passed_over": _Field("an object of counts", _are_counts, optional=True),
    "changed": _Field("an object of counts", _are_counts, optional=True),
    "skipped": _Field("a list of texts", _are_texts, optional=True),
    "versions": _Field("an object of texts", _are_words, optional=True),
}
_SPLIT_FIELDS = {
    "count": _Field("a whole number from 1", lambda value: _is_whole(value, 1)),
    "mean": _Field("a list of numbers from 0 to 1", _are_fractions),
    "std": _Field("a list of numbers from 0 to 1", _are_fractions),
    "sha256": _Field("64 hexadecimal digits", _is_sha256),
    "labels_sha256": _Field("64 hexadecimal digits", _is_sha256, optional=True),
}


def read_description(path: Path) -> dict:
    """Read a `dataset.json` and check all that this package relies on.

    Args:
        path: The file.

    Returns:
        What it says.

    Raises:
        ValueError: It is not JSON, of another format version, or a field is missing or not
            what it must be. The message names the file and the field.

    Example:
        ```python
        read_description(Path("data/cifar10/dataset.json"))["splits"]["train"]["count"]
        ```
    """
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, f"it is not JSON ({error})") from error
    if not isinstance(description, dict) or "format_version" not in description:
        raise _damaged(path, "it is not an object with a format_version")
    if description["format_version"] != FORMAT_VERSION:
        raise _damaged(
            path,
            f"it has the format version {description['format_version']!r}, this program reads "
            f"{FORMAT_VERSION}",
        )
    _check(path, description, _FIELDS, "")
    for split, about in description["splits"].items():
        if not isinstance(about, dict):
            raise _damaged(path, f"splits.{split} must be an object, got {about!r:.80}")
        _check(path, about, _SPLIT_FIELDS, f"splits.{split}.")
        channels = description["image_shape"][2]
        if not len(about["mean"]) == len(about["std"]) == channels:
            raise _damaged(
                path, f"splits.{split} must have a mean and std for each of {channels} channels"
            )
        if description.get("classes") and "labels_sha256" not in about:
            raise _damaged(
                path, f"splits.{split}.labels_sha256 is missing, although classes are named"
            )
    if 2 * (description.get("padding") or 0) >= min(description["image_shape"][:2]):
        raise _damaged(path, f"padding {description['padding']} leaves nothing of the images")
    return description


def _check(path: Path, values: dict, fields: dict[str, _Field], place: str) -> None:
    for name, field in fields.items():
        value = values.get(name)
        if value is None and field.optional:
            continue
        if name not in values:
            raise _damaged(path, f"{place}{name} is missing")
        if not field.fits(value):
            raise _damaged(path, f"{place}{name} must be {field.kind}, got {value!r:.80}")


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(f"{path} is not a dataset description: {reason}; prepare the dataset again.")
