"""The experiments that train, at the smallest size at which they still work."""

import json

import numpy as np
import pytest

from balancing_vae.cli import main
from balancing_vae.cli import reproduce
from balancing_vae.experiments import balancing_strategies as balancing_module
from balancing_vae.experiments import figure4 as fig4_module
from balancing_vae.experiments import overfitting
from balancing_vae.experiments.average_faces import draw_faces
from balancing_vae.experiments.average_faces import faces
from balancing_vae.experiments.balancing_strategies import compare_balancings
from balancing_vae.experiments.balancing_strategies import draw_balancing
from balancing_vae.experiments.balancing_strategies import measure_balancings
from balancing_vae.experiments.figure4 import draw_fig4
from balancing_vae.experiments.figure4 import draw_fig4_losses
from balancing_vae.experiments.figure4 import fig4
from balancing_vae.experiments.figure4 import slope_and_correlation
from balancing_vae.experiments.figure4_networks import KINDS
from balancing_vae.experiments.figure4_networks import build
from balancing_vae.experiments.figure4_networks import fig4_networks
from balancing_vae.experiments.latent_space import draw_nearest_distances
from balancing_vae.experiments.latent_space import nearest_training_images
from balancing_vae.experiments.latent_space import traversals
from balancing_vae.experiments.normalization_study import compare_normalizations
from balancing_vae.experiments.normalization_study import draw_normalization
from balancing_vae.experiments.normalization_study import latent_normalizations
from balancing_vae.experiments.normalization_study import measure_normalizations
from balancing_vae.experiments.overfitting import compare_overfitting
from balancing_vae.experiments.overfitting import draw_overfitting
from balancing_vae.experiments.overfitting import overfit
from balancing_vae.experiments.second_stage_causes import OWN
from balancing_vae.experiments.second_stage_causes import WHOLE
from balancing_vae.experiments.second_stage_causes import FlooredGamma
from balancing_vae.experiments.second_stage_causes import GammaPerLatent
from balancing_vae.experiments.second_stage_causes import compare_second_stages
from balancing_vae.experiments.second_stage_causes import draw_second_stages
from balancing_vae.experiments.second_stage_causes import measure_second_stages
from balancing_vae.experiments.second_stage_variance import second_stage_losses
from balancing_vae.experiments.variance_law import VarianceLawHistory
from balancing_vae.experiments.variance_law import draw_variance_law
from balancing_vae.fid import score
from balancing_vae.fid.networks.pixels import Pixels
from balancing_vae.moments import variance_law
from balancing_vae.normalization import LatentNormalization
from balancing_vae.pipeline.plots import interpolations
from tests.helpers.pipelines import as_if_trained
from tests.helpers.pipelines import digits_pipeline


def test_figure_4_has_enough_networks_and_each_can_be_built():
    for shape, count in (((8, 8, 1), 24), ((32, 32, 3), 8), ((24, 24, 1), 6)):
        networks = fig4_networks(shape)
        assert len(networks) == count
        if shape[0] != 24:
            assert {network["kind"] for network in networks} == set(KINDS)
    for network in (n for n in fig4_networks((8, 8, 1)) if n["latent_dim"] == 4):
        encoder, decoder = build(**network, image_shape=(8, 8, 1))
        assert decoder.output_shape == (None, 8, 8, 1)
        assert encoder.output_shape == [(None, 4), (None, 4)]


