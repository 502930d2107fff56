"""A damaged field of dataset.json is refused by name; accepted descriptions are valid."""

import copy
import json

import numpy as np
import pytest
from hypothesis import HealthCheck
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from balancing_vae import datasets
from balancing_vae.cli import main
from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.prepared import write_prepared

IMAGES = np.arange(5 * 48, dtype=np.uint8).reshape(5, 4, 4, 3)
LABELS = np.arange(5)
ALL = {
    "source": {"file": "photos", "format": "folder"},
    "partition": "folders: train",
    "passed_over": {".heic": 2},
    "classes": list("abcde"),
    "crop": [0, 0, 4, 4],
    "filter": "bilinear",
    "jpeg": {"quality": 75, "subsampling": "4:2:0"},
    "padding": 1,
    "grey": False,
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("prepared") / "data"
    contents = from_arrays({"train": (IMAGES, LABELS)}, ALL)
    contents.changed["transparency dropped"] = 3
    contents.broken.append("a.png (broken)")
    contents.skip_broken = True
    return write_prepared(folder, "folder", contents)


@pytest.fixture
def rewrite(prepared, tmp_path):
    """Return a function that opens the dataset with another dataset.json."""
    folder = tmp_path / "data"
    folder.mkdir()
    for path in prepared.folder.glob("*.npy"):
        (folder / path.name).write_bytes(path.read_bytes())

    def write(description):
        text = description if isinstance(description, bytes) else json.dumps(description).encode()
        (folder / "dataset.json").write_bytes(text)
        return folder

    return write


def changed(description, place, value):
    """Return the description with another value at a place; without the field for `...`."""
    description = copy.deepcopy(description)
    *path, last = place
    inner = description
    for key in path:
        inner = inner[key]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return description


TRAIN = ("splits", "train")
WRONG = [
    *[((key,), ...) for key in ("format_version", "name", "image_shape", "splits")],
    *[((*TRAIN, key), ...) for key in ("count", "mean", "std", "sha256", "labels_sha256")],
    *[(("format_version",), value) for value in (0, 2, "1", None, True, 1.5, [1])],
    *[(("name",), value) for value in ("", 3, None, ["folder"])],
    *[(("image_shape",), value) for value in ([4, 4], [4, 4, 0], [4, 4, 3.0], "443", [4, 4, True])],
    *[(("splits",), value) for value in ({}, [], None, "train", {"dev": {}}, {"train": 5})],
    *[((*TRAIN, "count"), value) for value in (0, -5, 5.0, "5", True, None)],
    *[((*TRAIN, "mean"), value) for value in ([], [0.5], [0.5] * 4, [2, 0, 0], [None] * 3, 0.5)],
    *[((*TRAIN, "std"), value) for value in ([0.1], [-1, 0, 0], ["0", 0, 0])],
    *[((*TRAIN, "sha256"), value) for value in ("", "x" * 64, "a" * 63, 5, None)],
    ((*TRAIN, "labels_sha256"), "none"),
    *[(("classes",), value) for value in ([], "abcde", [1, 2], {"a": 1})],
    *[(("padding",), value) for value in (-1, 2, 1.5, "1")],
    *[(("crop",), value) for value in ([1, 2], 0, -1, {"a": 1}, ["a"] * 4)],
    *[
        (("jpeg",), value)
        for value in (True, 75, {"subsampling": "4:2:0"}, {"quality": "x", "subsampling": ""})
    ],
    *[(("skipped",), value) for value in ("a.png", [1], {"a": 1})],
    *[(("passed_over",), value) for value in ([1], {".heic": -1}, {".heic": "2"}, 3)],
    *[(("changed",), value) for value in ([1], {"a": 0.5})],
    *[(("source",), value) for value in ("photos", {"file": 3})],
    *[(("partition",), value) for value in (3, ["a"])],
    *[(("versions",), value) for value in ("1", {"numpy": 2})],
]


@pytest.mark.parametrize(("place", "value"), WRONG)
def test_each_wrong_field_is_named(prepared, rewrite, place, value):
    folder = rewrite(changed(prepared.description, place, value))
    with pytest.raises(
        ValueError, match=r"dataset\.json is damaged: .*; prepare the dataset again"
    ) as e:
        datasets.open_prepared(folder)
    assert any(str(key) in str(e.value) for key in place) or "format version" in str(e.value)


@pytest.mark.parametrize(
    "text",
    [b"", b"[", b"[]", b"null", b"3", b'"a"', b"\xff\xfe", b"[" * 100_000, b"9" * 10_000, b"NaN"],
)
def test_a_description_that_is_not_an_object_is_named(rewrite, text, capsys):
    folder = rewrite(text)
    assert main(["datasets", "info", str(folder)]) == 2
    errors = capsys.readouterr().err
    assert "dataset.json is damaged" in errors and len(errors.splitlines()) == 1


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_values_that_are_not_numbers_are_refused(prepared, rewrite, number):
    text = json.dumps(changed(prepared.description, (*TRAIN, "mean"), ["X", 0, 0]))
    with pytest.raises(ValueError, match=r"dataset\.json .*splits.train.mean\[0\] must (not )?be"):
        datasets.open_prepared(rewrite(text.replace('"X"', number).encode()))


def test_a_description_that_promises_other_arrays(prepared, rewrite):
    cases = [((*TRAIN, "count"), 10**12), (("image_shape",), [10**6, 10**6, 3])]
    for place, value in cases:
        folder = rewrite(changed(prepared.description, place, value))
        with pytest.raises(ValueError, match=r"train\.npy holds uint8 \(5, 4, 4, 3\)"):
            datasets.open_prepared(folder).images("train")
    folder = rewrite(changed(prepared.description, ("classes",), ["a", "b"]))
    with pytest.raises(ValueError, match="labels from 0 to 4, but dataset.json names 2 classes"):
        datasets.open_prepared(folder).labels("train")
    np.save(folder / "train_labels.npy", LABELS.astype(float))
    with pytest.raises(ValueError, match="type float64, expected int64"):
        datasets.open_prepared(folder).labels("train")


def test_only_the_fields_that_the_package_needs_are_required(prepared, rewrite):
    kept = {"format_version", "name", "image_shape", "splits"}
    description = {key: value for key, value in prepared.description.items() if key in kept}
    folder = rewrite(description | {"remark": ["of", "another", "program"]})
    opened = datasets.open_prepared(folder)
    assert opened.counts == {"train": 5} and opened.classes is None and opened.padding == 0
    assert main(["datasets", "info", str(folder)]) == 0


@settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_random_damage_is_refused_or_has_no_effect(prepared, rewrite, data):
    text = (prepared.folder / "dataset.json").read_bytes()
    place = data.draw(st.integers(0, len(text) - 1), label="place")
    garbage = data.draw(st.binary(max_size=8), label="garbage")
    cut = data.draw(st.booleans(), label="cut")
    folder = rewrite(text[:place] + garbage + (b"" if cut else text[place + len(garbage) :]))
    try:
        opened = datasets.open_prepared(folder)
        images, labels = opened.images("train"), opened.labels("train")
    except ValueError as error:
        assert str(folder) in str(error)
        return
    np.testing.assert_array_equal(images, IMAGES)
    np.testing.assert_array_equal(labels, LABELS)
    assert opened.counts == {"train": 5} and 0 <= opened.padding < 2
    assert main(["datasets", "info", str(folder)]) in (0, 2)
