"""Each stage is a Keras model and must pass the same tests, including contributors' models."""

import copy
import functools
import importlib
import json
import pkgutil

import keras
import numpy as np
import pytest

import balancing_vae
from balancing_vae import VAE
from balancing_vae import GammaBalancing
from balancing_vae import LatentVAE
from balancing_vae.backend.precision import layer_precision
from balancing_vae.backend.serialization import CLASSES
from balancing_vae.models.autoencoder import Autoencoder
from balancing_vae.models.rae import RegularizedAutoencoder
from tests.helpers.backends import needs_tensorflow
from tests.helpers.backends import numbers
from tests.helpers.processes import python_prints
from tests.helpers.stage_cases import cases
from tests.helpers.stage_cases import compiled
from tests.helpers.stage_cases import data_for
from tests.helpers.stage_cases import fast_cases
from tests.helpers.stage_cases import registered_models
from tests.helpers.stage_cases import stage_of
from tests.helpers.stage_cases import train

CASES = cases()
TRAINED = fast_cases()
BUILT = TRAINED | {name for name in CASES if name.startswith("network ")} - {"network wae"}


def all_cases(fast: set[str]) -> list:
    """Return the names of all cases as parameters, those that are not fast marked slow."""
    return [pytest.param(name, marks=() if name in fast else pytest.mark.slow) for name in CASES]


def state(stage) -> dict[str, np.ndarray]:
    """Return all that a stage consists of: weights, optimizer, noise."""
    variables = [*stage.weights, *(stage.optimizer.variables if stage.compiled else ())]
    return dict(enumerate(map(numbers, [*variables, stage.seed_generator.state])))


def outputs(stage) -> dict[str, np.ndarray]:
    return {name: numbers(y) for name, y in stage(data_for(stage, noisy=True)).items()}


def assert_equal(ours: dict, theirs: dict) -> None:
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=str(name))


@pytest.mark.parametrize("name", all_cases(BUILT))
def test_a_config_makes_the_same_model_again_and_a_file_the_same_weights(name, tmp_path):
    stage = CASES[name]()
    config = stage.get_config()
    before = json.dumps(config)
    again = type(stage).from_config(config)
    assert json.dumps(again.get_config()) == json.dumps(config) == before
    random = np.random.default_rng(0)
    # Also those that every new model starts from, such as the averages of normalisation.
    stage.set_weights([w + random.random(w.shape).astype(w.dtype) for w in stage.get_weights()])
    if hasattr(stage, "balancing"):
        stage.balancing.restore_rate()  # the one that no file keeps
    clone = keras.models.clone_model(stage)
    for other in (again, clone):
        assert other.count_params() == stage.count_params()
        other.set_weights(stage.get_weights())
        assert_equal(outputs(stage), outputs(other))  # a call may move the state
    stage.save(tmp_path / "stage.keras")
    loaded = keras.models.load_model(tmp_path / "stage.keras")
    assert type(loaded) is type(stage) and not loaded.compiled
    assert_equal(state(stage), state(loaded))
    assert_equal(outputs(stage), outputs(loaded))
    assert loaded.describe() == stage.describe()


# Keras warns of an optimizer's slots that a file lacks.
@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("name", all_cases(TRAINED))
def test_a_saved_model_and_a_copy_continue_with_the_same_numbers(name, tmp_path):
    stage = compiled(CASES[name]())
    if name == "network wae":
        # At the others' rate its log_sigma reaches 115 in three steps, and exp is infinite.
        stage.optimizer.learning_rate.assign(1e-5)
    stage.save(tmp_path / "untrained.keras")
    keras.models.load_model(tmp_path / "untrained.keras")
    train(stage)
    stage.save(tmp_path / "stage.keras")
    others = [keras.models.load_model(tmp_path / "stage.keras"), copy.deepcopy(stage)]
    for other in others:
        assert_equal(state(stage), state(other))
        assert other.trained_epochs == 1
        assert getattr(other, "kl_weight", None) == getattr(stage, "kl_weight", None)
    history = train(stage)
    for other in others:
        assert train(other) == history
        assert_equal(state(stage), state(other))


@pytest.mark.parametrize(
    "precision",
    # The one whose optimizer has a state of its own: the loss's scale.
    [pytest.param("mixed_bfloat16", marks=pytest.mark.slow), "mixed_float16"],
)
@pytest.mark.parametrize("model", registered_models())
def test_the_precision_is_kept(model, precision, tmp_path):
    with layer_precision(precision):
        stage = compiled(stage_of(registered_models()[model]))
    train(stage)
    stage.save(tmp_path / "stage.keras")
    loaded = keras.models.load_model(tmp_path / "stage.keras")
    assert loaded.dtype_policy.name == precision
    for part in ("encoder", "decoder"):
        ours, theirs = (
            [layer.dtype_policy.name for layer in getattr(each, part).layers[1:]]  # no input
            for each in (stage, loaded)
        )
        assert ours == theirs and precision in ours
    assert type(loaded.optimizer) is type(stage.optimizer)
    assert_equal(state(stage), state(loaded))
    assert train(loaded) == train(stage)


