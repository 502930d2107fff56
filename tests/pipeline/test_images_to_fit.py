"""Which images normalisation is fitted on: one rule, by every way to fit it."""

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


class Batches:
    def __iter__(self):
        return iter([X[:5], X[5:9]])


def test_the_rule(monkeypatch):
    assert images_to_fit(X, X_VAL) is images_to_fit(X, X_VAL, held_out=12) is X_VAL
    np.testing.assert_array_equal(images_to_fit(X, held_out=12), X[28:])
    assert images_to_fit(X).shape == X.shape
    monkeypatch.setattr("balancing_vae.training.sources.FITTED_IMAGES", 7)
    for source in (X, ImageBatches(Batches(), (4, 4, 1))):
        np.testing.assert_array_equal(images_to_fit(source), X[:7])


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
