"""Every metric of every column; each image is made only once."""

import io
import sys
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from balancing_vae.evaluation.columns import choose_images
from balancing_vae.evaluation.columns import two_stage_columns
from balancing_vae.evaluation.comparison import compare
from balancing_vae.evaluation.effects import normalization_effects
from balancing_vae.evaluation.measurement import aggregate
from balancing_vae.evaluation.measuring import evaluate
from balancing_vae.evaluation.measuring import noise_floor
from balancing_vae.evaluation.metrics_file import read_metrics
from balancing_vae.evaluation.metrics_file import write_metrics
from balancing_vae.evaluation.table import measured_table
from balancing_vae.fid.distance import frechet_distance
from balancing_vae.fid.measuring import measure
from balancing_vae.fid.metrics import METRICS
from balancing_vae.fid.metrics.metric import Metric
from balancing_vae.fid.networks.pixels import Pixels
from balancing_vae.fid.scoring import score
from balancing_vae.normalization import MODES
from balancing_vae.normalization import ImageNormalization
from balancing_vae.normalization import LatentNormalization
from tests.helpers.pipelines import as_if_trained
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

pytestmark = pytest.mark.filterwarnings("ignore:Only .* images")

IMAGES = np.random.default_rng(0).integers(0, 256, (4400, 4, 4, 3), dtype="uint8")


class StandInPipeline:
    """Its latents are pixels: noise around the images, the more of it the worse the column."""

    config = SimpleNamespace(batch_size=100, samplers=("prior", "second_stage"))

    def fitted_normalizations(self):
        mode = "latents_and_images"
        return LatentNormalization(mode, 0.29, True), ImageNormalization(mode, 0.29)

    def encode(self, x):
        pixels = x.reshape(len(x), -1) / 255
        return pixels.astype("float32"), np.full(pixels.shape, 0.1, "float32")

    def decode(self, z, keep_padding):
        return z.reshape(-1, 4, 4, 3).clip(0, 1)

    def sample_latents(self, n, *, normalize, seed, sampler):
        assert (n, normalize) == (2200, False)
        noise = np.random.default_rng(seed).normal(0, 0.4 if sampler == "prior" else 0.3, (n, 48))
        return self.encode(IMAGES[:n])[0] + noise.astype("float32")


def images_of(column, mode, seed):
    (found,) = (
        images
        for made in two_stage_columns(StandInPipeline(), choose_images(IMAGES, 2200))
        if made.name == column
        for its_mode, images in made.make(seed)
        if its_mode == mode
    )
    return found


@pytest.fixture(scope="module")
def real():
    return choose_images(IMAGES, 2200)


@pytest.fixture(scope="module")
def measured(real):
    columns = two_stage_columns(StandInPipeline(), real)
    more = choose_images(IMAGES)[2200:]
    return evaluate(columns, real, Pixels(), "asperti2020", seeds=(3, 5), more_real=more)


def test_the_choice_of_images_is_always_the_same(real):
    assert real.shape == (2200, 4, 4, 3)
    np.testing.assert_array_equal(real, choose_images(IMAGES, 2200))
    np.testing.assert_array_equal(real, choose_images(IMAGES)[:2200])
    assert not np.array_equal(real, IMAGES[:2200])
    assert np.unique(choose_images(IMAGES).reshape(4400, -1), axis=0).shape[0] == 4400


def test_every_column_seed_and_normalization(measured, real):
    distances = [row for row in measured if row.metric == "fid"]
    assert [(row.column, row.normalization, row.seed) for row in distances] == [
        (column, mode, seed)
        for mode in (None, "latents_and_images")
        for column in ("REC", "GEN-1", "GEN-2")
        for seed in (3, 5)
    ] + [("noise floor", None, None)]
    expected = score(real, images_of("GEN-1", "latents_and_images", 5), Pixels(), "asperti2020")
    (row,) = (
        r
        for r in distances
        if (r.column, r.normalization, r.seed) == ("GEN-1", "latents_and_images", 5)
    )
    assert row.value == pytest.approx(expected.value, rel=1e-9)
    assert (row.name, row.protocol, row.features) == ("FD(pixels)", "asperti2020", "pixels")
    assert (row.real_count, row.generated_count) == (2176, 2176)
    values = {(r.column, r.normalization): r.value for r in aggregate(distances)}
    assert values["REC", "latents_and_images"] < values["REC", None] < values["GEN-2", None]


