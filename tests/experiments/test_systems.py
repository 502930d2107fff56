"""Systems other than the VAE through the whole pipeline, and how little code a new one needs."""

import dataclasses
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from keras import ops

from balancing_vae import Config
from balancing_vae import TwoStageVAE
from balancing_vae.models.autoencoder import Autoencoder
from balancing_vae.models.rae import RegularizedAutoencoder
from balancing_vae.models.registry import MODELS
from balancing_vae.networks import NETWORKS
from balancing_vae.presets import load_preset
from balancing_vae.presets import preset_config
from balancing_vae.presets import preset_names
from balancing_vae.storage.states import TrainingStates
from tests.helpers.backends import numbers

RAE = Config(
    image_shape=(8, 8, 1),
    latent_dim=2,
    network={"name": "rae", "base_dim": 2, "num_scale": 1},
    model={"name": "rae", "latent_weight": 1e-3, "decoder_weight": 1e-4},
    samplers=("gaussian", "mixture"),
    batch_size=8,
    epochs=4,
    lr=1e-2,
    adam_epsilon=1e-7,
)


def make(config: Config = RAE, **changes) -> TwoStageVAE:
    return TwoStageVAE(config.replace(**changes))


# A new system: its network, its model, and a line in a registry for each.


def tiny_networks(image_shape, latent_dim):
    images, latents = keras.Input(image_shape), keras.Input((latent_dim,))
    z = keras.layers.Dense(latent_dim, dtype="float32")(keras.layers.Flatten()(images))
    y = keras.layers.Dense(int(np.prod(image_shape)), activation="sigmoid")(latents)
    y = keras.layers.Reshape(image_shape)(y)
    return keras.Model(images, z), keras.Model(latents, y)


class SparseAutoencoder(Autoencoder):
    term_names = ("mse", "sparsity")

    def __init__(self, encoder, decoder, sparsity=0.1, **kwargs):
        super().__init__(encoder, decoder, **kwargs)
        self.sparsity = sparsity

    def loss_terms(self, outputs):
        sparsity = self.sparsity * ops.mean(ops.abs(outputs["z"]))
        return super().loss_terms(outputs) | {"sparsity": sparsity}


def test_a_new_system_needs_a_network_a_model_and_two_lines(monkeypatch, digits, tmp_path):
    monkeypatch.setitem(NETWORKS, "tiny", tiny_networks)
    monkeypatch.setitem(MODELS, "sparse", SparseAutoencoder)

    own = {"network": {"name": "tiny"}, "model": {"name": "sparse", "sparsity": 0.2}}
    vae = make(RAE, **own, samplers=("gaussian", "second_stage"), epochs2=1, second_dim=4)
    history = vae.fit(digits, validation_data=digits[:9], verbose=False)

    assert [row["stage"] for row in history] == [1, 1, 1, 1, 2]
    row = history[3]
    assert row["loss"] == pytest.approx(row["mse"] + row["sparsity"], rel=1e-5)
    assert row["loss"] < history[0]["loss"]
    assert vae.generate(5, stage=1).shape == vae.generate(5, stage=2).shape == (5, 8, 8, 1)
    assert vae.evaluate(digits).value("GEN-2", "mean_std", normalized=True) > 0
    vae.save(tmp_path / "run")
    loaded = TwoStageVAE.load(tmp_path / "run")
    assert loaded.stage1.sparsity == 0.2 and repr(loaded) == repr(vae)
    np.testing.assert_allclose(loaded.generate(5, seed=1), vae.generate(5, seed=1), atol=1e-6)


# The regularised autoencoder in the pipeline.


@pytest.fixture(scope="module")
def trained(digits):
    vae = make(network={**RAE.network, "spectral_norm": True}, held_out=12, keep_best=True)
    vae.fit(digits, verbose=False)
    return vae


def test_a_rae_is_encoded_decoded_generated_and_measured(trained, digits):
    mu, sigma = trained.encode(digits)
    assert mu.shape == (44, 2) and not sigma.any()
    assert trained.stage2 is None
    x_hat = trained.reconstruct(digits, seed=3)
    assert x_hat.shape == digits.shape
    for stage in (1, 2):
        for normalize in (False, True):
            assert trained.generate(3, stage=stage, normalize=normalize).shape == (3, 8, 8, 1)
    evaluation = trained.evaluate(digits)
    assert evaluation.value("REC", "mse") > 0 and evaluation.value("REC", "mse", True) > 0
    assert "latent_weight 0.001; decoder_weight 0.0001; 4 epochs trained" in repr(trained)
    assert {"mse", "latent", "decoder", "val_loss", "learning_rate"} <= set(trained.history[0])
    with pytest.raises(ValueError, match="Only a computed gamma"):
        trained.measure_gamma(digits)


