"""The two-stage VAE, from images to images, on tiny sizes."""

import dataclasses
import re
import warnings

import keras
import numpy as np
import pytest

from balancing_vae import VAE
from balancing_vae import GammaBalancing
from balancing_vae import TwoStageVAE
from balancing_vae.checks import as_float
from balancing_vae.errors import InputError
from balancing_vae.moments import mse
from balancing_vae.normalization import NothingRescaledWarning
from tests.helpers.backends import needs_tensorflow
from tests.helpers.backends import numbers
from tests.helpers.networks import dense_networks
from tests.helpers.pipelines import digits_config
from tests.helpers.pipelines import digits_pipeline
from tests.helpers.processes import python_prints
from tests.helpers.xla import with_xla


@pytest.fixture(scope="module")
def own(digits):
    """A pipeline around somebody's own networks, trained."""
    vae = digits_pipeline(*dense_networks((8, 8, 1), 4), batch_size=16)
    vae.fit(digits, verbose=False)
    return vae


@pytest.fixture(scope="module")
def saved(trained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "run"
    trained.save(folder)
    return folder


def weights_of(vae):
    return [numbers(w) for stage in (vae.stage1, vae.stage2) for w in stage.weights]


def assert_same_weights(first, second):
    for a, b in zip(weights_of(first), weights_of(second), strict=True):
        np.testing.assert_array_equal(a, b)


# Training.


def test_history_has_a_row_for_each_epoch_of_both_stages(trained):
    assert [(row["stage"], row["epoch"]) for row in trained.history] == [
        (1, 1),
        (1, 2),
        (2, 1),
        (2, 2),
        (2, 3),
    ]
    for row in trained.history:
        assert {"loss", "kl", "reconstruction", "mse", "gamma", "beta", "learning_rate"} <= set(row)
        assert all(np.isfinite(value) for value in row.values())
    gammas = [row["gamma"] for row in trained.history]
    assert 1 > gammas[0] > gammas[1] > 0.9
    assert 1 >= gammas[2] >= gammas[3] >= gammas[4] > 0.9
    assert (trained.stage1.trained_epochs, trained.stage2.trained_epochs) == (2, 3)


def test_same_seed_same_result(trained, digits):
    keras.utils.set_random_seed(99)
    again = digits_pipeline()
    again.fit(digits, verbose=False)
    assert_same_weights(again, trained)
    assert again.history == trained.history


def test_another_seed_starts_from_other_weights():
    networks = dense_networks((8, 8, 1), 4)
    first, second, again = (digits_pipeline(*networks, seed=seed).stage2 for seed in (0, 1, 0))
    kernels = [numbers(stage.encoder.get_layer("fc0").kernel) for stage in (first, second, again)]
    assert (kernels[0] != kernels[1]).any()
    np.testing.assert_array_equal(kernels[0], kernels[2])


def test_fit_shows_its_progress_and_logs_the_validation(digits, capsys):
    vae = digits_pipeline(*dense_networks((8, 8, 1), 4), epochs=1, epochs2=1)
    rows = vae.fit(digits[:32], validation_data=digits[32:])
    for row in rows:
        assert {"val_loss", "val_mse", "val_kl"} <= set(row)
        # An evaluation does not move gamma: there is nothing to log.
        assert "val_gamma" not in row and "val_beta" not in row
    shown = capsys.readouterr().err
    for stage in (1, 2):
        assert f"stage {stage}, epoch 1 of 1: loss " in shown
    for name in ("kl ", "mse ", "gamma "):
        assert name in shown


def test_each_stage_is_an_ordinary_keras_model(digits):
    vae = digits_pipeline(*dense_networks((8, 8, 1), 4))
    history = vae.stage1.fit(
        digits, epochs=2, batch_size=11, verbose=0, callbacks=[GammaBalancing(gamma=0.5)]
    )
    assert history.history["gamma"] == pytest.approx([0.5, 0.5], rel=0.1)
    assert vae.stage1.trained_epochs == 2
    assert set(vae.stage1.predict(digits, verbose=0)) >= {"mu", "log_sigma", "reconstruction"}


def test_uint8_and_float_images_are_the_same(trained, digits):
    for found, expected in zip(
        trained.encode(digits[:9]), trained.encode(as_float(digits[:9])), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


class Watched(np.memmap):
    """A memory map that knows how many rows were converted at once."""

    converted = 0

    def astype(self, *args, **kwargs):
        Watched.converted = max(Watched.converted, len(self))
        return super().astype(*args, **kwargs)


@pytest.mark.parametrize("dtype", ["int16", "int64"])
def test_wider_integers_are_those_of_uint8_and_converted_by_batches(
    trained, digits, dtype, tmp_path
):
    x = Watched(tmp_path / "x", dtype, "w+", shape=digits.shape)
    x[:] = digits
    Watched.converted = 0
    for found, expected in zip(trained.encode(x), trained.encode(digits), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert 0 < Watched.converted <= trained.config.batch_size
    dataset = [x[:30], x[30:]]

    class Batches:
        def __iter__(self):
            return iter(dataset)

    for found, expected in zip(trained.encode(Batches()), trained.encode(digits), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_training_on_wider_integers_is_that_on_uint8(digits):
    vaes = [digits_pipeline(epochs=1, epochs2=1, seed=0) for _ in range(2)]
    vaes[1].stage1.set_weights(vaes[0].stage1.get_weights())
    losses = []
    for vae, x in zip(vaes, (digits, digits.astype("int64")), strict=True):
        losses.append(vae.fit(x[:16], verbose=False)[0]["loss"])
    assert losses[0] == losses[1]


# Encoding, reconstruction, generation.


def test_encode_gives_the_heads_and_exponentiates_the_second(trained, digits):
    mu, sigma = trained.encode(digits)
    expected = trained.stage1.encoder(as_float(digits), training=False)
    np.testing.assert_allclose(mu, numbers(expected[0]), atol=1e-5)
    np.testing.assert_allclose(sigma, np.exp(numbers(expected[1])), rtol=1e-5)


def test_encode_takes_memory_mapped_images(trained, digits, tmp_path):
    np.save(tmp_path / "x.npy", digits)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    np.testing.assert_array_equal(trained.encode(mapped), trained.encode(digits))


def test_reconstruct_decodes_a_sample_of_the_posterior(trained, digits):
    mu, sigma = trained.encode(digits)
    noise = np.random.default_rng(7).standard_normal(mu.shape, dtype=np.float32)
    expected = trained.decode(mu + sigma * noise)
    np.testing.assert_array_equal(trained.reconstruct(digits, noise=noise), expected)
    np.testing.assert_array_equal(trained.reconstruct(digits, seed=7), expected)
    assert (trained.reconstruct(digits, seed=8) != expected).any()


def test_reconstruction_is_normalized_on_request(trained, digits):
    plain = trained.reconstruct(digits)
    expected = trained.image_normalization.apply(plain, generated=False)
    np.testing.assert_array_equal(trained.reconstruct(digits, normalize=True), expected)
    one = trained.reconstruct(digits[:1], normalize=True)
    np.testing.assert_allclose(one, trained.reconstruct(digits[:1]), atol=1e-6)


def test_reconstruct_latents_samples_the_second_posterior(trained, digits):
    mu, _ = trained.encode(digits)
    noise = np.random.default_rng(7).standard_normal(mu.shape, dtype=np.float32)
    mu_u, log_sigma_u = (numbers(y) for y in trained.stage2.encoder(mu))
    expected = numbers(trained.stage2.decoder(mu_u + np.exp(log_sigma_u) * noise))
    np.testing.assert_allclose(trained.reconstruct_latents(mu, seed=7), expected, atol=1e-5)
    np.testing.assert_array_equal(
        trained.reconstruct_latents(mu, noise=noise), trained.reconstruct_latents(mu, seed=7)
    )


@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("normalize", [False, True])
def test_generate(trained, stage, normalize):
    images = trained.generate(11, stage, normalize, seed=5)
    z = trained.sample_latents(11, stage, normalize, seed=5)
    assert images.shape == (11, 8, 8, 1) and z.shape == (11, 4)
    assert images.dtype == z.dtype == np.float32
    assert 0 <= images.min() and images.max() <= 1
    np.testing.assert_array_equal(images, trained.decode(z))
    # The first images do not depend on how many there are.
    np.testing.assert_array_equal(images[:3], trained.generate(3, stage, normalize, seed=5))
    # The noise given is the noise of the seed.
    noise = np.random.default_rng(5).standard_normal((16, 4), dtype=np.float32)
    np.testing.assert_array_equal(images, trained.generate(11, stage, normalize, noise=noise))
    assert (images != trained.generate(11, stage, normalize, seed=6)).any()


def test_the_surplus_of_the_last_batch_contributes_to_its_scale(own):
    """So the first images do not depend on how many there are, rescaled ones either."""
    former = own.latent_normalization
    own.latent_normalization = dataclasses.replace(former, target=1.3, gate_open=True)
    try:
        for n in (3, 11, 16):
            z = own.sample_latents(n, stage=2, seed=5)
            whole = own.sample_latents(32, stage=2, seed=5)
            np.testing.assert_array_equal(z, whole[:n])
        for start in (0, 16):
            batch = whole[start : start + 16]
            assert batch.std(axis=0).mean() == pytest.approx(1.3, rel=1e-5)
    finally:
        own.latent_normalization = former


def test_stage_1_decodes_the_prior_itself(trained):
    z = trained.sample_latents(8, stage=1, normalize=False, seed=5)
    noise = np.random.default_rng(5).standard_normal((8, 4), dtype=np.float32)
    np.testing.assert_array_equal(z, noise)


def test_stage_2_decodes_the_second_prior_without_noise(trained):
    z = trained.sample_latents(8, stage=2, normalize=False, seed=5)
    noise = np.random.default_rng(5).standard_normal((8, 4), dtype=np.float32)
    np.testing.assert_allclose(z, numbers(trained.stage2.decoder(noise)), atol=1e-5)


def test_mode_latents_and_images_rescales_the_whole_sample_and_the_images(digits, own):
    former = own.latent_normalization, own.image_normalization
    try:
        own.fit_normalization(digits, mode="latents_and_images")
        images, z = own.generate(48, stage=2, seed=0), own.sample_latents(48, stage=2, seed=0)
        assert z.std(axis=0).mean() == pytest.approx(own.latent_normalization.target, rel=1e-5)
        assert (images != own.decode(z)).any()
        assert own.generate(1, stage=2, seed=0).shape == (1, 8, 8, 1)
    finally:
        own.latent_normalization, own.image_normalization = former


def test_noise_is_fresh_by_default_and_its_seed_is_reported(trained):
    first, seed = trained.generate(3), trained.last_seed
    assert (first != trained.generate(3)).any()
    assert trained.last_seed != seed
    np.testing.assert_array_equal(first, trained.generate(3, seed=seed))
    assert trained.last_seed == seed
    # As Keras's own seeds, a fresh one follows from Keras's if that was set.
    pairs = []
    for _ in range(2):
        keras.utils.set_random_seed(1)
        pairs.append(trained.generate(3))
    np.testing.assert_array_equal(*pairs)


def test_a_shut_gate_is_reported_once_per_call_with_the_mode_that_rescales(trained, digits):
    message = (
        r'Generated images are not rescaled in mode "gated": .*gate; .*mode="latents.*\) rescale'
    )
    former = trained.latent_normalization, trained.image_normalization
    shut = dataclasses.replace(former[0], gate_open=False)
    calls = {
        "generate": lambda: trained.generate(3, seed=0),
        "prior": lambda: trained.generate(3, stage=1, seed=0),
        "latents": lambda: trained.sample_latents(3, seed=0),
        "figure": lambda: trained.plot_samples(3, seed=0),
        "evaluate": lambda: trained.evaluate(digits),
    }
    try:
        for gate_open, expected in ((False, 1), (True, 0)):
            trained.latent_normalization = dataclasses.replace(shut, gate_open=gate_open)
            for name, call in calls.items():
                with warnings.catch_warnings(record=True) as caught:
                    warnings.simplefilter("always")
                    result = call()
                ours = [w for w in caught if w.category is NothingRescaledWarning]
                assert len(ours) == expected, name
                assert all(re.search(message, str(w.message)) for w in ours)
                assert all(w.filename == __file__ for w in ours)
            assert bool(re.search(message, str(result))) == (not gate_open)
        trained.latent_normalization = shut
        with warnings.catch_warnings():
            warnings.simplefilter("error", NothingRescaledWarning)
            trained.generate(3, seed=0, normalize=False)
            trained.fit_normalization(digits, mode="latents_and_images")
            trained.generate(3, seed=0)
    finally:
        trained.latent_normalization, trained.image_normalization = former


def test_fitting_a_normalization_that_rescales_nothing_says_so(trained, digits, monkeypatch):
    former = trained.latent_normalization, trained.image_normalization
    try:
        monkeypatch.setattr("balancing_vae.normalization.GATE", np.inf)
        with pytest.warns(NothingRescaledWarning, match="not rescaled"):
            trained.fit_normalization(digits)
        with pytest.warns(NothingRescaledWarning, match="not rescaled"):
            digits_pipeline(epochs=1, epochs2=1).fit(digits, verbose=False)
    finally:
        trained.latent_normalization, trained.image_normalization = former


def test_weights_that_were_given_count_as_trained(trained):
    vae = digits_pipeline()
    assert not vae.stage1.is_trained
    vae.stage1.set_weights(trained.stage1.get_weights())
    assert vae.stage1.is_trained
    assert vae.generate(2, stage=1, normalize=False).shape == (2, 8, 8, 1)


def test_requests_out_of_range_are_refused(trained):
    with pytest.raises(ValueError, match="n must be at least 1, got 0"):
        trained.generate(0)
    with pytest.raises(ValueError, match="stage must be 1 or 2, got 3"):
        trained.generate(1, stage=3)
    for seed in (-1, 1.5, "0"):
        with pytest.raises(ValueError, match=f"seed must be a whole number .*, got {seed!r}"):
            trained.generate(1, seed=seed, normalize=False)
    untrained = digits_pipeline(*dense_networks((8, 8, 1), 4))
    with pytest.raises(ValueError, match="Stage 1 was never trained.*call fit"):
        untrained.generate(1, normalize=False)
    untrained.stage1.trained_epochs = 1
    with pytest.raises(InputError, match="Stage 2 was never trained.*call fit.*stage=1") as caught:
        untrained.generate(1, normalize=False)
    assert "--stage 1" in caught.value.cli_message
    with pytest.raises(InputError, match="not fitted yet.*normalize=False") as caught:
        untrained.generate(1, stage=1)
    assert "generate --plain" in caught.value.cli_message


# Gamma.


def test_measure_gamma_is_the_root_of_the_reconstructions_error(own, digits):
    former = [numbers(stage.balancing.running_mse) for stage in (own.stage1, own.stage2)]
    try:
        gammas = own.measure_gamma(digits, seed=3)
        mu, _ = own.encode(digits)
        expected = (
            mse(as_float(digits), own.reconstruct(digits, seed=3)) ** 0.5,
            mse(mu, own.reconstruct_latents(mu, seed=3)) ** 0.5,
        )
        assert gammas == pytest.approx(expected)
        found = [float(numbers(stage.balancing.gamma)) for stage in (own.stage1, own.stage2)]
        assert found == pytest.approx(expected, rel=1e-6)
    finally:
        for stage, value in zip((own.stage1, own.stage2), former, strict=True):
            stage.balancing.running_mse.assign(value)


def test_only_a_computed_gamma_is_measured(digits):
    vae = digits_pipeline(*dense_networks((8, 8, 1), 4), balancing={"name": "fixed", "gamma": 0.1})
    with pytest.raises(ValueError, match="Only a computed gamma"):
        vae.measure_gamma(digits)


# Saving and loading.


def test_own_networks_are_saved_and_loaded_in_a_fresh_process(own, tmp_path):
    own.save(tmp_path / "run")
    code = f"""
import json
from balancing_vae import TwoStageVAE
from tests.helpers.xla import without_xla
with without_xla():
    vae = TwoStageVAE.load({str(tmp_path / "run")!r})
images = vae.generate(3, stage=2, seed=1)
print(json.dumps([repr(vae), images.tolist()]))
"""
    text, images = python_prints(code)
    assert text == repr(own)
    np.testing.assert_allclose(images, own.generate(3, stage=2, seed=1), atol=1e-6)


@needs_tensorflow
def test_xla_does_not_change_samples(trained, saved):
    with with_xla():
        compiled = TwoStageVAE.load(saved)
    assert compiled.stage2.decoder.jit_compile and not trained.stage2.decoder.jit_compile
    for stage in (1, 2):
        samples = compiled.generate(5, stage=stage, seed=0)
        np.testing.assert_allclose(samples, trained.generate(5, stage=stage, seed=0), atol=1e-6)


def test_untrained_pipelines_are_saved_too(tmp_path):
    vae = digits_pipeline(*dense_networks((8, 8, 1), 4))
    vae.save(tmp_path / "run")
    loaded = TwoStageVAE.load(tmp_path / "run")
    assert loaded.latent_normalization is None
    assert loaded.history == []
    assert "not fitted" in repr(loaded)


# Construction.


def test_repr_shows_networks_sizes_gamma_and_epochs(trained):
    text = repr(trained)
    for part in (
        "TwoStageVAE(own config, images (8, 8, 1))",
        "stage 1: resnet; 4 latents",
        f"{trained.stage1.count_params():,} parameters",
        "kl_weight 16",
        "(computed); 2 epochs trained",
        "stage 2: latent, 2 x 16; 4 latents",
        "kl_weight 1;",
        "(computed); 3 epochs trained",
        "normalisation: gated",
    ):
        assert part in text


def second_networks(latent_dim=4) -> tuple[keras.Model, keras.Model]:
    z = keras.Input((latent_dim,))
    y = keras.layers.Dense(6, activation="tanh")(z)
    heads = [keras.layers.Dense(latent_dim, name=name)(y) for name in ("mu", "log_sigma")]
    u = keras.Input((latent_dim,))
    decoder = keras.Model(u, keras.layers.Dense(latent_dim)(u), name="own_second_decoder")
    return keras.Model(z, heads, name="own_second_encoder"), decoder


def test_the_second_stage_accepts_own_networks_and_saves_them(digits, tmp_path):
    encoder, decoder = second_networks()
    vae = TwoStageVAE(digits_config(), second_encoder=encoder, second_decoder=decoder)
    assert vae.stage2.encoder is encoder
    assert vae.stage2.decoder is decoder
    assert "stage 2: own; 4 latents" in repr(vae)
    vae.fit(digits, verbose=False)
    vae.save(tmp_path / "run")
    loaded = TwoStageVAE.load(tmp_path / "run")
    assert loaded.stage2.decoder.name == "own_second_decoder"
    expected = vae.generate(5, seed=0)
    np.testing.assert_allclose(loaded.generate(5, seed=0), expected, atol=1e-6)


def test_second_networks_that_do_not_fit_are_refused():
    encoder, decoder = second_networks()
    with pytest.raises(ValueError, match="an encoder and a decoder of your own, or neither"):
        TwoStageVAE(digits_config(), second_encoder=encoder)
    encoder, decoder = second_networks(5)
    with pytest.raises(ValueError, match=r"stage2 are for data of shape \(5,\) and 5 latents"):
        TwoStageVAE(digits_config(), second_encoder=encoder, second_decoder=decoder)
    config = digits_config(samplers=("prior", "gaussian"))
    with pytest.raises(ValueError, match="no second stage for its networks"):
        TwoStageVAE(config, second_encoder=encoder, second_decoder=decoder)
    with pytest.raises(ValueError, match="by `describe_networks`, got the name 'latent'"):
        TwoStageVAE(digits_config(second_network={"name": "latent"}))


def test_kl_has_weight_1_by_default():
    networks = dense_networks((8, 8, 1), 4)
    assert VAE(*networks).kl_weight == 1
    assert digits_pipeline(*networks, kl_weight=None).stage1.kl_weight == 1
    assert digits_pipeline(*networks, kl_weight=2.5).stage1.kl_weight == 2.5


def test_the_optimizer_is_the_adam_of_the_original():
    vae = digits_pipeline(*dense_networks((8, 8, 1), 4), lr=3e-4, lr2=2e-4)
    for stage, lr in ((vae.stage1, 3e-4), (vae.stage2, 2e-4)):
        config = stage.optimizer.get_config()
        assert config["epsilon"] == 1e-8
        assert (config["beta_1"], config["beta_2"]) == (0.9, 0.999)
        assert config["weight_decay"] is None
        assert float(numbers(stage.optimizer.learning_rate)) == pytest.approx(lr)
    assert vae.stage1.optimizer is not vae.stage2.optimizer


def test_networks_that_do_not_fit_are_refused():
    encoder, decoder = dense_networks((8, 8, 1), 4)
    with pytest.raises(ValueError, match="or neither"):
        digits_pipeline(encoder)
    with pytest.raises(ValueError, match="takes latents of shape.*same latent size"):
        digits_pipeline(encoder, dense_networks((8, 8, 1), 5)[1])
    with pytest.raises(ValueError, match="same image shape"):
        digits_pipeline(encoder, dense_networks((4, 4, 1), 4)[1])
    with pytest.raises(ValueError, match="2 outputs of the same shape, mu and log_sigma"):
        digits_pipeline(keras.Model(encoder.input, encoder.outputs[0]), decoder)
    with pytest.raises(ValueError, match=r"but the config has \(8, 8, 1\) and 4;"):
        digits_pipeline(*dense_networks((4, 4, 1), 3))
