"""Inputs of a stage are scaled, used as they are, or refused in one sentence; none is ignored."""

import keras
import numpy as np
import pytest

from balancing_vae import VAE
from balancing_vae import Config
from balancing_vae import LatentVAE
from balancing_vae import TwoStageVAE
from balancing_vae.models.autoencoder import Autoencoder
from balancing_vae.models.rae import RegularizedAutoencoder
from balancing_vae.networks.image_encoder import ImageEncoder
from tests.helpers.backends import needs_tensorflow
from tests.helpers.backends import numbers
from tests.helpers.stage_cases import compiled
from tests.helpers.stage_cases import data_for
from tests.helpers.stage_cases import one_headed_networks
from tests.helpers.stage_cases import registered_models
from tests.helpers.stage_cases import stage_of
from tests.helpers.stage_cases import train

X = np.random.default_rng(0).integers(0, 256, (8, 4, 4, 1), dtype=np.uint8)
X[0, 0, :2, 0] = 0, 255
FLOATS = X.astype("float32") / np.float32(255)


pytestmark = pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")


@pytest.fixture(scope="module")
def vae() -> VAE:
    return compiled(stage_of(VAE))


@pytest.fixture(scope="module")
def autoencoder() -> Autoencoder:
    return compiled(stage_of(Autoencoder))


class Batches(keras.utils.PyDataset):
    """Two batches of 4, each as `make` makes it of its images."""

    def __init__(self, x, make=lambda x: (x,)):
        super().__init__()
        self.x, self.make = x, make

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return self.make(self.x[4 * index : 4 * index + 4])


def generated(x, make=lambda x: (x,)):
    batches = Batches(x, make)
    return (batches[i] for i in range(2))


def tensors(x):
    return keras.ops.convert_to_tensor(x)


# Integers of any width, floats in [0, 1].


