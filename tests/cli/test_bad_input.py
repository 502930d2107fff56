"""Each bad input gets one sentence: what was wrong, what was expected, how to fix it."""

import json
import re
import shutil

import keras
import numpy as np
import pytest

from balancing_vae import Config
from balancing_vae import GammaBalancing
from balancing_vae import TwoStageVAE
from balancing_vae.balancing import build_strategy
from balancing_vae.cli import main
from balancing_vae.storage.folder import FORMAT_VERSION
from tests.helpers.pipelines import TINY_NETWORK
from tests.helpers.pipelines import tiny_config
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline


@pytest.fixture(scope="module")
def vae():
    return tiny_pipeline()


@pytest.fixture
def saved(vae, tmp_path):
    vae.save(tmp_path / "saved")
    return tmp_path / "saved"


FLOATS = tiny_images().astype("float32") / 255


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (tiny_images()[..., 0], r"3 axes .* x\[\.\.\., None\]"),
        (np.repeat(tiny_images(), 3, axis=-1), "3 channels, the model was made for 1"),
        (np.zeros((24, 8, 8, 1), np.uint8), r"8x8, the model was made for 4x4; resize"),
        (tiny_images().astype("int64") * 257, r"integers from .* to 65535, expected 0\.\.255"),
        (tiny_images().astype("int16") - 128, r"integers from -128 to 127, expected 0\.\.255"),
        (tiny_images().astype("bool"), r"dtype bool; give integers in 0\.\.255 or floats"),
        (FLOATS * 255, r"from 0 to 255, expected \[0, 1\]; divide by 255"),
        (FLOATS - 0.5, r"float values from -0.5"),
        (np.where(np.arange(24)[:, None, None, None] == 7, np.nan, FLOATS), "first in image 7"),
        (tiny_images(0), "holds no image"),
        (tiny_images(7), "7 images, fewer than one batch of 8"),
        ([[1, 2]], "must be a NumPy array, got list"),
    ],
)
def test_images_are_refused_before_training_starts(vae, x, message):
    with pytest.raises(ValueError, match=message):
        vae.fit(x, verbose=False)
    assert vae.history == []


def test_validation_images_are_refused_by_their_name(vae):
    with pytest.raises(ValueError, match="validation_data has 3 channels"):
        vae.fit(tiny_images(), validation_data=np.repeat(tiny_images(), 3, axis=-1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"latent_dim": 0}, "latent_dim must be positive, got 0"),
        ({"batch_size": -1}, "batch_size must be positive, got -1"),
        ({"epochs": -1}, "epochs must not be negative"),
        ({"lr": float("nan")}, "lr must be positive, got nan"),
        ({"second_dim": 0}, "second_dim must be positive"),
        ({"kl_weight": 0.0}, "kl_weight must be positive"),
        ({"image_shape": (0, 4, 1)}, "image_shape must be"),
        ({"colour": "red"}, r"Unknown hyperparameters \['colour'\]; there are"),
    ],
)
def test_hyperparameters_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny_config().replace(**changes)


@pytest.mark.parametrize(
    ("network", "shape", "message"),
    [
        (TINY_NETWORK, (28, 28, 1), "power of two, at least 4; got 28x28.*conv"),
        (TINY_NETWORK, (8, 16, 1), "square images"),
        (TINY_NETWORK, (2, 2, 1), "at least 4"),
        (TINY_NETWORK | {"num_scale": 9}, (4, 4, 1), "num_scale 9 halves a side of 4"),
        (TINY_NETWORK | {"colour": 1}, (4, 4, 1), r"'resnet' does not take \['colour'\], only "),
        (TINY_NETWORK | {"base_dim": 0}, (4, 4, 1), "base_dim must be positive, got 0"),
        ({"name": "resnett"}, (4, 4, 1), "Unknown network 'resnett'; choose one of"),
    ],
)
def test_networks_that_do_not_fit_are_refused(network, shape, message):
    with pytest.raises(ValueError, match=message):
        TwoStageVAE(Config(shape, 2, network=network))


def test_an_error_for_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="choose one of .*cifar10.*Did you mean 'cifar10'"):
        TwoStageVAE.untrained("cifar-10")
    with pytest.raises(ValueError, match="Unknown balancing 'computd'"):
        build_strategy("computd")
    with pytest.raises(ValueError, match="does not take"):
        build_strategy("fixed", rate=1)


