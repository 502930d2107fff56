"""The images on which normalisation is fitted: one rule for every way to fit it."""

import numpy as np
import pytest

from balancing_vae.cli import main
from balancing_vae.cli.data import open_images_to_fit
from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.prepared import write_prepared
from balancing_vae.pipeline import TwoStageVAE
from balancing_vae.training.sources import ImageBatches
from balancing_vae.training.sources import images_to_fit
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

X, X_VAL, X_TEST = tiny_images(40), tiny_images(10, seed=1), tiny_images(30, seed=2)


def test_the_images_are_chosen_by_the_documented_rule():
    assert images_to_fit(X, X_VAL) is images_to_fit(X, X_VAL, held_out=12) is X_VAL
    np.testing.assert_array_equal(images_to_fit(X, held_out=12), X[28:])
    assert images_to_fit(X).shape == X.shape


class OrderedBatches:
    def __init__(self, x):
        self.x = x

    def __iter__(self):
        return iter(np.split(self.x, [7, 8, 30]))


def as_memory_map(x, folder):
    np.save(folder / "x.npy", x)
    return np.load(folder / "x.npy", mmap_mode="r")


@pytest.mark.parametrize("labels", [np.repeat(np.arange(10), 100), np.tile(np.arange(10), 100)])
@pytest.mark.parametrize("kind", ["array", "memory map", "dataset"])
def test_a_part_of_ordered_images_has_all_classes(tmp_path, monkeypatch, labels, kind):
    monkeypatch.setattr("balancing_vae.training.sources.FITTED_IMAGES", 200)
    x = np.broadcast_to(labels.astype(np.uint8)[:, None, None, None], (1000, 4, 4, 1)).copy()
    x[:, 0, 0, 0], x[:, 0, 1, 0] = np.divmod(np.arange(1000), 200)  # which image it is
    source = x
    if kind == "memory map":
        source = as_memory_map(x, tmp_path)
    elif kind == "dataset":
        source = ImageBatches(OrderedBatches(x), (4, 4, 1))
    chosen = images_to_fit(source)
    np.testing.assert_array_equal(chosen, images_to_fit(x))
    assert len(np.unique(chosen, axis=0)) == 200
    counts = np.bincount(chosen[:, 1, 1, 0], minlength=10)
    assert counts.min() >= 10, counts
    assert images_to_fit(source[:150] if kind != "dataset" else x[:150]).shape[0] == 150


def prepare(folder, splits):
    write_prepared(folder, "mnist", from_arrays({s: (x, None) for s, x in splits.items()}, {}))
    return folder


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("val", "held_out", "expected"),
    [(X_VAL, 12, X_VAL), (None, 12, X[28:])],
    ids=["validation split", "held out"],
)
def test_every_way_to_fit_takes_the_same_images(tmp_path, monkeypatch, val, held_out, expected):
    fitted_on = []
    measure_normalizations = TwoStageVAE.measure_normalizations

    def recorded(vae, x, *arguments, **options):
        fitted_on.append(np.array(x))
        return measure_normalizations(vae, x, *arguments, **options)

    monkeypatch.setattr(TwoStageVAE, "measure_normalizations", recorded)
    vae = tiny_pipeline(epochs=1, epochs2=1, held_out=held_out)
    vae.fit(X, validation_data=val, verbose=False)
    vae.save(tmp_path / "run")
    splits = {"train": X, "val": val, "test": X_TEST}
    data = prepare(tmp_path / "data", {s: x for s, x in splits.items() if x is not None})
    words = ["evaluate", tmp_path / "run", "--normalization", "latents_and_images", "--seeds", 1]
    words += ["--features", "pixels", "--data", data]
    assert main([str(word) for word in words]) == 0
    words = ["reproduce", "faces", tmp_path / "run", "--data", data, "--out", tmp_path / "faces"]
    assert main([str(word) for word in words]) == 0
    fitted_on.append(open_images_to_fit(data, None, held_out))  # as import-checkpoint does
    assert len(fitted_on) == 4
    for images in fitted_on:
        np.testing.assert_array_equal(images, expected)


def test_data_without_such_images_are_refused(tmp_path):
    data = prepare(tmp_path / "data", {"test": X_TEST})
    with pytest.raises(ValueError, match="neither training nor validation images"):
        open_images_to_fit(data, None, 0)