def test_figure_4_trains_measures_and_resumes(tmp_path, monkeypatch, digits):
    networks = [("dense", {"width": 4, "depth": 1}, 2), ("iterative", {"steps": 2, "width": 4}, 4)]
    # A smoke run takes the second of each kind.
    left_out = [(kind, sizes, 2 * latent_dim) for kind, sizes, latent_dim in networks]
    names = ("kind", "sizes", "latent_dim")
    chosen = [dict(zip(names, n, strict=True)) for n in [*left_out, *networks]]
    monkeypatch.setattr(fig4_module, "fig4_networks", lambda shape: chosen)
    monkeypatch.setattr(fig4_module, "STEPS", {"smoke": 3, "full": 6})
    monkeypatch.setattr(fig4_module, "BATCH_SIZE", 8)
    path = tmp_path / "rows.json"
    rows = fig4({"digits": (digits, digits[:20])}, path, smoke=True)
    assert [row["kind"] for row in rows] == ["dense", "iterative"]
    for row in rows:
        # Hardly trained networks give nearly the same image for every input.
        assert 0 < row["variance_loss"] < row["mse"]
        variance = (digits[:20] / 255).var(axis=0).mean()
        assert row["generated_variance_loss"] == pytest.approx(variance, rel=0.05)
        assert row["generated_variance_loss"] != row["variance_loss"]
        within = (digits[:20] / 255).var(axis=(1, 2, 3)).mean()
        assert row["variance_loss_within"] == pytest.approx(within, rel=0.05)
        assert row["steps"] == 3 and row["parameters"] > 0
    stamp = path.stat().st_mtime_ns
    assert fig4({"digits": (digits, digits[:20])}, path, smoke=True) == rows
    assert path.stat().st_mtime_ns == stamp
    draw_fig4(rows)
    draw_fig4_losses(rows)


def test_figure_4_measures_again_what_an_earlier_version_measured(tmp_path, monkeypatch, digits):
    case = {"dataset": "digits", "kind": "dense", "sizes": {"width": 4, "depth": 1}}
    case |= {"latent_dim": 2, "steps": 3, "seed": 0}
    network = {name: case[name] for name in ("kind", "sizes", "latent_dim")}
    monkeypatch.setattr(fig4_module, "fig4_networks", lambda shape: [network])
    monkeypatch.setattr(fig4_module, "STEPS", {"full": 3})
    monkeypatch.setattr(fig4_module, "BATCH_SIZE", 8)
    (tmp_path / "rows.json").write_text(json.dumps([case | {"mse": 7, "variance_loss": 7}]))
    (row,) = fig4({"digits": (digits, digits[:20])}, tmp_path / "rows.json")
    assert row["mse"] < 1


def of_a_mean(case, x_train, x_test):
    return {"mean": float(x_train.mean()), "test mean": float(x_test.mean())}


@pytest.mark.parametrize("changed", [0, 1])
@pytest.mark.parametrize(
    ("module", "train", "measured"),
    [
        (
            fig4_module,
            "train_and_measure",
            lambda images, path: fig4({"digits": images}, path, smoke=True),
        ),
        (
            overfitting,
            "train_and_measure",
            lambda images, path: overfit(*images, path, [{"images": 20, "width": 2, "depth": 1}]),
        ),
        (
            balancing_module,
            "train_and_measure",
            lambda images, path: measure_balancings(*images, path),
        ),
    ],
)
def test_other_images_are_measured_again(
    module, train, measured, changed, tmp_path, monkeypatch, digits
):
    monkeypatch.setattr(module, train, of_a_mean)
    images = [digits[:20], digits[20:]]
    before = measured(tuple(images), tmp_path / "rows.json")
    assert measured(tuple(images), tmp_path / "rows.json") == before
    images[changed] = 255 - images[changed]
    after = measured(tuple(images), tmp_path / "rows.json")
    name = ("mean", "test mean")[changed]
    for new, old in zip(after, before, strict=True):
        assert new[name] == pytest.approx(255 - old[name])