def test_moments_are_measured_together_with_distances(measured, real):
    found = {
        (row.column, row.normalization, row.seed, row.metric): row
        for row in measured
        if row.protocol is None
    }
    assert len(found) == 2 * 2 * (3 + 2 + 2) + 1
    x, images = real / 255, images_of("REC", "latents_and_images", 5)
    expected = {
        "mse": np.mean((x - images) ** 2),
        "variance_loss": np.mean(x.var(axis=0) - images.var(axis=0)),
        "mean_std": images.std(axis=0).mean(),
    }
    for metric, value in expected.items():
        row = found["REC", "latents_and_images", 5, metric]
        assert row.value == pytest.approx(value, rel=1e-3)
        assert (row.features, row.real_count, row.generated_count) == (None, 2200, 2200)
    assert ("GEN-2", "latents_and_images", 5, "mse") not in found
    data = found["data", None, None, "mean_std"].value
    assert data == pytest.approx(x.std(axis=0).mean(), rel=1e-5)


def test_dai2019_stretches_only_generated_images(real):
    columns = two_stage_columns(StandInPipeline(), real)[:1]
    more = choose_images(IMAGES)[2200:]
    rec, *_, floor = evaluate(
        columns, real, Pixels(), "dai2019", (0,), metrics=["fid"], more_real=more
    )
    assert rec.value == score(real, images_of("REC", None, 0), Pixels(), "dai2019").value
    sides = [measure(images, Pixels(), "dai2019") for images in (real, more)]
    assert floor.value == frechet_distance(*sides)


def test_the_noise_floor_has_the_same_number_of_images_or_is_not_measured(measured, real):
    (floor,) = (row for row in measured if row.column == "noise floor")
    assert (floor.real_count, floor.generated_count) == (2176, 2176)
    columns = two_stage_columns(StandInPipeline(), real)[:1]
    for more in (None, IMAGES[:2199]):
        rows = evaluate(columns, real, Pixels(), "ttur", (0,), metrics=["fid"], more_real=more)
        assert {row.column for row in rows} == {"REC"}
    # On its own it may be of any number, which it names.
    (halves,) = noise_floor(real, Pixels(), "ttur")
    assert (halves.real_count, halves.generated_count) == (1100, 1100)
    assert halves.value > floor.value


def test_metrics_of_images_need_no_network(real):
    columns = two_stage_columns(StandInPipeline(), real)
    rows = evaluate(columns, real, seeds=(0,), metrics=["mse"])
    assert [(row.column, row.protocol) for row in rows] == [("REC", None)] * 2
    with pytest.raises(ValueError, match="Measuring fid needs features: give a network and a"):
        evaluate(columns, real)
    with pytest.raises(ValueError, match="Unknown metric 'fdi'"):
        evaluate(columns, real, metrics=["fdi"])


def test_a_metric_is_one_file_and_one_line(tmp_path, monkeypatch, real):
    def brightness(real, generated):
        return float(np.mean(generated) - np.mean(real / 255))

    metric = Metric("brightness", "brightness", "images", "zero", brightness)
    monkeypatch.setitem(METRICS, "brightness", metric)
    rows = evaluate(two_stage_columns(StandInPipeline(), real), real, metrics=["brightness"])
    assert len(rows) == 2 * 3 * 3 and {row.name for row in rows} == {"brightness"}
    write_metrics(tmp_path, [replace(row, dataset="cifar10") for row in rows])
    assert len(read_metrics(tmp_path)) == len(rows)
    assert "| brightness |" in str(compare([tmp_path]))
    assert {effect.name for effect in normalization_effects(read_metrics(tmp_path))} == {
        "brightness"
    }