def test_own_networks_must_fit_each_other():
    images, latents = keras.Input((4, 4, 1)), keras.Input((3,))
    heads = [keras.layers.Dense(2)(keras.layers.Flatten()(images)) for _ in range(2)]
    encoder = keras.Model(images, heads)
    decoder = keras.Model(latents, keras.layers.Reshape((4, 4, 1))(keras.layers.Dense(16)(latents)))
    with pytest.raises(ValueError, match=r"latents of shape \(None, 3\), but the encoder"):
        TwoStageVAE(tiny_config(), encoder=encoder, decoder=decoder)
    with pytest.raises(ValueError, match="an encoder and a decoder of your own, or neither"):
        TwoStageVAE(tiny_config(), encoder=encoder)
    with pytest.raises(ValueError, match="2 outputs of the same shape, mu and log_sigma"):
        TwoStageVAE(tiny_config(), encoder=keras.Model(images, heads[0]), decoder=decoder)


def test_generation_refuses_invalid_requests(vae):
    for arguments, message in (
        ({"n": 0}, "n must be at least 1"),
        ({"n": 1, "stage": 3}, "stage must be 1 or 2"),
        ({"n": 1}, "Stage 1 was never trained, and would give noise; call fit"),
    ):
        with pytest.raises(ValueError, match=message):
            vae.generate(**arguments)


def test_gamma_balancing_refuses_other_models_and_values():
    with pytest.raises(ValueError, match="gamma must be positive"):
        GammaBalancing(gamma=0)
    with pytest.raises(ValueError, match="rate must lie in"):
        GammaBalancing(rate=2)
    fixed = tiny_pipeline(balancing={"name": "fixed", "gamma": 0.5})
    with pytest.raises(ValueError, match="needs a VAE whose balancing is ComputedGamma"):
        fixed.stage1.fit(tiny_images(), verbose=0, callbacks=[GammaBalancing()])