def test_experiments_that_take_a_part_of_ordered_images_take_all_classes(tmp_path, monkeypatch):
    classes = []

    def recorded(case, x_train, x_test):
        classes.append([len(np.unique(x)) for x in (x_train, x_test)])
        return of_a_mean(case, x_train, x_test)

    ordered = np.repeat(np.arange(10, dtype=np.uint8), 64)[:, None, None, None]
    np.save(tmp_path / "x.npy", np.broadcast_to(ordered, (640, 8, 8, 1)))
    for module in (fig4_module, balancing_module):
        monkeypatch.setattr(module, "train_and_measure", recorded)
    for name in ("TRAINING_IMAGES", "TEST_IMAGES"):
        monkeypatch.setattr(fig4_module, name, 200)
    x = np.load(tmp_path / "x.npy", mmap_mode="r")
    fig4({"ordered": (x, x)}, tmp_path / "rows.json", smoke=True)
    words = ["reproduce", "balancing", "--data", tmp_path / "x.npy", "--trainings", 1]
    words += ["--train-images", 200, "--test-images", 200, "--out", tmp_path / "out"]
    monkeypatch.setattr(reproduce, "save_picture", lambda *arguments: None)
    for name in ("compare_balancings", "draw_balancing"):
        monkeypatch.setattr(balancing_module, name, lambda rows: [{}])
    assert main([str(word) for word in words]) == 0
    assert len(classes) > 8
    assert set(map(tuple, classes)) == {(10, 10)}


def test_slope_and_correlation_of_a_line():
    rows = [{"mse": x, "variance_loss": 0.5 * x + 1} for x in (0.1, 0.2, 0.4)]
    slope, correlation = slope_and_correlation(rows)
    assert (slope, correlation) == (pytest.approx(0.5), pytest.approx(1))
    rows = [{"mse": x, "generated_variance_loss": 2 * x} for x in (0.1, 0.2, 0.4)]
    assert slope_and_correlation(rows, "generated_variance_loss")[0] == pytest.approx(2)


def test_an_overfitting_network_is_measured_during_training(tmp_path, monkeypatch, digits):
    monkeypatch.setattr(overfitting, "BATCH_SIZE", 4)
    networks = [{"images": 16, "width": 64, "depth": 1}]
    x_test, path = digits[20:], tmp_path / "rows.json"
    (row,) = overfit(digits, x_test, path, networks, steps=(4, 160))
    assert [len(row[name]) for name in ("mse", "variance_loss", "train_mse")] == [2, 2, 2]
    assert row["train_mse"][1] < 0.6 * row["train_mse"][0]
    assert row["train_mse"][1] < row["mse"][1] < row["mse"][0]
    stamp = path.stat().st_mtime_ns
    assert overfit(digits, x_test, path, networks, steps=(4, 160)) == [row]
    assert path.stat().st_mtime_ns == stamp
    line = compare_overfitting([row])[1]
    assert line["steps"] == 160
    assert line["variance loss / mse"] == row["variance_loss"][1] / row["mse"][1]
    draw_overfitting([row])


def test_the_second_stage_loses_variance_of_latents(trained, digits):
    row = second_stage_losses(trained, digits, seed=1)
    mu, sigma = trained.encode(digits)
    assert row["law"] == pytest.approx(variance_law(mu, sigma).mean())
    # Draws from the posterior have the law's variance, up to sampling.
    assert row["latents"] == pytest.approx(row["law"], rel=0.3)
    samples = trained.sample_latents(len(digits), stage=2, normalize=False, seed=1)
    expected = row["latents"] - samples.var(axis=0).mean()
    assert row["generated_variance_loss"] == pytest.approx(expected, rel=1e-4)
    z = mu + sigma * np.random.default_rng(1).standard_normal(mu.shape, np.float32)
    z_hat = trained.reconstruct_latents(z, 1)
    assert row["mse"] == pytest.approx(np.mean((z - z_hat) ** 2), rel=1e-4)
    expected = z.var(axis=0).mean() - z_hat.var(axis=0).mean()
    assert row["variance_loss"] == pytest.approx(expected, rel=1e-3)


