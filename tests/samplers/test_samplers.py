"""Samplers are fitted to latents, drawn from, saved and normalised; bad requests are refused."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import BayesianGaussianMixture
from sklearn.mixture import GaussianMixture

from balancing_vae import Config
from balancing_vae import TwoStageVAE
from balancing_vae.moments import mean_std
from balancing_vae.samplers import SAMPLERS
from balancing_vae.samplers import Gaussian
from balancing_vae.samplers import Mixture
from balancing_vae.samplers import Prior
from balancing_vae.samplers import fit_sampler
from balancing_vae.samplers import mixture
from balancing_vae.samplers.covariance import covariance_root
from balancing_vae.storage.samplers import load_samplers
from balancing_vae.storage.samplers import save_samplers
from tests.helpers.pipelines import tiny_config
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

rng = np.random.default_rng(0)
COVARIANCE = np.array([[2.0, 0.6, 0.0], [0.6, 1.0, -0.3], [0.0, -0.3, 0.5]])
Z = rng.multivariate_normal([1.0, -2.0, 0.5], COVARIANCE, 400)
CLUSTERS = np.concatenate([0.1 * rng.standard_normal((90, 2)) + c for c in ((0, 0), (4, 1))])


# Densities.


def test_gaussian_has_the_moments_of_the_latents():
    fitted = Gaussian.fit(Z)
    np.testing.assert_allclose(fitted.mean, Z.mean(axis=0))
    np.testing.assert_allclose(fitted.root @ fitted.root, np.cov(Z, rowvar=False), atol=1e-12)
    np.testing.assert_allclose(fitted.root, fitted.root.T, atol=1e-12)
    z = fitted.sample(100_000, seed=3)
    np.testing.assert_allclose(z.mean(axis=0), Z.mean(axis=0), atol=0.02)
    np.testing.assert_allclose(np.cov(z, rowvar=False), np.cov(Z, rowvar=False), atol=0.05)


def test_zero_mean_moves_the_mean_and_keeps_the_covariance_about_it():
    plain, published = Gaussian.fit(Z), Gaussian.fit(Z, zero_mean=True)
    np.testing.assert_array_equal(published.mean, 0)
    np.testing.assert_array_equal(published.root, plain.root)


def test_gaussian_of_a_latent_that_never_varies_draws_that_value():
    z = Gaussian.fit(np.c_[Z, np.full(len(Z), 0.7)]).sample(50)
    np.testing.assert_allclose(z[:, 3], 0.7, atol=1e-6)
    assert z[:, 0].std() > 1
    # Rounding makes a little less than nothing of a variance of 0.
    np.testing.assert_array_equal(covariance_root(np.diag([4.0, -1e-17])), np.diag([2.0, 0.0]))


@given(st.integers(1, 6), st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_gaussian_maps_noise_affinely_for_any_number_of_latents(size, seed):
    latents = np.random.default_rng(seed).standard_normal((size + 5, size))
    fitted = Gaussian.fit(latents)
    np.testing.assert_allclose(fitted.sample(1, noise=np.zeros((1, size)))[0], fitted.mean, 1e-6)
    basis = fitted.sample(size, noise=np.eye(size)) - fitted.mean
    covariance = np.cov(latents, rowvar=False).reshape(size, size)
    np.testing.assert_allclose(basis.T @ basis, covariance, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("bayesian", [False, True])
def test_mixture_is_scikit_learns(bayesian):
    fitted = Mixture.fit(CLUSTERS, seed=1, components=3, bayesian=bayesian)
    options = {"max_iter": 2000, "tol": 1e-3, "random_state": 1}
    if bayesian:
        model = BayesianGaussianMixture(n_components=3, weight_concentration_prior=1 / 3, **options)
    else:
        model = GaussianMixture(3, **options)
    model.fit(CLUSTERS)
    np.testing.assert_allclose(fitted.weights, model.weights_)
    densities = [
        multivariate_normal(mean, root @ root).logpdf(CLUSTERS)
        for mean, root in zip(fitted.means, fitted.roots, strict=True)
    ]
    found = logsumexp(np.transpose(densities), axis=1, b=fitted.weights)
    expected = [
        multivariate_normal(mean, covariance).logpdf(CLUSTERS)
        for mean, covariance in zip(model.means_, model.covariances_, strict=True)
    ]
    expected = logsumexp(np.transpose(expected), axis=1, b=model.weights_)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    if not bayesian:  # there scikit-learn scores by another formula, of the posterior's mean
        np.testing.assert_allclose(found, model.score_samples(CLUSTERS), rtol=1e-9)


def test_mixture_draws_each_component_by_its_weight():
    fitted = Mixture(
        np.array([0.2, 0.0, 0.8]),
        np.array([[0.0, 0.0], [5.0, 5.0], [9.0, -9.0]]),
        np.stack([0.1 * np.eye(2), np.eye(2), np.array([[0.3, 0.1], [0.1, 0.2]])]),
    )
    z = fitted.sample(20_000, seed=4)
    first = z[:, 0] < 4
    assert first.mean() == pytest.approx(0.2, abs=0.01)
    np.testing.assert_allclose(np.cov(z[first].T), 0.01 * np.eye(2), atol=1e-3)
    root = fitted.roots[2]
    np.testing.assert_allclose(np.cov(z[~first].T), root @ root, atol=5e-3)
    # Chosen by a stream of its own: else the choice would hang on the noise.
    chosen = np.random.default_rng(np.random.SeedSequence(4).spawn(1)[0]).random(20_000) < 0.2
    np.testing.assert_array_equal(first, chosen)
    noise = rng.standard_normal((3, 2))
    given_ = fitted.sample(3, noise=noise, choices=np.array([2, 0, 1]))
    expected = fitted.means[[2, 0, 1]] + np.stack(
        [noise[i] @ fitted.roots[k] for i, k in enumerate((2, 0, 1))]
    )
    np.testing.assert_allclose(given_, expected, rtol=1e-5)


OPTIONS = {
    "prior": {},
    "gaussian": {},
    "mixture": {"components": 2},
    "flow": {"width": 8, "training_steps": 10, "solver_steps": 2},
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_draws_depend_on_the_seed_and_not_on_their_number(name):
    sampler = fit_sampler(name, Z, **OPTIONS[name])
    z = sampler.sample(40, seed=2)
    assert z.shape == (40, 3) and z.dtype == np.float32
    np.testing.assert_array_equal(z, fit_sampler(name, Z, **OPTIONS[name]).sample(40, seed=2))
    np.testing.assert_allclose(z[:7], sampler.sample(7, seed=2), rtol=1e-6)
    assert (z != sampler.sample(40, seed=3)).all(axis=1).any()
    noise = np.random.default_rng(2).standard_normal((40, 3), dtype=np.float32)
    np.testing.assert_array_equal(z, sampler.sample(40, seed=2, noise=noise))


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_arrays_describe_a_sampler_completely(name):
    sampler = fit_sampler(name, Z, **OPTIONS[name])
    again = SAMPLERS[name].from_arrays(sampler.to_arrays())
    np.testing.assert_array_equal(sampler.sample(9, seed=1), again.sample(9, seed=1))
    assert again.latent_dim == 3


# Refusals.


@pytest.mark.parametrize("name", ["gaussian", "mixture", "flow"])
@pytest.mark.parametrize(
    ("z", "message"),
    [
        (Z[:3], "3 points of 3 dimensions, because their covariance is singular; give at"),
        (np.where(np.arange(400)[:, None] == 6, np.nan, Z), "NaN or infinite.*row 6.*diverged"),
        (Z[0], r"the shape \[N, L\], got 1 axes"),
    ],
)
def test_latents_that_cannot_be_fitted_are_refused(name, z, message):
    with pytest.raises(ValueError, match=message):
        fit_sampler(name, z)


def test_requests_out_of_range_are_refused():
    few = Z[:9]
    for name, z, options, message in (
        ("gausian", Z, {}, r"Unknown sampler 'gausian'; choose one of \['flow', 'gaussian'"),
        ("gaussian", Z, {"components": 3}, r"not take \['components'\], only \['zero_mean'\]"),
        ("mixture", few, {}, "10 components .* got 9; fit to more images or use fewer comp"),
        ("mixture", np.repeat(few, 5, axis=0), {}, "as many different points, got 9"),
        ("mixture", Z, {"components": 0}, "components must be at least 1, got 0"),
    ):
        with pytest.raises(ValueError, match=message):
            fit_sampler(name, z, **options)
    with pytest.raises(ValueError, match=r"noise must have the shape \(5, 3\), got \(5, 2\)"):
        Gaussian.fit(Z).sample(5, noise=np.zeros((5, 2)))
    assert len(Mixture.fit(Z[:12], components=1).weights) == 1


def test_a_mixture_that_does_not_converge_warns_in_one_sentence(monkeypatch):
    monkeypatch.setattr(mixture, "MAX_ITERATIONS", 1)
    with pytest.warns(UserWarning, match="mixture of 4 has not converged in 1 steps") as caught:
        Mixture.fit(Z, components=4)
    assert len(caught) == 1


def test_configs_with_contradictory_fields_are_refused():
    for changes, message in (
        ({"samplers": ("prior",)}, "samplers must be two names"),
        ({"samplers": "prior"}, "samplers must be two names"),
        ({"samplers": ("gaussian", "mixture"), "second_stage_noise": True}, 'needs "second_stage"'),
    ):
        with pytest.raises(ValueError, match=message):
            tiny_config(**changes)
    with pytest.raises(ValueError, match=r"Unknown samplers \['gausian'\]; choose two of"):
        TwoStageVAE(tiny_config(samplers=("gausian", "prior")))
    config = tiny_config(samplers=("gaussian", "mixture"))
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config


# In the pipeline.


@pytest.fixture(scope="module")
def vae():
    """A trained pipeline with both samplers, whose normalisation does something."""
    pipeline = tiny_pipeline()
    pipeline.fit(tiny_images(), verbose=False)
    pipeline.fit_sampler("gaussian", tiny_images())
    pipeline.fit_sampler("mixture", tiny_images(), components=2)
    return pipeline


@pytest.fixture(scope="module")
def without_second():
    """A pipeline whose GEN-1 and GEN-2 are fitted samplers."""
    pipeline = tiny_pipeline(samplers=("gaussian", "mixture"))
    pipeline.fit(tiny_images(), verbose=False)
    return pipeline


@pytest.fixture
def saved(vae, tmp_path):
    vae.save(tmp_path / "saved")
    return tmp_path / "saved"


def test_a_sampler_is_fitted_to_draws_from_the_posterior(vae):
    mu, sigma = vae.encode(tiny_images())
    z = mu + sigma * Prior(2).sample(len(mu), seed=0)
    np.testing.assert_array_equal(vae.samplers["gaussian"].mean, Gaussian.fit(z).mean)
    assert (vae.samplers["gaussian"].mean != Gaussian.fit(mu).mean).any()


@pytest.mark.parametrize("name", ["gaussian", "mixture", "prior", "second_stage"])
def test_generation_decodes_the_samplers_latents(vae, name):
    images = vae.generate(11, sampler=name, normalize=False, seed=5)
    z = vae.sample_latents(11, sampler=name, normalize=False, seed=5)
    np.testing.assert_array_equal(images, vae.decode(z))
    np.testing.assert_array_equal(z, vae.samplers[name].sample(16, seed=5)[:11])
    noise = np.random.default_rng(5).standard_normal((16, 2), dtype=np.float32)
    again = vae.sample_latents(11, sampler=name, normalize=False, seed=5, noise=noise)
    np.testing.assert_array_equal(z, again)
    stage = {"prior": 1, "second_stage": 2}.get(name)
    if stage:
        np.testing.assert_array_equal(images, vae.generate(11, stage, normalize=False, seed=5))


@pytest.mark.parametrize("mode", ["gated", "latents_and_images"])
@pytest.mark.parametrize("name", ["gaussian", "mixture", "second_stage"])
def test_normalized_latents_have_the_target_deviation(vae, name, mode):
    former = vae.latent_normalization, vae.image_normalization
    try:
        vae.fit_normalization(tiny_images(), mode)
        fitted = dataclasses.replace(vae.latent_normalization, gate_open=True)
        vae.latent_normalization = fitted
        z = vae.sample_latents(32, sampler=name, seed=1)
        for batch in np.split(z, 4 if mode == "gated" else 1):
            assert mean_std(batch) == pytest.approx(fitted.target, rel=1e-5)
    finally:
        vae.latent_normalization, vae.image_normalization = former


def test_the_normalized_prior_has_the_target_deviation_in_mode_gated(without_second):
    z = without_second.sample_latents(4000, sampler="prior", seed=1)
    assert mean_std(z) == pytest.approx(without_second.latent_normalization.target, rel=0.05)
    assert mean_std(z) != pytest.approx(1, rel=0.05)


def test_a_config_without_the_second_stage_trains_and_saves_none(without_second, tmp_path):
    assert without_second.stage2 is None
    assert {row["stage"] for row in without_second.history} == {1}
    assert "stage 2: none" in repr(without_second)
    assert "GEN-1 gaussian, GEN-2 mixture; fitted: gaussian, mixture" in repr(without_second)
    for stage, name in ((1, "gaussian"), (2, "mixture")):
        np.testing.assert_array_equal(
            without_second.generate(9, stage, seed=2),
            without_second.generate(9, sampler=name, seed=2),
        )
    assert without_second.latent_normalization.gate_open
    assert len(without_second.measure_gamma(tiny_images())) == 1
    assert "GEN-2 normalised" in str(without_second.evaluate(tiny_images()))
    without_second.save(tmp_path / "run")
    names = {str(path.relative_to(tmp_path / "run")) for path in (tmp_path / "run").rglob("*.*")}
    assert names == {
        "config.json",
        "history.csv",
        "stage1.weights.h5",
        "samplers/gaussian.npz",
        "samplers/mixture.npz",
    }
    loaded = TwoStageVAE.load(tmp_path / "run")
    assert repr(loaded) == repr(without_second)
    with pytest.raises(ValueError, match=r"no second stage: the config's samplers are \('gauss"):
        loaded.generate(1, sampler="second_stage")
    with pytest.raises(ValueError, match="no second stage"):
        loaded.reconstruct_latents(np.zeros((1, 2)))


def test_training_removes_samplers_of_former_latents():
    own = tiny_pipeline(samplers=("prior", "gaussian"), epochs=0)
    own.fit_sampler("mixture", tiny_images(), components=2)
    own.fit(tiny_images(), verbose=False)
    assert set(own.samplers) == {"prior", "gaussian"}
    few = tiny_pipeline(samplers=("prior", "gaussian"), batch_size=2)
    with pytest.raises(ValueError, match="2 points of 2 dimensions"):
        few.fit(tiny_images(2), verbose=False)
    assert few.history == []


def test_a_sampler_that_is_not_fitted_is_refused():
    own = tiny_pipeline()
    with pytest.raises(ValueError, match="no fitted sampler 'mixture', only prior, second_stage"):
        own.generate(1, sampler="mixture", normalize=False)
    with pytest.raises(ValueError, match="Unknown sampler 'second_stage'; choose one of"):
        own.fit_sampler("second_stage", tiny_images())
    with pytest.raises(ValueError, match="2 points of 2 dimensions"):
        own.fit_sampler("gaussian", tiny_images(2))


def test_a_missing_sampler_file_is_named(saved):
    (saved / "samplers/mixture.npz").unlink()
    with pytest.raises(FileNotFoundError, match="mixture.npz is missing"):
        TwoStageVAE.load(saved)


def test_damaged_sampler_files_are_named(tmp_path):
    sampler = Mixture.fit(CLUSTERS, components=2)
    save_samplers(tmp_path, {"mixture": sampler, "gaussian": Gaussian.fit(CLUSTERS)})
    path = tmp_path / "samplers/mixture.npz"
    whole = path.read_bytes()

    def expect(error, message, name="mixture"):
        with pytest.raises(error, match=message):
            load_samplers(tmp_path, [name], latent_dim=2)

    path.write_bytes(whole[: len(whole) // 2])
    expect(ValueError, "mixture.npz is not a complete .npz file")
    shutil.copy(tmp_path / "samplers/gaussian.npz", path)
    expect(ValueError, r"mixture.npz is damaged \(Expected the arrays")
    for changes in (
        {"means": sampler.means[:, :1]},
        {"weights": sampler.weights[:1]},
        {"weights": sampler.weights * 2},
        {"roots": sampler.roots * np.nan},
        {"roots": sampler.roots.astype(str)},
    ):
        np.savez(path, **sampler.to_arrays() | changes)
        expect(ValueError, "mixture.npz is damaged")
    np.savez(path, **Mixture.fit(Z, components=2).to_arrays())
    expect(ValueError, "mixture.npz is for 3 latents, but the model in its folder has 2")
    expect(ValueError, "names the unknown sampler '../mixture'", name="../mixture")


def test_the_command_line_fits_and_uses_a_sampler(vae, saved, tmp_path, capsys):
    from balancing_vae.cli import main

    def command(*words):
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    np.save(tmp_path / "x.npy", tiny_images())
    data = ("--data", tmp_path / "x.npy")
    code, text = command("fit-sampler", saved, "mixture", *data, "--components", 3, "--bayesian")
    assert code == 0 and "fitted mixture to the latents of 24 images" in text
    loaded = TwoStageVAE.load(saved)
    assert set(loaded.samplers) == set(vae.samplers)
    assert len(loaded.samplers["mixture"].weights) == 3
    words = ("generate", saved, "-n", 5, "--sampler", "mixture", "--plain", "--out")
    code, text = command(*words, tmp_path / "y.npy")
    assert code == 0 and np.load(tmp_path / "y.npy").shape == (5, 4, 4, 1)
    for words, message in (
        (("fit-sampler", saved, "mixture", *data, "--components", 30), "got 24; fit to more"),
        (("fit-sampler", saved, "mixture", *data, "--zero-mean"), "does not take"),
        (("fit-sampler", saved, "second_stage", *data), "choose one of"),
        (("generate", saved, "--sampler", "gausian", "--out", tmp_path / "z.npy"), "only prior"),
    ):
        code, text = command(*words)
        assert code == 2 and message in text and text.count("\n") == 1, text