def test_a_loss_that_is_not_finite_stops_the_run_and_keeps_the_last_good_weights():
    vae = tiny_pipeline(epochs=4)

    class Poison(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 1:
                self.good = self.model.get_weights()
                self.model.optimizer.learning_rate = 1e38

    poison = Poison()
    with pytest.raises(FloatingPointError, match="stage 1 became .* in epoch [23]; the weights"):
        vae.fit(tiny_images(), verbose=False, callbacks=[poison])
    assert all(np.isfinite(w).all() for w in vae.stage1.get_weights())


# Saved folders.


def test_a_folder_is_not_overwritten_unless_asked(vae, saved):
    before = (saved / "config.json").read_bytes()
    with pytest.raises(FileExistsError, match="not empty.*overwrite"):
        vae.save(saved)
    assert (saved / "config.json").read_bytes() == before
    vae.save(saved, overwrite=True)


@pytest.mark.parametrize("file", ["config.json", "stage1.weights.h5", "stage2.weights.h5"])
def test_a_missing_file_is_named(saved, file):
    (saved / file).unlink()
    with pytest.raises(FileNotFoundError, match=file):
        TwoStageVAE.load(saved)


def test_a_truncated_weights_file_is_named(saved):
    path = saved / "stage1.weights.h5"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(ValueError, match="stage1.weights.h5 is not a complete weights file"):
        TwoStageVAE.load(saved)


def test_a_config_that_is_not_json_is_named(saved):
    (saved / "config.json").write_text('{"format_version": ')
    with pytest.raises(ValueError, match="config.json is damaged"):
        TwoStageVAE.load(saved)


# Keras warns of layers without weights before it raises.
@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_a_config_and_weights_that_disagree_are_refused(saved):
    description = json.loads((saved / "config.json").read_text())
    for changes in (
        {"network": TINY_NETWORK | {"base_dim": 3}},
        {"network": TINY_NETWORK | {"depth_per_block": 2}},
        {"second_dim": 5},
        {"latent_dim": 3},
    ):
        changed = {**description, "config": description["config"] | changes}
        (saved / "config.json").write_text(json.dumps(changed))
        with pytest.raises(ValueError, match="weights of another network"):
            TwoStageVAE.load(saved)


@pytest.mark.filterwarnings("ignore:Skipping nested container")
def test_weights_of_a_larger_network_are_refused(tmp_path):
    larger = tiny_pipeline(network=TINY_NETWORK | {"block_per_scale": 2}, second_depth=2)
    larger.save(tmp_path / "larger")
    description = json.loads((tmp_path / "larger/config.json").read_text())
    description["config"] |= {"network": TINY_NETWORK}
    (tmp_path / "larger/config.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match="weights of another network"):
        TwoStageVAE.load(tmp_path / "larger")


def test_a_newer_format_is_refused_in_one_sentence(saved):
    description = json.loads((saved / "config.json").read_text())
    description["format_version"] = FORMAT_VERSION + 1
    (saved / "config.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match="update balancing_vae") as caught:
        TwoStageVAE.load(saved)
    assert str(caught.value).count("\n") == 0


# The command line: exit code 2, one line, no traceback.


def failing_command(capsys, *words) -> str:
    try:
        code = main([str(word) for word in words])
    except SystemExit as exit:  # argparse
        code = exit.code
    captured = capsys.readouterr()
    assert code == 2
    assert "Traceback" not in captured.err
    return captured.err


def test_the_command_line_says_what_was_wrong(capsys, tmp_path, saved):
    np.save(tmp_path / "rgb.npy", np.zeros((60, 8, 8, 3), np.uint8))
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object), allow_pickle=True)
    out = tmp_path / "out"
    train = ("train", "--preset", "digits", "--out", out)
    for words, message in (
        (("train", "--preset", "nothing", "--out", out), "choose one of"),
        ((*train, "--data", tmp_path / "absent"), "does not exist"),
        ((*train, "--data", tmp_path / "rgb.npy"), "3 channels"),
        ((*train, "--data", tmp_path / "rgb.npy"), "--set 'image_shape=[8, 8, 3]'"),
        ((*train, "--data", tmp_path / "pickled.npy"), "pickled.npy is not a complete array"),
        ((*train, "--epochs", "-3"), "epochs must not be negative"),
        ((*train, "--epochs", "three"), "invalid int value"),
        ((*train, "--set", "colour=red"), "Unknown hyperparameters ['colour']"),
        ((*train, "--set", "latent_dim"), "not NAME=VALUE"),
        ((*train, "--set", "latent_dim=small"), "latent_dim must be a whole number, got 'small'"),
        ((*train, "--resume"), "has no run to resume"),
        (("train", "--resume", tmp_path / "absent"), "absent has no run to resume"),
        ((*train, "--resume", saved), "--resume names"),
        (("train", "--preset", "digits"), "Give the run's folder: --out RUN"),
        (("train", "--preset", "cifar10", "--out", out), "--data"),
        (("train", "--preset", "digits", "--out", saved), "not empty"),
        (("train", "--preset", "digits", "--out", saved), "--overwrite"),
        (("generate", tmp_path / "absent", "--out", out), "config.json is missing"),
        (("generate", saved, "--out", saved), "contains the source itself"),
        (("generate", saved, "-n", "0", "--plain", "--out", out), "-n: must be at least 1, got 0"),
        (("generate", saved, "--out", out), "name a run that `balancing-vae train` finished"),
        (("import-checkpoint", tmp_path / "absent", "--out", out), "absent.index is missing"),
        (("conjure",), "invalid choice"),
    ):
        error = failing_command(capsys, *words)
        assert message in error, f"{words}: {error}"
        assert not out.exists()


def test_resuming_with_another_config_shows_the_difference(capsys, tmp_path):
    from balancing_vae.presets import preset_config
    from balancing_vae.storage.run import open_run

    with open_run(tmp_path / "run", preset_config("digits"), resume=False, overwrite=False):
        pass
    words = ("train", "--preset", "digits", "--out", tmp_path / "run", "--resume")
    # Epochs may be others: a run can be made longer.
    error = failing_command(capsys, *words, "--epochs", "7", "--seed", "3")
    assert "config (seed: 0 -> 3); resume" in error
    error = failing_command(
        capsys, "train", "--resume", tmp_path / "run", "--batch-size", "7", "--set", "lr=1"
    )
    assert re.search(r"config \(batch_size: \d+ -> 7; lr: 0.001 -> 1", error)


def test_loading_an_unfinished_run_says_that_it_is_unfinished(capsys, tmp_path):
    from balancing_vae.presets import preset_config
    from balancing_vae.storage.run import open_run

    with open_run(tmp_path / "run", preset_config("digits"), resume=False, overwrite=False):
        pass
    error = failing_command(capsys, "generate", tmp_path / "run", "--out", tmp_path / "x.npy")
    assert "not finished" in error and "--resume" in error


def test_overwrite_deletes_only_runs(capsys, tmp_path):
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters/love.txt").write_text("dear")
    words = ("train", "--preset", "digits", "--out", tmp_path / "letters", "--overwrite")
    assert "not empty" in failing_command(capsys, *words)
    assert (tmp_path / "letters/love.txt").read_text() == "dear"


def test_a_full_disk_keeps_the_old_file_and_leaves_nothing_half_written(vae, saved):
    resource = pytest.importorskip("resource")
    import signal

    before = {p.name: p.read_bytes() for p in saved.iterdir()}
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises(OSError, match="could not be written.*free some space"):
            vae.save(saved, overwrite=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert {p.name: p.read_bytes() for p in saved.iterdir()} == before
    assert [p.name for p in saved.parent.iterdir()] == ["saved"]
    shutil.rmtree(saved)