def test_a_rae_is_saved_with_its_spectral_norms_vectors(trained, digits, tmp_path):
    trained.save(tmp_path / "run")
    loaded = TwoStageVAE.load(tmp_path / "run")
    assert loaded.config == trained.config
    vectors = [w for w in trained.stage1.weights if w.path.endswith("/u")]
    assert len(vectors) == 4
    for ours, theirs in zip(trained.stage1.weights, loaded.stage1.weights, strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs))


def test_the_held_out_images_are_the_last_and_not_trained_on(digits):
    given, by_default = make(epochs=1), make(epochs=1, held_out=12)
    rows = given.fit(digits[:-12], validation_data=digits[-12:], verbose=False)
    assert by_default.fit(digits, verbose=False) == rows


def test_without_shuffling_the_images_stay_in_order(digits):
    """Eight images are one batch: only with several does their order matter."""
    one, two = (make(epochs=2, shuffle=False, seed=0) for _ in range(2))
    one.fit(digits, verbose=False)
    two.stage1.fit(digits[:40], batch_size=8, epochs=2, shuffle=False, verbose=0)
    for ours, theirs in zip(one.stage1.weights, two.stage1.weights, strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs))


class Interruption(Exception):
    """Stands for whatever ends a training."""


def interrupt_in(epoch: int) -> keras.callbacks.Callback:
    def interrupt(current, logs):
        if current == epoch:
            raise Interruption

    return keras.callbacks.LambdaCallback(on_epoch_begin=interrupt)


def spoil(epoch: int) -> keras.callbacks.Callback:
    """Return a callback after which the validation loss stays worse than before."""

    class Spoil(keras.callbacks.Callback):
        def on_epoch_begin(self, current, logs=None):
            if current == epoch:
                kernel = self.model.decoder.get_layer("fc0").kernel
                kernel.assign(-100 * numbers(kernel))

    return Spoil()


PLATEAU = {"lr": 1e-3, "lr_patience": 2, "keep_best": True, "held_out": 12, "epochs": 8}


@pytest.fixture(scope="module")
def uninterrupted(digits):
    vae = make(**PLATEAU)
    return vae, vae.fit(digits, verbose=False, callbacks=[spoil(3)])


def test_the_rate_falls_when_the_validation_loss_does_not(uninterrupted):
    _, history = uninterrupted
    rate, best, waited = 1e-3, np.inf, 0
    for row in history:
        assert row["learning_rate"] == pytest.approx(rate)
        if row["val_loss"] < best - 1e-4:
            best, waited = row["val_loss"], 0
        else:
            waited += 1
        if waited == 2:
            rate, waited = rate / 2, 0
    assert history[-1]["learning_rate"] == pytest.approx(2.5e-4)


def test_the_weights_of_the_best_validation_loss_are_used(uninterrupted, digits):
    vae, history = uninterrupted
    losses = [row["val_loss"] for row in history]
    assert np.argmin(losses) == 2
    found = vae.stage1.evaluate(digits[-12:], batch_size=8, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(min(losses), rel=1e-5)


def test_an_interrupted_training_ends_with_the_same_rates_and_weights(
    uninterrupted, digits, tmp_path
):
    vae, history = uninterrupted
    with pytest.raises(Interruption):
        callbacks = [spoil(3), interrupt_in(6)]
        make(**PLATEAU).fit(digits, verbose=False, run_dir=tmp_path, callbacks=callbacks)
    resumed = make(**PLATEAU)
    assert resumed.fit(digits, verbose=False, run_dir=tmp_path) == history
    for ours, theirs in zip(resumed.stage1.weights, vae.stage1.weights, strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs))
    # Also where stage 1 was complete before.
    again = make(**PLATEAU)
    again.fit(digits, verbose=False, run_dir=tmp_path)
    np.testing.assert_array_equal(again.encode(digits)[0], vae.encode(digits)[0])
    record = (TrainingStates(tmp_path / "states/stage1").folder / "best.json").read_text()
    assert '"monitor": "val_loss"' in record