@pytest.mark.parametrize("dtype", ["uint8", "int8", "int16", "int32", "int64"])
def test_integers_of_any_width_are_divided_by_255(autoencoder, dtype):
    x = (X // 2).astype(dtype)
    expected = autoencoder.evaluate(x / np.float32(255), verbose=0, return_dict=True)
    # XLA multiplies by 1 / 255.
    rounding = 1e-6 if keras.backend.backend() == "jax" else 0
    found = autoencoder.evaluate(x, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=rounding, abs=0)
    for form in (tensors, Batches, generated):
        assert autoencoder.evaluate(form(x), verbose=0, return_dict=True) == pytest.approx(expected)
    target = autoencoder.predict(x, verbose=0)["target"]
    np.testing.assert_allclose(target, x / 255, rtol=1e-6)


BAD = [
    (FLOATS * 255, r"float values from 0 to 255, expected \[0, 1\]; divide by 255"),
    (FLOATS * 2 - 1, r"from -1 to 1, expected \[0, 1\]; rescale them by \(x \+ 1\) / 2"),
    (FLOATS * 4 - 2, r"from -2 to 2, expected \[0, 1\]; undo their standardisation"),
    (FLOATS[0], r"3 axes \(4, 4, 1\); put the single image into a batch"),
    (X.astype("int64") * 257, r"integers from 0 to 65535, expected 0\.\.255; scale them to floats"),
    (X.astype("int16") - 128, r"integers from -128 to 127, expected 0\.\.255"),
    (np.where(FLOATS == FLOATS[3, 0, 0, 0], np.nan, FLOATS), "NaN or infinite values"),
    (X > 100, "dtype bool"),
    (X[..., 0], r"3 axes .* x\[\.\.\., None\]"),
    (np.repeat(X, 3, axis=-1), "3 channels, the model was made for 1"),
]


@pytest.mark.parametrize("form", [np.asarray, tensors, Batches, generated])
@pytest.mark.parametrize(("x", "message"), BAD)
def test_images_are_refused_before_the_first_step(autoencoder, x, message, form):
    before = autoencoder.get_weights()
    for use in (autoencoder.fit, autoencoder.evaluate, autoencoder.predict):
        with pytest.raises(ValueError, match=message):
            use(form(x), verbose=0)
    for ours, theirs in zip(before, autoencoder.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_batch_is_refused_as_well(autoencoder):
    for use in (autoencoder.train_on_batch, autoencoder.test_on_batch):
        with pytest.raises(ValueError, match="divide by 255"):
            use(FLOATS * 255)
        with pytest.raises(ValueError, match="comes with labels"):
            use(X, np.zeros(8))
    with pytest.raises(ValueError, match="divide by 255"):
        autoencoder.predict_on_batch(FLOATS * 255)
    ours, theirs = (autoencoder.predict_on_batch(x)["reconstruction"] for x in (X, FLOATS))
    np.testing.assert_allclose(ours, theirs, atol=1e-6)


def test_validation_data_are_checked(autoencoder):
    for bad in ((FLOATS * 255,), Batches(FLOATS * 255)):
        with pytest.raises(ValueError, match="validation_data has float values from 0 to 255"):
            autoencoder.fit(X, validation_data=bad, verbose=0)
    with pytest.raises(ValueError, match="validation_data comes with labels"):
        autoencoder.fit(X, validation_data=(X, np.zeros(8)), verbose=0)
    logs = autoencoder.fit(X, validation_data=(X.astype("int64"),), verbose=0).history
    assert "val_mse" in logs


@needs_tensorflow
def test_a_tf_dataset_is_checked(vae):
    import tensorflow as tf

    folder = tf.data.Dataset.from_tensor_slices((X.astype("float32"), np.zeros(8))).batch(4)
    with pytest.raises(ValueError, match=r"labels.*\.map\(lambda x, y: x\)"):
        vae.fit(folder, verbose=0)
    images = folder.map(lambda x, y: x)
    with pytest.raises(ValueError, match="The first batch of x has float values from 0 to 255"):
        vae.fit(images, verbose=0)
    scaled = images.map(lambda x: x / 255)
    assert vae.fit(scaled, epochs=2, verbose=0).epoch == [0, 1]
    assert vae.predict(folder.map(lambda x, y: (x / 255, y)), verbose=0)["z"].shape == (8, 3)


@pytest.mark.parametrize("data", [None, 3, "folder", [[1, 2]], {"x": [1]}])
def test_inputs_that_are_not_data_are_named(vae, data):
    with pytest.raises(ValueError, match="x must be arrays or batches"):
        vae.fit(data, verbose=0)


def test_a_dataset_without_a_batch_is_named(autoencoder):
    for empty in ((batch for batch in ()), Empty()):
        with pytest.raises(ValueError, match="x holds no batch"):
            autoencoder.fit(empty, verbose=0)


class Empty:
    def __iter__(self):
        return iter(())


def test_a_generator_may_give_bare_arrays(autoencoder):
    bare = generated(X, lambda x: x)
    assert autoencoder.predict(bare, verbose=0)["z"].shape == (8, 3)


@pytest.mark.slow
@pytest.mark.parametrize("drop_last", [False, True])
def test_a_data_loader_may_give_bare_tensors(autoencoder, drop_last):
    torch = pytest.importorskip("torch")
    loader = torch.utils.data.DataLoader(torch.tensor(X), batch_size=3, drop_last=drop_last)
    seen = 6 if drop_last else 8
    logs = autoencoder.fit(loader, validation_data=loader, epochs=2, verbose=0).history
    assert len(logs["val_mse"]) == 2
    expected = autoencoder.evaluate(X[:seen], batch_size=3, verbose=0)
    assert autoencoder.evaluate(loader, verbose=0) == pytest.approx(expected, rel=1e-5)
    for use in (
        lambda x: autoencoder.predict(x, verbose=0)["z"],
        lambda x: autoencoder.encoder.predict(x, verbose=0),
    ):
        np.testing.assert_allclose(use(loader), use(X[:seen]), atol=1e-6)


def test_a_direct_call_checks_arrays(autoencoder):
    for use in (autoencoder, autoencoder.encoder):
        with pytest.raises(ValueError, match="from 0 to 255.*divide by 255"):
            use(FLOATS * 255)
        with pytest.raises(ValueError, match="images of 2x4, the model was made for 4x4"):
            use(X[:, :2])
        use(X)
    latent = stage_of(LatentVAE)
    with pytest.raises(ValueError, match="sigma of x has values below 0"):
        latent((np.zeros((2, 3), "float32"), -np.ones((2, 3), "float32")))


def test_channels_that_come_first_are_named():
    with pytest.raises(ValueError, match=r"channels first, \(8, 1, 4, 4\); .*moveaxis\(x, 1, -1\)"):
        compiled(stage_of(Autoencoder)).fit(np.moveaxis(X, -1, 1), verbose=0)


@pytest.mark.parametrize("model", [VAE, Autoencoder, LatentVAE])
def test_a_model_without_an_optimizer_says_so(model):
    stage = stage_of(model)
    for _ in range(2):
        for use in (stage.fit, stage.train_on_batch):
            with pytest.raises(ValueError, match=r"has no optimizer; call compile with one"):
                use(data_for(stage))
        stage.compile(optimizer=None)


def test_a_generator_gives_all_its_batches(autoencoder):
    seen = []
    watch = keras.callbacks.LambdaCallback(
        on_train_batch_end=lambda batch, logs: seen.append(batch)
    )
    autoencoder.fit(generated(X), verbose=0, callbacks=[watch])
    assert seen == [0, 1]
    with pytest.raises(ValueError, match="x is a generator, which ends with the first epoch"):
        autoencoder.fit(generated(X), epochs=2, verbose=0)


def test_epochs_that_are_trained_already(autoencoder):
    with pytest.raises(ValueError, match="epochs=2 is the number of the last epoch, and 5 are"):
        autoencoder.fit(X, epochs=2, initial_epoch=5, verbose=0)


def test_noise_and_posteriors_are_checked():
    vae, second = compiled(stage_of(VAE)), compiled(stage_of(LatentVAE))
    noise = np.zeros((8, 3), np.float32)
    for stage, x, message in (
        (vae, (X, noise[:, :2]), r"The noise of x must have the shape \[N, 3\], got \(8, 2\)"),
        (vae, (X, noise, noise), "must be images, or images and noise; got 3 arrays"),
        (second, noise, r"must be \(mu, sigma\) or .*, got 1 arrays"),
        (second, (noise, noise - 1), "sigma of x has values below 0; give standard deviations"),
        (second, (noise + np.nan, noise), "mu of x has NaN"),
        (second, (X[:, 0, :3, 0], noise), "mu of x must be floats, got uint8"),
    ):
        with pytest.raises(ValueError, match=message):
            stage.fit(x, verbose=0)
    with pytest.raises(
        ValueError, match=r"mu and sigma into one tuple of inputs, \(\(mu, sigma\),\)"
    ):
        second.fit(noise, noise + 1, verbose=0)


# The encoder by itself.


@pytest.mark.parametrize("model", [VAE, Autoencoder, RegularizedAutoencoder])
def test_the_encoder_takes_what_the_stage_takes(model):
    encoder = stage_of(model).encoder
    expected = encoder.predict(FLOATS, verbose=0)
    for x in (X, X.astype("int64"), Batches(X), tensors(X)):
        for ours, theirs in zip(expected, encoder.predict(x, verbose=0), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    for ours, theirs in zip(expected, encoder.predict_on_batch(X), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    for use in (lambda x: encoder.predict(x, verbose=0), encoder.predict_on_batch):
        with pytest.raises(ValueError, match="from 0 to 255.*divide by 255"):
            use(FLOATS * 255)


def test_images_are_scaled_if_only_the_encoder_is_called(autoencoder):
    """JAX's `predict` does so."""
    encoder = autoencoder.encoder
    weights = encoder.trainable_variables, encoder.non_trainable_variables
    raw, _ = encoder.stateless_call(*([v.value for v in part] for part in weights), X)
    np.testing.assert_allclose(numbers(raw), encoder.predict(FLOATS, verbose=0), atol=1e-6)


def test_an_encoder_of_a_custom_class_keeps_its_class():
    class Own(keras.Model):
        pass

    encoder, decoder = one_headed_networks()
    own = Own(encoder.inputs, encoder.outputs)
    assert Autoencoder(own, decoder).encoder is own
    wrapped = Autoencoder(encoder, decoder).encoder
    assert isinstance(wrapped, ImageEncoder) and wrapped.layers == encoder.layers
    assert Autoencoder(wrapped, decoder).encoder is wrapped


# Networks.


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(3)

    def call(self, x):
        return self.dense(keras.ops.reshape(x, (-1, 16)))


@pytest.mark.parametrize("network", [Subclassed, keras.Sequential, object])
def test_a_network_whose_shapes_are_unknown_is_named(network):
    encoder, decoder = one_headed_networks()
    for networks, part in (((network(), decoder), "encoder"), ((encoder, network()), "decoder")):
        with pytest.raises(ValueError, match=f"The {part} must be a functional model.*keras.Input"):
            Autoencoder(*networks)
        with pytest.raises(ValueError, match=f"The {part} must be a functional model"):
            TwoStageVAE(Config((4, 4, 1), 3), *networks)


@pytest.mark.parametrize("activation", [None, "tanh"])
@pytest.mark.parametrize("model", [VAE, Autoencoder])
def test_a_decoder_that_leaves_0_to_1_is_refused_at_first_use(model, activation):
    encoder = stage_of(model).encoder
    latents = keras.Input((3,))
    y = keras.layers.Dense(16, activation=activation)(latents)
    stage = compiled(model(encoder, keras.Model(latents, keras.layers.Reshape((4, 4, 1))(y))))
    for use in (stage.fit, stage.evaluate):
        with pytest.raises(ValueError, match=r"decoder's images have values from -.*a sigmoid"):
            use(X, verbose=0)


# What Keras users give besides.


@pytest.mark.parametrize("model", registered_models())
def test_a_weight_counts_an_image_as_often(model):
    """Two of the first four images with a weight of 2 each are those four, with each twice."""
    stage = compiled(stage_of(registered_models()[model]))
    x = data_for(stage, 4, noisy=True)
    weights = np.array([2.0, 0.0, 2.0, 0.0])

    def twice(array):
        return array[[0, 0, 2, 2]]

    doubled = tuple(map(twice, x)) if isinstance(x, tuple) else twice(x)
    expected = stage.evaluate(doubled, verbose=0, return_dict=True)
    found = stage.evaluate(x, sample_weight=weights, verbose=0, return_dict=True)
    assert found == pytest.approx(expected, rel=1e-5)


def test_weights_may_come_in_batches_with_the_images_as_labels(autoencoder):
    weights = np.arange(8.0)
    expected = autoencoder.evaluate(X, batch_size=4, sample_weight=weights, verbose=0)
    rows = Batches(np.arange(8), lambda rows: (X[rows], X[rows], weights[rows]))
    assert autoencoder.evaluate(rows, verbose=0) == pytest.approx(expected, rel=1e-5)
    validation = (X, None, weights)
    logs = autoencoder.fit(X, validation_data=validation, verbose=0, batch_size=4).history
    expected = autoencoder.evaluate(X, batch_size=4, sample_weight=weights, verbose=0)
    assert logs["val_loss"] == [pytest.approx(expected[0], rel=1e-5)]


def test_gamma_is_that_of_the_weighted_error():
    ours, theirs = compiled(stage_of(VAE)), compiled(stage_of(VAE))
    theirs.set_weights(ours.get_weights())
    images, noise = data_for(ours, 4, noisy=True)
    ours.train_on_batch((images[:2], noise[:2]))
    theirs.train_on_batch((images, noise), sample_weight=np.array([10.0, 10.0, 0.0, 0.0]))
    # Weights of any size: gamma is a standard deviation, not a weight.
    gammas = [float(numbers(stage.balancing.gamma)) for stage in (ours, theirs)]
    assert gammas[0] == pytest.approx(gammas[1], rel=1e-5)
    before = gammas[1]
    theirs.train_on_batch((images, noise), sample_weight=np.zeros(4))
    assert float(numbers(theirs.balancing.gamma)) == pytest.approx(before)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones((8, 4, 4, 1)), r"one weight per image, \[N\], got \(8, 4, 4, 1\)"),
        (-np.ones(8), "must be finite and not negative"),
        (np.full(8, np.nan), "must be finite and not negative"),
    ],
)
def test_sample_weights_are_checked(vae, weights, message):
    with pytest.raises(ValueError, match=message):
        vae.fit(X, sample_weight=weights, verbose=0)
    batches = Batches(np.arange(8), lambda rows: (X[rows], X[rows], weights[rows]))
    with pytest.raises(ValueError, match=message.replace("8, ", "4, ", 1)):
        vae.fit(batches, verbose=0)


def test_weights_may_be_a_list():
    logs = [
        compiled(stage_of(Autoencoder)).evaluate(X, sample_weight=weights, verbose=0)
        for weights in ([0.5] * 8, np.full(8, 0.5))
    ]
    assert np.isfinite(logs).all() and np.shape(logs[0]) == np.shape(logs[1])


def test_there_are_as_many_weights_as_images(vae):
    with pytest.raises(ValueError, match="x has 8 images and 5 weights; give one"):
        vae.fit(X, sample_weight=np.ones(5), verbose=0)


def test_a_model_that_cannot_weigh_says_so():
    class Unweighed(Autoencoder):
        def loss_terms(self, outputs):
            return {"mse": keras.ops.mean(outputs["z"])}

    with pytest.raises(ValueError, match="Unweighed.loss_terms takes no sample_weight"):
        compiled(stage_of(Unweighed)).fit(X, sample_weight=np.ones(8), verbose=0)


def test_labels_and_class_weights_are_refused(vae):
    for use in (vae.fit, vae.evaluate):
        with pytest.raises(ValueError, match="x comes with labels, but a VAE reconstructs"):
            use(X, np.zeros(8), verbose=0)
        with pytest.raises(ValueError, match="comes with labels"):
            use(Batches(X, lambda x: (x, np.zeros(4))), verbose=0)
    with pytest.raises(ValueError, match="no class_weight; weight the images by sample_weight"):
        vae.fit(X, class_weight={0: 1.0}, verbose=0)


def test_the_images_themselves_may_be_the_labels(autoencoder):
    expected = autoencoder.evaluate(X, verbose=0)
    assert autoencoder.evaluate(X, X, verbose=0) == expected
    assert "val_mse" in autoencoder.fit(X, X, validation_data=(X, X), verbose=0).history


def test_metrics_compare_reconstructions_with_images():
    stage = compiled(stage_of(Autoencoder), metrics=["mae"], weighted_metrics=["cosine_similarity"])
    logs = stage.evaluate(X, verbose=0, return_dict=True)
    x_hat = stage.predict(X, verbose=0)["reconstruction"]
    assert logs["mae"] == pytest.approx(np.mean(np.abs(FLOATS - x_hat)), rel=1e-5)
    assert {"loss", "mse", "mae", "cosine_similarity"} == set(logs)


def test_compile_refuses_arguments_that_it_would_not_use():
    stage = stage_of(VAE)
    for arguments, message in (
        ({"loss": "mse"}, "A VAE has its own loss, so compile takes no loss; omit it"),
        ({"loss_weights": [1.0]}, "compile takes no loss_weights"),
        ({"metrics": ["mse"]}, "The logs already hold 'mse'"),
        ({"metrics": [keras.metrics.Mean(name="gamma")]}, "The logs already hold 'gamma'"),
    ):
        with pytest.raises(ValueError, match=message):
            stage.compile("adam", **arguments)


def test_an_optimizer_of_another_model_is_refused():
    optimizer = keras.optimizers.Adam()
    stage = stage_of(VAE)
    stage.compile(optimizer)
    stage.compile(optimizer)  # its own is taken again
    with pytest.raises(ValueError, match="optimizer 'adam.*' was built for another model"):
        stage_of(VAE).compile(optimizer)


# The guard.


def test_a_loss_that_is_not_finite_ends_the_training_with_good_weights_and_slots():
    stage = compiled(stage_of(VAE))
    train(stage)

    class Poison(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            self.model.decoder.layers[-2].bias.assign(np.full(16, np.nan))

    with pytest.raises(
        FloatingPointError, match=rf"The loss of {stage.name} became nan in epoch 1"
    ):
        train(stage, callbacks=[Poison()])
    assert all(np.isfinite(weight).all() for weight in stage.get_weights())
    assert all(np.isfinite(numbers(slot)).all() for slot in stage.optimizer.variables)
    assert np.isfinite(train(stage)["loss"]).all() and stage.trained_epochs == 2


def test_predict_gives_named_outputs(vae):
    found = vae.predict(X, verbose=0)
    assert sorted(found) == ["log_sigma", "mu", "reconstruction", "target", "z"]
    assert found["reconstruction"].shape == X.shape
