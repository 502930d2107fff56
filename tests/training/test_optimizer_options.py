"""Keras's optimizers and their options, through the config and through `fit`."""

import json

import keras
import numpy as np
import pytest

from balancing_vae import Config
from balancing_vae import TwoStageVAE
from balancing_vae.training.optimizer import Adam
from balancing_vae.training.optimizer import build_optimizer
from balancing_vae.training.optimizer import describe_optimizer
from tests.helpers.backends import numbers
from tests.helpers.pipelines import tiny_config
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

IMAGES = tiny_images()
AVERAGE = {"name": "adam", "use_ema": True, "ema_momentum": 0.9}


def weights(vae):
    return [numbers(w) for stage in vae.stages.values() for w in stage.trainable_weights]


def fit(vae, **arguments):
    vae.fit(IMAGES, validation_data=tiny_images(8, seed=1), verbose=False, **arguments)
    return vae


def test_the_default_is_the_adam_of_the_original():
    optimizer = build_optimizer(1e-4, 1e-8, **tiny_config().optimizer)
    assert type(optimizer) is Adam and optimizer.epsilon == 1e-8
    older = tiny_config().to_dict()
    del older["optimizer"]
    assert Config.from_dict(older) == tiny_config()


def test_options_reach_both_stages():
    vae = tiny_pipeline(optimizer={"name": "adam", "clipnorm": 1e-12}, epochs=1, epochs2=1)
    assert vae.stage1.optimizer.clipnorm == vae.stage2.optimizer.clipnorm == 1e-12
    other = tiny_pipeline(optimizer={"name": "AdamW", "weight_decay": 0.1})
    assert isinstance(other.stage2.optimizer, keras.optimizers.AdamW)


def test_gradients_are_clipped():
    """By Adam only where epsilon is larger than the gradients; by SGD the step is the clip."""
    vae = tiny_pipeline(optimizer={"name": "sgd", "clipvalue": 1e-6}, lr=1.0, epochs=1, epochs2=0)
    before = weights(vae)
    vae.fit(IMAGES, verbose=False)
    moved = [np.abs(a - b).max() for a, b in zip(weights(vae), before, strict=True)]
    assert 0 < max(moved) <= 3.1e-6  # three steps


def test_an_optimizer_is_described_and_made_again():
    given = keras.optimizers.AdamW(3e-4, weight_decay=0.02, global_clipnorm=2.0)
    description, lr = describe_optimizer(given)
    assert lr == 3e-4 and json.loads(json.dumps(description)) == description
    again = build_optimizer(lr, 1e-8, **description)
    assert type(again) is type(given)
    assert {**again.get_config(), "name": given.name} == given.get_config()
    assert describe_optimizer("sgd") == ({"name": "sgd"}, None)
    assert (
        type(build_optimizer(1e-4, 1e-8, **describe_optimizer(keras.optimizers.Adam())[0])) is Adam
    )


def test_fit_accepts_an_optimizer_and_records_it_in_the_config(tmp_path):
    vae = tiny_pipeline(epochs=1, epochs2=1)
    given = keras.optimizers.SGD(1e-3, momentum=0.5)
    fit(vae, optimizer=given)
    assert not given.built
    assert (vae.config.lr, vae.config.lr2, vae.config.optimizer["name"]) == (1e-3, 1e-3, "SGD")
    for stage in vae.stages.values():
        assert type(stage.optimizer) is type(given) and stage.optimizer.momentum == 0.5
    vae.save(tmp_path / "saved")
    assert type(TwoStageVAE.load(tmp_path / "saved").stage1.optimizer) is type(given)


def built():
    optimizer = keras.optimizers.SGD()
    optimizer.build(keras.layers.Dense(1).variables)
    return optimizer


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        (built, "SGD was already built for another model; make a new one with SGD.from_config"),
        (lambda: "addam", "There is no optimizer 'addam'; choose one of Keras's"),
        (lambda: 1e-3, "must be a Keras optimizer or the name of one, got float"),
        (
            lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-3, 9)),
            "learning rate of the Adam is a schedule.*lr_epochs",
        ),
        (lambda: type("Mine", (keras.optimizers.SGD,), {})(), "no optimizer 'Mine'.*register"),
    ],
)
def test_unsuitable_optimizers_are_refused_before_training(optimizer, message):
    vae = tiny_pipeline()
    with pytest.raises(ValueError, match=message):
        vae.fit(IMAGES, optimizer=optimizer(), verbose=False)
    assert vae.history == [] and vae.config == tiny_config()


@pytest.mark.parametrize(
    ("optimizer", "message"),
    [
        ({"name": "adam", "clipp": 1}, "'adam' does not take .*clipp"),
        ({"name": "adam", "clipnorm": 1, "clipvalue": 1}, "does not take .*Only one of"),
        ({"name": "adam", "learning_rate": 1}, "learning_rate cannot be set .* lr and lr2"),
        ({"name": "layers"}, "There is no optimizer 'layers'"),
        ({"clipnorm": 1}, 'optimizer must be a dict with a "name"'),
    ],
)
def test_options_that_no_optimizer_takes_are_refused(optimizer, message):
    with pytest.raises(ValueError, match=message):
        tiny_pipeline(optimizer=optimizer)


# The moving average of the weights.


@pytest.mark.slow
def test_training_ends_with_the_average_and_resumes_from_the_weights(tmp_path):
    plain = fit(tiny_pipeline(epochs=2, epochs2=1))
    average = fit(tiny_pipeline(epochs=2, epochs2=1, optimizer=AVERAGE))
    assert any((a != b).any() for a, b in zip(weights(plain), weights(average), strict=True))
    # The training itself is the same, what is validated is the average.
    first, second = plain.history[1], average.history[1]
    assert first["mse"] == pytest.approx(second["mse"], rel=1e-5)
    assert first["val_mse"] != second["val_mse"]
    stage = average.stage1
    assert stage.evaluate(tiny_images(8, seed=1), verbose=0, return_dict=True)[
        "mse"
    ] == pytest.approx(second["val_mse"], rel=0.2)
    # In two parts.
    fit(tiny_pipeline(epochs=1, epochs2=0, optimizer=AVERAGE), run_dir=tmp_path)
    vae = fit(tiny_pipeline(epochs=2, epochs2=1, optimizer=AVERAGE), run_dir=tmp_path)
    for ours, theirs in zip(weights(vae), weights(average), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    # A run that was finished already ends with the average, too.
    again = fit(tiny_pipeline(epochs=2, epochs2=1, optimizer=AVERAGE), run_dir=tmp_path)
    for ours, theirs in zip(weights(again), weights(average), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.slow
def test_the_best_epochs_average_is_kept():
    kept = fit(tiny_pipeline(epochs=1, epochs2=0, optimizer=AVERAGE, keep_best=True))
    last = fit(tiny_pipeline(epochs=1, epochs2=0, optimizer=AVERAGE))
    for ours, theirs in zip(weights(kept), weights(last), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_an_optimizer_of_the_backend_is_recorded_under_its_public_name():
    """PyTorch's backend makes such a class of each of Keras's."""
    place = {"__module__": "keras.src.backend.torch.optimizers.torch_adamw"}
    given = type("AdamW", (keras.optimizers.AdamW,), place)(3e-4, clipnorm=1.0)
    description, lr = describe_optimizer(given)
    assert (description["name"], description["clipnorm"], lr) == ("AdamW", 1.0, 3e-4)
    own = type("AdamW", (keras.optimizers.AdamW,), {})(3e-4)
    with pytest.raises(ValueError, match="AdamW has the name of another optimizer"):
        describe_optimizer(own)
