"""The first or last images of sorted data do not represent the others, and a warning says so."""

import warnings

import numpy as np
import pytest

from balancing_vae import datasets
from balancing_vae.cli import main
from balancing_vae.datasets.arrays import from_arrays
from balancing_vae.datasets.prepared import write_prepared
from balancing_vae.training.sources import hold_out
from balancing_vae.training.sources import images_to_fit
from tests.helpers.pipelines import as_if_trained
from tests.helpers.pipelines import digits_pipeline

X, LABELS = datasets.load("digits", "train"), datasets.load_labels("digits", "train")
SORTED = X[np.argsort(LABELS, kind="stable")]


@pytest.mark.parametrize("count", [1, 12, 128, 600, len(X), len(X) + 1])
@pytest.mark.parametrize("seed", range(3))
def test_shuffled_images_are_held_out_without_a_warning(count, seed):
    x = np.random.default_rng(seed).permutation(X)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        others, last = hold_out(x, count)
    np.testing.assert_array_equal(others, x[:-count])
    np.testing.assert_array_equal(last, x[-count:])


@pytest.mark.parametrize("count", [50, 128, 256, 900])
@pytest.mark.parametrize("descending", [False, True])
def test_sorted_images_are_held_out_with_a_warning(count, descending):
    x = SORTED[::-1] if descending else SORTED
    with pytest.warns(UserWarning, match=f"The last {count} training images.*shuffle"):
        hold_out(x, count)


def test_only_an_order_that_matters_is_reported():
    """Constant images, odd sides, floats and colours; and a few images that are all alike."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        hold_out(np.full((100, 5, 5, 3), 7, np.uint8), 10)
        hold_out(np.random.default_rng(0).random((100, 5, 5, 3), np.float32), 10)
        hold_out(np.zeros((100, 5, 5, 1), np.float32), 10)
    x = np.full((100, 5, 5, 3), 7, np.uint8)
    x[90:, :, :, 2] = 9
    with pytest.warns(UserWarning, match="The last 10 "):
        hold_out(x, 10)


@pytest.mark.parametrize("how", ["held_out", "validation_split"])
def test_fit_says_that_images_are_sorted(how):
    vae = digits_pipeline(held_out=129 if how == "held_out" else 0)
    with pytest.warns(UserWarning, match="The last 129 training images, which are held out"):
        if how == "held_out":
            vae.check_training_data(SORTED)
        else:
            vae.fit(SORTED, validation_split=0.1, verbose=False, epochs=0, epochs2=0)


def test_normalisation_on_sorted_images_says_so():
    with pytest.warns(UserWarning, match="The last 128 training images"):
        images_to_fit(SORTED, held_out=128)


def test_the_first_images_of_sorted_data_are_measured_with_a_warning(tmp_path, capsys):
    as_if_trained(digits_pipeline()).save(tmp_path / "run")
    splits = from_arrays({"train": (SORTED, None), "test": (SORTED[:100], None)}, {})
    write_prepared(tmp_path / "data", "digits", splits)
    words = ["evaluate", str(tmp_path / "run"), "--data", str(tmp_path / "data"), "--images", "200"]
    words += ["--against", "train", "--metrics", "mse", "--seeds", "1", "--normalization", "gated"]
    assert main(words) == 0
    printed = capsys.readouterr().err
    assert "The first 200 training images, which are the real ones here," in printed