@pytest.mark.filterwarnings("ignore:Only 24 images")
def test_second_stages_are_trained_on_one_set_of_latents_and_measured(
    tmp_path, monkeypatch, trained, digits
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    network, path = Pixels(), tmp_path / "rows.json"

    def run(causes, real=digits[:24]):
        return measure_second_stages(
            trained,
            digits,
            real,
            network,
            "ttur",
            path,
            epochs=1,
            causes=causes,
            samples=24,
            draws=(0, 1),
        )

    own, whole = rows = run((OWN, WHOLE))
    z = trained.sample_latents(24, stage=2, normalize=False, seed=1)
    factor = np.sqrt(variance_law(*trained.encode(digits)).mean()) / z.std(axis=0).mean()
    for name, latents in (("plain", z), ("normalised", factor * z)):
        images = trained.decode(latents, keep_padding=True)
        expected = score(digits[:24], images, network, "ttur").value
        assert own[name][1] == pytest.approx(expected, rel=1e-3)
    assert own["gamma"] == pytest.approx(float(trained.stage2.balancing.gamma))
    assert 0 <= own["active"] <= 4 and own["bound"] == whole["bound"]
    # The recipe of three epochs, measured after the first, the second and the last.
    assert [point["epoch"] for point in whole["curve"]] == [1, 2, 3]
    assert whole["curve"][-1]["plain"] == whole["plain"]
    assert own["curve"] == []
    assert run((OWN, WHOLE)) == rows == json.loads(path.read_text())
    assert run([OWN], real=digits[20:44])[0]["plain"] != own["plain"]
    assert len(compare_second_stages(rows)) == 2
    assert len(draw_second_stages(rows).axes) == 2
    with pytest.raises(ValueError, match="no causes"):
        run(["weather"])


def test_the_gammas_of_second_stages():
    floored = FlooredGamma(0.3)
    floored.running_mse.assign(0.25)
    assert float(floored.gamma) == 0.5
    floored.running_mse.assign(0.01)
    assert float(floored.gamma) == pytest.approx(0.3)
    x = np.array([[0.0, 0.0], [0.0, 4.0]], np.float32)
    gamma = GammaPerLatent().gamma_of(None, x, np.ones_like(x))
    np.testing.assert_allclose(gamma, [[1, np.sqrt(5)]], rtol=1e-6)


def test_a_balancing_is_trained_and_its_bound_taken_at_the_best_gamma(
    tmp_path, monkeypatch, digits
):
    monkeypatch.setattr(balancing_module, "COMPARED", {"0.3": {"name": "fixed", "gamma": 0.3}})
    monkeypatch.setattr(balancing_module, "BATCH_SIZE", 8)
    network = {"name": "dense", "width": 4, "depth": 1}
    monkeypatch.setattr(balancing_module, "NETWORK", network)
    (row,) = measure_balancings(digits, digits[:20], tmp_path / "rows.json", epochs=2, trainings=1)
    assert row["seconds_per_step"] > 0 and 0 <= row["active"] <= 16
    curves = row["curves"]
    np.testing.assert_allclose(curves["gamma"], [0.3, 0.3], rtol=1e-6)
    expected = 64 * (0.5 + np.log(curves["val_mse"]) / 2 + 0.91893) + np.array(curves["val_kl"])
    np.testing.assert_allclose(curves["val_bound"], expected, rtol=1e-6)


def test_balancings_are_compared_over_seeds():
    def row(balancing, seed, bounds, gamma):
        curves = {"mse": [0.04] * 3, "val_mse": [0.05] * 3, "val_kl": [9.0] * 3}
        curves |= {"gamma": [gamma] * 3, "beta": [gamma**2] * 3, "val_bound": bounds}
        return {"balancing": balancing, "seed": seed, "curves": curves} | {
            "seconds_per_step": 0.002,
            "active": 3 + seed,
        }

    rows = [
        row("computed", 0, [5.0, 0.4, 0.0], 0.2),
        row("computed", 1, [5.0, 2.0, 0.5], 0.2),
        row("fixed", 0, [5.0, 3.0, 2.0], 0.4),
    ]
    first, second = compare_balancings(rows)
    assert first["bound"] == 0.25 and first["beta/mse"] == pytest.approx(1)
    assert first["active latents"] == 3.5
    # The goal is 1 above the mean of both seeds' best: 1.25, reached in epochs 2 and 3.
    assert first["epochs to the goal"] == 2.5
    assert first["± over trainings"] == pytest.approx(np.sqrt(0.125))
    assert second["beta/mse"] == pytest.approx(4)
    assert second["epochs to the goal"] is None and second["± over trainings"] is None
    draw_balancing(rows)


def test_the_variance_law_is_recorded_at_each_epoch(digits):
    vae = as_if_trained(digits_pipeline())
    law = VarianceLawHistory(digits, batch_size=16)
    vae.stage1.fit(digits, epochs=2, batch_size=8, verbose=0, callbacks=[law])
    mu, sigma = vae.encode(digits)
    expected = variance_law(mu, sigma)
    last = {name: values[-1] for name, values in law.moments.items()}
    assert {len(values) for values in law.moments.values()} == {3}
    np.testing.assert_allclose(last["var_mu"] + last["mean_var"], expected, rtol=1e-4)
    np.testing.assert_allclose(last["mean_mu"], mu.mean(axis=0), atol=1e-5)
    np.testing.assert_array_equal(last["inactive"], sigma.mean(axis=0) > 0.8)
    right = draw_variance_law({**law.moments, "mean_var": 2 * law.moments["mean_var"]}).axes[2]
    tops = [bar.get_y() + bar.get_height() for bar in right.patches]
    assert right.get_ylim()[1] > 1.1 * max(tops), "the highest bar is cut"


def test_faces_come_from_the_same_draws(trained, monkeypatch):
    vae = trained
    # After so short a training the program's gate is shut, and nothing would be rescaled.
    normalization = LatentNormalization("gated", target=3.0, gate_open=True)
    monkeypatch.setattr(vae, "latent_normalization", normalization)
    sheets = faces(vae, 11, seed=3)
    np.testing.assert_array_equal(sheets["plain"], vae.generate(11, normalize=False, seed=3))
    z = vae.sample_latents(16, normalize=False, seed=3)
    normalized = vae.latent_normalization.apply(z, "second_stage", 8)
    np.testing.assert_allclose(sheets["normalised"], vae.decode(normalized)[:11], atol=1e-5)
    assert np.abs(sheets["normalised"] - sheets["plain"]).max() > 1e-3
    draw_faces(sheets, columns=4)
    with pytest.raises(ValueError, match="fit_normalization"):
        faces(digits_pipeline())


def test_normalizations_are_measured_from_the_same_draws(trained, digits, tmp_path, monkeypatch):
    path = tmp_path / "rows.json"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with pytest.warns(UserWarning, match="biased upwards"):
        rows = measure_normalizations(
            trained,
            digits[:24],
            digits[24:],
            Pixels(),
            "ttur",
            path,
            samples=(16, 24),
            seeds=(0, 1),
        )
    ways = len(latent_normalizations(trained, digits))
    assert len(rows) == ways * 2 * 2 * 2
    assert {row["distance"] for row in rows} == {"FD(pixels)"}
    values = {(r["normalization"], r["noise"], r["samples"], r["seed"]): r["value"] for r in rows}
    assert len(set(values.values())) > len(rows) / 2
    lines = compare_normalizations(rows)
    assert len(lines) == ways * 2 and list(lines[0])[2:] == ["16 samples", "24 samples"]
    left, _ = draw_normalization(rows).axes
    places = [bar.lines[0].get_xdata()[0] for bar in left.containers]
    assert len(set(places)) == ways, "one error bar hides another"
    assert json.loads(path.read_text()) == rows


@pytest.mark.filterwarnings("ignore:.*biased upwards")
def test_normalizations_of_other_weights_or_images_are_measured_again(
    digits, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    vae, other = as_if_trained(digits_pipeline()), as_if_trained(digits_pipeline(seed=1))

    def values(vae, x, real, network=None):
        about = (network or Pixels(), "ttur", tmp_path / "rows.json", [16], [0])
        return [row["value"] for row in measure_normalizations(vae, x, real, *about)]

    first = values(vae, digits[:24], digits[24:])
    stamp = (tmp_path / "rows.json").stat().st_mtime_ns
    assert values(vae, digits[:24], digits[24:]) == first
    assert (tmp_path / "rows.json").stat().st_mtime_ns == stamp
    assert not set(values(other, digits[:24], digits[24:])) & set(first)
    assert not set(values(vae, digits[:24], 255 - digits[24:])) & set(first)
    assert values(vae, 255 - digits[:24], digits[24:]) != first
    retrained = Pixels()
    monkeypatch.setattr(retrained, "sha256", "another")
    values(vae, digits[:24], digits[24:], retrained)
    hashes = {row["features_sha256"] for row in json.loads((tmp_path / "rows.json").read_text())}
    assert hashes == {None, "another"}


def test_latent_normalizations_reach_their_targets(trained, digits):
    ways = latent_normalizations(trained, digits)
    z = 5 + 3 * np.random.default_rng(0).standard_normal((20, 4))
    target = np.sqrt(variance_law(*trained.encode(digits)).mean())
    assert ways["none"](z) is z
    assert ways["whole sample"](z).std(axis=0).mean() == pytest.approx(target)
    for batch in np.split(ways["each batch"](z), (8, 16)):
        assert batch.std(axis=0).mean() == pytest.approx(target)
    assert len(ways["each batch"](z)) == 20
    mu, sigma = trained.encode(digits)
    fitted = LatentNormalization.fit(mu, sigma, trained.reconstruct_latents(mu), "gated")
    np.testing.assert_array_equal(ways["program"](z), fitted.apply(z, "second_stage", 8))


def test_interpolations_begin_and_end_at_reconstructions(trained, digits):
    rows = interpolations(trained, digits[:2], digits[2:4], steps=5)
    assert len(rows) == 2
    mu, _ = trained.encode(digits[:4])
    ends = trained.decode(mu)
    for i, images in enumerate(rows.values()):
        assert images.shape == (7, 8, 8, 1)
        np.testing.assert_allclose(images[0], digits[i] / 255, atol=1e-6)
        np.testing.assert_allclose(images[1], ends[i], atol=1e-5)
        np.testing.assert_allclose(images[5], ends[2 + i], atol=1e-5)
    with pytest.raises(ValueError, match="1 starts with 2 ends"):
        interpolations(trained, digits[:1], digits[:2])


def test_traversals_move_one_latent_and_name_an_inactive_one(trained, digits):
    rows = traversals(trained, digits, count=2, steps=3, reach=2)
    mu, sigma = trained.encode(digits)
    order = np.argsort(sigma.mean(axis=0))
    idle = sigma.mean(axis=0).max() > 0.8
    for latent, (title, images) in zip(
        (order[0], order[-1] if idle else order[1]), rows.items(), strict=True
    ):
        assert title.startswith(f"latent {latent} ")
        assert ("inactive" in title) == (sigma[:, latent].mean() > 0.8)
        z = mu[:1].repeat(3, axis=0)
        z[:, latent] = (-2, 0, 2)
        np.testing.assert_allclose(images, trained.decode(z), atol=1e-5)


def test_a_memorizing_model_is_detected(trained, digits):
    train, test = digits[:30], digits[30:]
    copies = train[[4, 7]] / np.float32(255)
    rows, distances = nearest_training_images(trained, copies, train, test)
    np.testing.assert_array_equal(rows["nearest training image"], copies)
    assert distances["samples"].max() == pytest.approx(0, abs=1e-4)
    expected = np.sqrt(((test[0] / 255 - train / 255) ** 2).mean(axis=(1, 2, 3))).min()
    assert distances["test images"][0] == pytest.approx(expected, rel=1e-4)
    draw_nearest_distances(distances)
