"""The display of a pipeline in a notebook: tables, pictures, and no deep imports."""

import re

import numpy as np
import pytest

import balancing_vae as bv
from balancing_vae.evaluation.comparison import compare
from balancing_vae.evaluation.measurement import Measurement
from balancing_vae.evaluation.moments_table import Evaluation
from balancing_vae.pipeline import plots
from balancing_vae.pipeline.history import History
from tests.helpers.pipelines import digits_pipeline
from tests.helpers.processes import python_prints


def texts(html: str) -> list[str]:
    return re.findall(r">([^<>]+)<", html)


def test_a_pipeline_shows_the_same_as_its_repr(trained):
    shown = " ".join(texts(trained._repr_html_()))
    for word in ("TwoStageVAE(own config", "resnet", "kl_weight 16", "latent, 2 x 16", "gated"):
        assert word in shown and word in repr(trained)


def test_histories_evaluations_and_comparisons_are_tables(trained):
    rows = trained.history._repr_html_()
    assert rows.count("<tr>") == 1 + 2
    assert f"{trained.history[-1]['mse']:.4g}" in texts(rows)
    assert "No epoch yet." in History()._repr_html_()
    rows = [
        Measurement("GEN-2", "variance_loss", 0.5, 9, 9, normalization="latents_and_images"),
        Measurement("GEN-2", "mean_std", 0.25, 9, 9, normalization="latents_and_images"),
        Measurement("data", "mean_std", 0.125, 9, 9),
    ]
    evaluation = Evaluation(rows, 1.0, 1.0, 3, 4, left_alone='Not rescaled in mode "gated".')
    shown = texts(evaluation._repr_html_())
    assert ["GEN-2 normalised", "-", "0.5", "0.25", "0.125"] == shown[-8:-3]
    assert shown[-1].startswith("Not rescaled in mode")
    assert repr(evaluation) == str(evaluation)
    table = compare([], "cifar10")
    assert "RAE-L2" in " ".join(texts(table._repr_html_()))
    assert "**" not in table._repr_html_()
    assert str(table).startswith("| system |")


def test_figures_are_displayed_by_notebooks(trained, digits):
    figures = [
        trained.plot_samples(20, seed=0),
        trained.plot_reconstructions(digits),
        trained.plot_interpolation(digits[0], digits[1]),
        trained.plot_history(),
        trained.history.plot(),
    ]
    for figure in figures:
        assert figure._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="no epoch to plot yet; call fit"):
        digits_pipeline().plot_history()


def test_pictures_show_the_images_of_the_pipeline(trained, digits):
    rows = plots.samples(trained, 20, columns=16, seed=3)
    assert list(rows) == ["1 to 16", "17 to 20"]
    np.testing.assert_array_equal(np.concatenate(list(rows.values())), trained.generate(20, seed=3))
    rows = plots.reconstructions(trained, digits[:5], seed=1)
    np.testing.assert_array_equal(rows["reconstruction"], trained.reconstruct(digits[:5], seed=1))
    np.testing.assert_array_equal(rows["data"] * 255, digits[:5])
    # A short row is as large as the others, white at its end.
    figure = trained.plot_samples(20, seed=3)
    first, last = (axis.images[0].get_array() for axis in figure.axes)
    assert first.shape == last.shape
    assert (last[:, -8:] == 1).all()


def test_an_interpolation_goes_from_one_image_to_the_other(trained, digits):
    (row,) = plots.interpolations(trained, digits[:1], digits[1:2], steps=5).values()
    assert len(row) == 7
    np.testing.assert_array_equal(row[0] * 255, digits[0])
    ends = trained.decode(trained.encode(digits[:2])[0])
    np.testing.assert_allclose(row[[1, -2]], ends, atol=1e-5)
    assert len(trained.plot_interpolation(digits[:2], digits[2:4]).axes) == 2


def test_the_package_brings_its_datasets_and_its_version_without_keras():
    assert bv.datasets.load("digits", "test").shape == (256, 8, 8, 1)
    assert {"datasets", "presets", "__version__"} <= set(dir(bv))
    code = """
import json, sys
import balancing_vae as bv
shape = bv.datasets.load("digits", "val").shape
found = [bv.__version__, shape, "digits" in bv.presets.preset_names()]
print(json.dumps([*found, sorted({"keras", "tensorflow", "matplotlib"} & set(sys.modules))]))
"""
    version, shape, there, loaded = python_prints(code)
    assert re.fullmatch(r"\d+\.\d+.*", version)
    assert (shape, there, loaded) == ([256, 8, 8, 1], True, [])


def test_a_pipeline_asks_for_matplotlib_for_pictures_only():
    # Keras may import it by itself.
    code = """
import json, sys
from balancing_vae import TwoStageVAE
print(json.dumps("balancing_vae.figures.style" in sys.modules))
"""
    assert python_prints(code) is False