# What does not fit together.


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image_shape": (28, 28, 1)}, "rae network needs.*got 28x28. Pad or resize"),
        ({"network": {"name": "wae"}, "image_shape": (32, 32, 3)}, "64x64; got 32x32. Resize"),
        ({"network": {"name": "resnet"}}, "RegularizedAutoencoder must have one output, z"),
        ({"model": {"name": "vae"}}, "VAE must have 2 outputs of the same shape, mu and log_sigma"),
        ({"model": {"name": "gan"}}, r"Unknown model 'gan'; choose one of \['rae', 'vae'\]"),
        ({"model": {"name": "rae", "beta": 1}}, "'rae' does not take .'beta'., only .'decoder_we"),
        ({"model": {"name": "vae", "seed": 1}}, "'vae' does not take .'seed'., only "),
        ({"model": {"latent_weight": 1}}, 'model must be a dict with a "name"'),
        ({"likelihood": "bernoulli"}, r"'rae' does not take \['likelihood'\], only \['decoder_w"),
        ({"kl_weight": 2.0}, r"'rae' does not take \['kl_weight'\], only \['decoder_w"),
        ({"samplers": ("prior", "mixture")}, "no prior to sample from.*'gaussian', 'mixture'"),
        ({"lr_patience": 5, "lr_epochs": 10}, "both decide when the learning rate falls; set one"),
        ({"held_out": -1}, "held_out must not be negative"),
        ({"keep_best": 1}, "keep_best must be true or false, got 1"),
        ({"adam_epsilon": 0.0}, "adam_epsilon must be positive"),
    ],
)
def test_parts_that_do_not_fit_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        TwoStageVAE(RAE.replace(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"keep_best": True}, "need validation images; give validation_data, or set held_out"),
        ({"lr_patience": 5}, "need validation images"),
        ({"held_out": 40}, "x without the last 40 has 4 images, fewer than one batch of 8"),
        ({"held_out": 100}, "x without the last 100 has 0 images"),
    ],
)
def test_insufficient_data_are_refused_before_training(digits, changes, message):
    with pytest.raises(ValueError, match=message):
        make(**changes).fit(digits, verbose=False)


# Presets.

PRESETS = [name for name in preset_names() if name.startswith("ghosh2020-")]


def test_presets_of_ghosh_et_al():
    weights = {
        "mnist": {"rae-l2": (1e-4, 1e-7), "rae-sn": (9e-3, 0), "rae": (5e-4, 0), "ae": (0, 0)},
        "cifar10": {"rae-l2": (1e-3, 1e-6), "rae-sn": (3e-2, 0), "rae": (1e-2, 0), "ae": (0, 0)},
        "celeba": {"rae-l2": (1e-4, 1e-7), "rae-sn": (2.4e-3, 0), "rae": (1e-4, 0), "ae": (0, 0)},
    }
    sizes = {  # dataset, images, latents, epochs, rate, held out, kernels
        "mnist": ("mnist", (32, 32, 1), 16, 100, 5e-4, 10_000, 4),
        "cifar10": ("cifar10", (32, 32, 3), 128, 100, 5e-4, 10_000, 4),
        "celeba": ("celeba140", (64, 64, 3), 64, 70, 1e-3, 0, 5),
    }
    expected = {f"ghosh2020-{s}-{data}" for data, systems in weights.items() for s in systems}
    assert set(PRESETS) == expected
    for name in PRESETS:
        system, _, data = name.removeprefix("ghosh2020-").rpartition("-")
        c = preset_config(name)
        model = SimpleNamespace(**{"decoder_weight": 0, "regularize_dense": False} | c.model)
        assert (model.latent_weight, model.decoder_weight) == weights[data][system]
        assert model.regularize_dense == (name == "ghosh2020-rae-l2-celeba")
        assert c.network.get("spectral_norm", False) == (system == "rae-sn")
        assert c.network.get("symmetric_input", True) == (data != "celeba")
        found = (c.image_shape, c.latent_dim, c.epochs, c.lr, c.held_out)
        kernel = c.network.get("kernel_size", 4)
        assert (load_preset(name)["dataset"]["name"], *found, kernel) == sizes[data]
        assert (c.batch_size, c.lr_patience, c.lr_fac, c.adam_epsilon) == (100, 5, 0.5, 1e-7)
        assert c.keep_best and c.shuffle and c.padding == (2 if data == "mnist" else 0)
        assert c.samplers == ("gaussian", "mixture")


def test_presets_make_models():
    vae = TwoStageVAE.untrained("ghosh2020-rae-sn-mnist")
    assert isinstance(vae.stage1, RegularizedAutoencoder) and vae.stage2 is None
    assert float(vae.stage1.optimizer.epsilon) == 1e-7
    assert dataclasses.replace(vae.config, preset=None).padding == 2
