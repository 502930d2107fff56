"""Cross-entropy in stage 1, learned gamma, and the noise of the second stage's samples."""

import numpy as np
import pytest
from keras import ops

from balancing_vae import VAE
from balancing_vae import LearnedGamma
from balancing_vae import TwoStageVAE
from balancing_vae.models.objectives import bernoulli_nll
from tests.helpers.pipelines import as_if_trained
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

X = tiny_images(8)


def make(**changes) -> TwoStageVAE:
    fields = {"lr": 1e-2, "balancing": {"name": "learned"}, "kl_weight": 1}
    vae = tiny_pipeline(**fields | {"second_stage_noise": True} | changes)
    for stage in vae.stages.values():
        for model in (stage, stage.encoder, stage.decoder):
            model.run_eagerly = True  # compiling takes longest here
    return vae


def gamma(stage) -> float:
    return float(ops.convert_to_numpy(stage.balancing.gamma))


def test_cross_entropy_is_the_formula():
    rng = np.random.default_rng(0)
    x, p = rng.random((3, 2, 2, 1)), rng.uniform(0.01, 0.99, (3, 2, 2, 1))
    expected = -np.sum(x * np.log(p) + (1 - x) * np.log(1 - p), axis=(1, 2, 3))
    np.testing.assert_allclose(
        ops.convert_to_numpy(bernoulli_nll(x, p)), expected.astype("float32"), rtol=1e-5
    )


def test_cross_entropy_is_finite_for_probabilities_of_0_and_1():
    found = ops.convert_to_numpy(bernoulli_nll(np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])))
    np.testing.assert_allclose(found, [-np.log(1e-8)] * 2, rtol=1e-5)


def test_cross_entropy_keeps_gamma_constant_in_stage_1_only():
    vae = make(likelihood="bernoulli")
    logs = vae.stage1.train_on_batch(X, return_dict=True)
    assert gamma(vae.stage1) == 1 and vae.stage1.balancing.trainable_variables == []
    assert float(logs["beta"]) == 1
    latents = np.zeros((4, 2), np.float32)
    vae.stage2.train_on_batch((latents, latents), return_dict=True)
    assert gamma(vae.stage2) != 1


def test_cross_entropy_does_not_change_a_computed_gamma():
    vae = make(likelihood="bernoulli", balancing={"name": "computed"}, kl_weight=3)
    logs = vae.stage1.train_on_batch(X, return_dict=True)
    assert gamma(vae.stage1) == 1 and float(logs["beta"]) == 3


def test_cross_entropy_is_the_loss():
    vae = make(likelihood="bernoulli")
    noise = np.zeros((8, 2), np.float32)
    x = (X / 255).astype(np.float32)
    x_hat = ops.convert_to_numpy(vae.stage1((x, noise))["reconstruction"])
    logs = vae.stage1.test_on_batch((X, noise), return_dict=True)
    expected = float(np.mean(ops.convert_to_numpy(bernoulli_nll(x, x_hat))))
    assert float(logs["reconstruction"]) == pytest.approx(expected, rel=1e-5)
    assert float(logs["loss"]) == pytest.approx(expected + float(logs["kl"]), rel=1e-5)


def test_learned_gamma_has_a_gradient():
    vae = make()
    vae.stage1.train_on_batch(X, return_dict=True)
    # Adam's first step has the length of the rate; gamma falls, since mse is below 1.
    assert gamma(vae.stage1) == pytest.approx(np.exp(-1e-2), rel=1e-5)


def test_unknown_likelihood():
    vae = make()
    with pytest.raises(ValueError, match="gaussian.*bernoulli.*'poisson'"):
        VAE(vae.stage1.encoder, vae.stage1.decoder, LearnedGamma(), likelihood="poisson")
    with pytest.raises(ValueError, match="'poisson'"):
        make(likelihood="poisson")


def test_second_stage_noise_is_gamma_times_standard_noise():
    vae, plain = as_if_trained(make()), as_if_trained(make(second_stage_noise=False))
    vae.stage2.balancing.log_gamma.assign(-0.5)
    plain.stage2.set_weights(vae.stage2.get_weights())
    draws = {"normalize": False, "seed": 3}
    z_hat = plain.sample_latents(6, **draws)
    z = vae.sample_latents(6, **draws)
    again = vae.sample_latents(6, **draws)
    np.testing.assert_array_equal(z, again)
    noise = (z - z_hat) / np.exp(-0.5)
    assert 0.3 < noise.std() < 2
    given = np.random.default_rng(5).standard_normal((8, 2), dtype=np.float32)
    z = vae.sample_latents(6, **draws, latent_noise=given)
    np.testing.assert_allclose(z, z_hat + np.exp(-0.5) * given[:6], rtol=1e-5, atol=1e-6)
    # Neither the prior's draws nor stage 1's samples change with it.
    first = [model.sample_latents(6, stage=1, **draws) for model in (vae, plain)]
    np.testing.assert_array_equal(*first)


@pytest.mark.parametrize("stage, noisy", [(1, True), (2, False)])
def test_latent_noise_that_would_be_ignored(stage, noisy):
    vae = make(second_stage_noise=noisy)
    with pytest.raises(ValueError, match="latent_noise.*second_stage_noise"):
        vae.generate(4, stage=stage, normalize=False, latent_noise=np.zeros((4, 2)))


def test_a_saved_folder_keeps_likelihood_and_noise(tmp_path):
    vae = make(likelihood="bernoulli")
    vae.save(tmp_path / "run")
    again = TwoStageVAE.load(tmp_path / "run")
    assert again.config == vae.config and again.stage1.likelihood == "bernoulli"
    assert "bernoulli" in repr(again)


def test_a_saved_folder_keeps_spectral_norms_vectors(tmp_path):
    vae = make(network={"name": "infogan"})
    vae.encode(X)
    vae.save(tmp_path / "run")
    again = TwoStageVAE.load(tmp_path / "run")
    for ours, theirs in zip(vae.encode(X), again.encode(X), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4)