@pytest.mark.slow
@pytest.mark.skipif(keras.backend.backend() == "torch", reason="PyTorch runs one step at a time")
@pytest.mark.parametrize("model", registered_models())
def test_steps_per_execution_do_not_change_the_numbers(model):
    found = []
    for steps in (1, 2):
        keras.utils.set_random_seed(0)
        stage = stage_of(registered_models()[model])
        compiled(stage, run_eagerly=False, steps_per_execution=steps)
        found.append((train(stage, epochs=2), state(stage)))
    assert found[0][0] == found[1][0]
    assert_equal(found[0][1], found[1][1])


def test_every_registered_class_is_found_after_importing_the_package_alone():
    for module in pkgutil.walk_packages(balancing_vae.__path__, "balancing_vae."):
        if "__main__" not in module.name:
            importlib.import_module(module.name)
    registered = keras.saving.get_custom_objects()
    ours = {
        name.removeprefix("balancing_vae>"): found.__module__.removeprefix("balancing_vae.")
        for name, found in registered.items()
        if name.startswith("balancing_vae>")
    }
    assert ours == CLASSES


FRESH = """
import json, sys
{imports}
import numpy as np

def gamma(stage):
    return float(stage.balancing.gamma) if hasattr(stage, "balancing") else None

found = {{}}
for name in sys.argv[1:]:
    stage = keras.models.load_model(name)
    with np.load(name + ".npz") as file:
        x = tuple(file[key] for key in sorted(file.files))
    outputs = stage(x if len(x) > 1 else x[0])
    gammas = [gamma(stage)]
    stage.fit((x[0], x[1]) if len(x) == 4 else x[0], batch_size=4, verbose=0)
    gammas.append(gamma(stage))
    found[name] = [
        [np.asarray(keras.ops.convert_to_numpy(y), "float64").tolist() for y in outputs.values()],
        gammas, stage.trained_epochs, float(stage.optimizer.iterations),
    ]
print(json.dumps(found))
"""
FRESH_CASES = (
    "model latent",
    "warm_up bernoulli",
    "network resnet",
    "model rae",
    "model autoencoder",
    "learned gaussian",
    "network iterative",
)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """Return a function that puts a trained stage into a file, with data and what it gives."""
    folder = tmp_path_factory.mktemp("saved")

    @functools.cache
    def save(name):
        path = str(folder / f"{name}.keras")
        stage = compiled(CASES[name]())
        train(stage)
        stage.save(path)
        x = data_for(stage, noisy=True)
        x = x if isinstance(x, tuple) else (x,)
        np.savez(path + ".npz", **{str(i): array for i, array in enumerate(x)})
        y = stage(x if len(x) > 1 else x[0])
        gamma = float(numbers(stage.balancing.gamma)) if hasattr(stage, "balancing") else None
        return path, [numbers(each) for each in y.values()], gamma

    return save


@pytest.mark.parametrize(
    ("backend", "imports", "names"),
    [
        (keras.backend.backend(), "import balancing_vae\nimport keras", FRESH_CASES[:2]),
        pytest.param(
            "tensorflow", "import keras\nimport balancing_vae", FRESH_CASES, marks=pytest.mark.slow
        ),
        *(
            pytest.param(
                backend, "import balancing_vae\nimport keras", FRESH_CASES, marks=pytest.mark.slow
            )
            for backend in ("jax", "torch")
        ),
    ],
)
def test_a_fresh_process_on_any_backend_loads_them_and_trains_on(saved, backend, imports, names):
    if backend != "tensorflow":
        pytest.importorskip(backend)
    code = FRESH.format(imports=imports)
    expected = [saved(name) for name in names]
    found = python_prints(code, *(path for path, *_ in expected), KERAS_BACKEND=backend)
    for path, y, gamma in expected:
        their_y, gammas, epochs, steps = found[path]
        for ours, each in zip(y, their_y, strict=True):
            np.testing.assert_allclose(ours, each, rtol=1e-4, atol=1e-5)
        assert (epochs, steps) == (2, 4)
        if gamma is None:
            assert gammas == [None, None]
        else:
            # Each backend trains with its own noise, so that only the start must be equal.
            assert gammas[0] == pytest.approx(gamma, rel=1e-6)
            assert 0.9 * gamma < gammas[1] <= gamma