def test_an_evaluation_shows_one_bar(monkeypatch, real):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    columns = two_stage_columns(StandInPipeline(), real)[:2]
    evaluate(columns, real, Pixels(), "ttur", seeds=(0,), metrics=["fid", "mse"], progress=True)
    shown = sys.stderr.getvalue()
    # Features show a bar of their own, named after them, where no other is open.
    assert "evaluate: 100%" in shown and "11000/11000" in shown and "pixels" not in shown


def test_values_that_are_not_finite_are_omitted_and_reported(monkeypatch, real):
    metric = Metric("endless", "endless", "images", "larger", lambda real, generated: np.inf)
    monkeypatch.setitem(METRICS, "endless", metric)
    with pytest.warns(UserWarning, match="endless of REC is inf"):
        columns = two_stage_columns(StandInPipeline(), real)[:1]
        assert evaluate(columns, real, seeds=(0,), metrics=["endless"]) == []


def test_the_table_names_protocol_and_counts(measured):
    text = str(measured_table(measured))
    assert "FD(pixels): 2,176 real images against 2,176 generated, protocol asperti2020." in text
    assert "over 2 sampling seeds" in text
    lines = [line.split("  ")[0] for line in text.splitlines()]
    assert lines[1:9] == [
        *(name + end for end in ("", ", normalised") for name in ("REC", "GEN-1", "GEN-2")),
        "noise floor",
        "data",
    ]


@pytest.fixture(scope="module")
def vae():
    vae = as_if_trained(tiny_pipeline())
    vae.fit_sampler("gaussian", tiny_images(40))
    return vae


@pytest.mark.parametrize("mode", MODES)
def test_the_columns_are_the_images_that_the_pipeline_reconstructs_and_generates(vae, mode):
    x = tiny_images(20)
    vae.fit_normalization(x, mode)
    columns = {column.name: column for column in two_stage_columns(vae, x, ["gaussian"])}
    drawn_from = {
        "GEN-1": {"stage": 1},
        "GEN-2": {"stage": 2},
        "GEN (gaussian)": {"sampler": "gaussian"},
    }
    assert list(columns) == ["REC", *drawn_from]
    for normalization, images in columns["REC"].make(3):
        expected = vae.reconstruct(x, normalize=normalization == mode, seed=3)
        np.testing.assert_array_equal(images, expected)
    for name, which in drawn_from.items():
        for normalization, images in columns[name].make(3):
            normalize = normalization == mode
            expected = vae.generate(20, normalize=normalize, seed=3, **which)
            np.testing.assert_array_equal(images, expected)


def test_images_are_encoded_once_and_equal_latents_are_decoded_once(vae, monkeypatch):
    x = tiny_images(20)
    vae.fit_normalization(x, "latents_and_images")  # leaves the prior's latents as they are
    calls = []

    def counted(name):
        method = getattr(vae, name)
        return lambda *args, **kwargs: calls.append(name) or method(*args, **kwargs)

    for name in ("encode", "decode"):
        monkeypatch.setattr(vae, name, counted(name))
    evaluate(two_stage_columns(vae, x), x, Pixels(), "ttur", seeds=(0, 1))
    assert calls.count("encode") == 1
    # REC and GEN-1 once a seed, GEN-2 plain and rescaled.
    assert calls.count("decode") == 2 * (1 + 1 + 2)


def test_features_are_extracted_once_for_all_metrics(monkeypatch, real):
    extracted = []

    class Counting(Pixels):
        def __call__(self, images, protocol):
            extracted.append(len(images))
            return super().__call__(images, protocol)

    metric = Metric("other", "other", "features", "smaller", lambda real, other: len(other))
    monkeypatch.setitem(METRICS, "other", metric)
    columns = two_stage_columns(StandInPipeline(), real)[:2]
    evaluate(columns, real, Counting(), "ttur", seeds=(0,), metrics=["fid", "other"])
    assert sum(extracted) == (1 + 2 * 2) * 2200