# Callbacks that save.


def test_a_model_checkpoint_is_a_whole_model(tmp_path):
    stage = compiled(stage_of(VAE))
    last = keras.callbacks.ModelCheckpoint(tmp_path / "last.keras")
    best = keras.callbacks.ModelCheckpoint(
        tmp_path / "best.keras", monitor="mse", mode="min", save_best_only=True
    )
    history = train(stage, epochs=2, callbacks=[last, best])
    loaded = keras.models.load_model(tmp_path / "best.keras")
    assert loaded.trained_epochs == 1 + np.argmin(history["mse"])
    assert train(keras.models.load_model(tmp_path / "last.keras")) == train(stage)


def test_a_gamma_that_was_frozen_for_one_fit_is_not_saved_as_frozen(tmp_path):
    stage = compiled(stage_of(VAE))
    best = keras.callbacks.ModelCheckpoint(tmp_path / "best.keras")
    train(stage, callbacks=[GammaBalancing(gamma=0.9, rate=0), best])
    loaded = keras.models.load_model(tmp_path / "best.keras")
    assert train(stage)["gamma"] == train(loaded)["gamma"] < [0.9]


class Killed(Exception):
    """Stands for whatever ends a training."""


def test_backup_and_restore_ends_with_the_same_numbers(tmp_path):
    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    def kill(epoch, logs):
        if epoch == 1:
            raise Killed

    whole, killed, resumed = (compiled(stage_of(VAE)) for _ in range(3))
    for stage in (killed, resumed):
        stage.set_weights(whole.get_weights())
    history = train(whole, epochs=3)
    stop = keras.callbacks.LambdaCallback(on_epoch_begin=kill)
    with pytest.raises(Killed):
        train(killed, epochs=3, callbacks=[backup(), stop])
    again = train(resumed, epochs=3, callbacks=[backup()])
    assert again == {name: values[1:] for name, values in history.items()}
    assert resumed.trained_epochs == 3
    assert_equal(state(whole), state(resumed))


@pytest.mark.slow
@needs_tensorflow
@pytest.mark.parametrize("model", registered_models())
def test_a_stage_is_exported(model, tmp_path):
    import tensorflow as tf

    stage = stage_of(registered_models()[model])
    stage.export(tmp_path / "exported", verbose=False)
    artifact = tf.saved_model.load(str(tmp_path / "exported"))
    x = data_for(stage)
    x = list(x) if isinstance(x, tuple) else x.astype("float32") / 255
    expected, found = stage.predict(x, verbose=0), artifact.serve(x)
    assert found["reconstruction"].shape == expected["reconstruction"].shape
    if "mu" in expected and model != "latent":  # what no noise has a part in
        np.testing.assert_allclose(found["mu"], expected["mu"], rtol=1e-4, atol=1e-5)


# What cannot be saved.


def test_a_failed_save_leaves_the_former_file_as_it_was(tmp_path, monkeypatch):
    stage = stage_of(VAE)
    path = tmp_path / "stage.keras"
    stage.save(path)
    before = path.read_bytes()

    def fail(self):
        raise NotImplementedError("no config")

    monkeypatch.setattr(VAE, "get_config", fail)
    with pytest.raises(NotImplementedError):
        stage.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["stage.keras"]


@pytest.mark.parametrize("name", ["stage.h5", "stage.hdf5"])
def test_a_format_that_could_not_be_loaded_is_refused(name, tmp_path):
    path = tmp_path / name
    path.write_bytes(b"a good file")
    with pytest.raises(ValueError, match=r"older format HDF5.*x\.keras"):
        stage_of(VAE).save(path)
    assert path.read_bytes() == b"a good file"


def test_an_argument_that_would_be_lost_is_named():
    class Forgetful(Autoencoder):
        def __init__(self, encoder, decoder, sparsity=0.1, **kwargs):
            super().__init__(encoder, decoder, **kwargs)

    with pytest.raises(ValueError, match=r"takes 'sparsity'.*write `self.sparsity = sparsity`"):
        stage_of(Forgetful).get_config()


def test_loading_weights_alone_does_not_change_the_training(tmp_path):
    """The pipeline's files hold no optimizer, and so do those of older versions."""
    stage, other = stage_of(VAE), compiled(stage_of(VAE))
    stage.save_weights(tmp_path / "a.weights.h5")
    other.trained_epochs = 7
    other.load_weights(tmp_path / "a.weights.h5")
    assert other.trained_epochs == 7
    for ours, theirs in zip(stage.weights, other.weights, strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs))


def test_all_models_of_the_package_are_in_the_kit():
    assert {RegularizedAutoencoder, VAE, Autoencoder, LatentVAE} <= {*registered_models().values()}
