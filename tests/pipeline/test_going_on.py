"""More epochs for a finished run, an unfinished run opened, and stale parts afterwards."""

import keras
import numpy as np
import pytest

from balancing_vae import TwoStageVAE
from balancing_vae.cli import main
from balancing_vae.pipeline.stale import stale_parts
from tests.helpers.backends import numbers
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

IMAGES = tiny_images()


def fit(vae, **arguments):
    vae.fit(IMAGES, verbose=False, **arguments)
    return vae


def weights(vae):
    return [numbers(w) for stage in vae.stages.values() for w in stage.weights]


def assert_same(first, second):
    for ours, theirs in zip(weights(first), weights(second), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert first.history == second.history
    assert first.latent_normalization == second.latent_normalization


class Stop(Exception):
    """Ends a training."""


def stop_in(stage, epoch):
    class StopThere(keras.callbacks.Callback):
        def on_epoch_begin(self, current, logs=None):
            if self.model.name == stage and current == epoch:
                raise Stop

    return StopThere()


@pytest.fixture(scope="module")
def long():
    return fit(tiny_pipeline(epochs=3, epochs2=2))


def saved_run(folder, **epochs):
    vae = fit(tiny_pipeline(**epochs), run_dir=folder)
    vae.write_into(folder)
    return vae


def test_a_run_that_is_made_longer_ends_like_one_with_all_epochs_from_the_start(tmp_path, long):
    saved_run(tmp_path, epochs=2, epochs2=2)
    vae = TwoStageVAE.load(tmp_path)
    with pytest.warns(UserWarning, match="to 3, which changes its latents: stage 2, samplers"):
        fit(vae, epochs=3, run_dir=tmp_path)
    assert_same(vae, long)
    assert (vae.config.epochs, vae.stage1.trained_epochs, vae.stage2.trained_epochs) == (3, 3, 2)


@pytest.mark.slow
def test_a_run_that_was_stopped_before_stage_2_ends_the_same(tmp_path, long):
    saved_run(tmp_path, epochs=2, epochs2=2)
    with pytest.warns(UserWarning, match="changes its latents"), pytest.raises(Stop):
        fit(
            TwoStageVAE.load(tmp_path),
            epochs=3,
            run_dir=tmp_path,
            callbacks=[stop_in("stage2", 0)],
        )
    # What was finished before stays whole, until what replaces it is.
    assert TwoStageVAE.load(tmp_path).stage1.trained_epochs == 2
    assert_same(fit(TwoStageVAE.load(tmp_path), epochs=3, run_dir=tmp_path), long)


@pytest.mark.slow
def test_making_only_stage_2_longer_keeps_its_states(tmp_path):
    saved_run(tmp_path, epochs=1, epochs2=1)
    vae = fit(TwoStageVAE.load(tmp_path), epochs2=2, run_dir=tmp_path)
    assert_same(vae, fit(tiny_pipeline(epochs=1, epochs2=2)))


def test_fewer_epochs_than_were_trained_are_refused(tmp_path):
    vae = saved_run(tmp_path, epochs=2, epochs2=1)
    before = weights(vae)
    for epochs, message in (
        ({"epochs": 1}, r"epochs=1, but stage 1 in .* was already trained for 2 epochs; give"),
        ({"epochs2": 0}, "epochs2=0, but stage 2 in .* was already trained for 1"),
    ):
        with pytest.raises(ValueError, match=message):
            fit(vae, run_dir=tmp_path, **epochs)
    assert vae.config.epochs == 2
    for ours, theirs in zip(weights(vae), before, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_resuming_on_a_dataset_says_what_it_cannot_give(tmp_path):
    class Batches:
        def __iter__(self):
            return iter([IMAGES])

    tiny_pipeline(epochs=1, epochs2=0).fit(Batches(), verbose=False, run_dir=tmp_path)
    with pytest.warns(UserWarning, match="resumed on a dataset, so the order"):
        tiny_pipeline(epochs=2, epochs2=0).fit(Batches(), verbose=False, run_dir=tmp_path)


def test_keras_backups_are_refused_because_both_stages_would_share_one(tmp_path):
    vae = tiny_pipeline()
    backup = keras.callbacks.BackupAndRestore(tmp_path / "backup")
    with pytest.raises(ValueError, match="BackupAndRestore serves one stage.*give run_dir"):
        fit(vae, callbacks=[backup])
    assert vae.stage1.trained_epochs == 0 and not list(tmp_path.iterdir())


# Looking at a run that is not finished.


def begin(folder, vae, callback):
    from balancing_vae.storage.run import open_run

    with pytest.raises(Stop), open_run(folder, vae.config, resume=False, overwrite=False):
        fit(vae, run_dir=folder, callbacks=[callback])
    return vae


def test_an_unfinished_run_can_be_loaded_and_inspected(tmp_path):
    vae = begin(tmp_path / "run", tiny_pipeline(epochs=3, epochs2=3), stop_in("stage1", 2))
    with pytest.raises(ValueError, match="is not finished; resume it with .* unfinished=True"):
        TwoStageVAE.load(tmp_path / "run")
    found = TwoStageVAE.load(tmp_path / "run", unfinished=True)
    assert (found.stage1.trained_epochs, found.stage2.trained_epochs) == (2, 0)
    assert found.history == vae.history and len(found.history) == 2
    for ours, theirs in zip(found.stage1.weights, vae.stage1.weights, strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs))
    assert found.generate(3, stage=1, normalize=False).shape == (3, 4, 4, 1)
    # And it can be finished.
    assert_same(fit(found, run_dir=tmp_path / "run"), fit(tiny_pipeline(epochs=3, epochs2=3)))


def test_a_finished_run_is_loaded_as_before(tmp_path):
    vae = saved_run(tmp_path, epochs=1, epochs2=1)
    found = TwoStageVAE.load(tmp_path, unfinished=True)
    assert found.latent_normalization == vae.latent_normalization


@pytest.mark.filterwarnings("ignore:The first error")
def test_an_unfinished_fine_tuning_is_recognised_and_its_epochs_continue(tmp_path):
    """Its states are fewer than the epochs of the pipeline that was saved there."""
    fit(tiny_pipeline(epochs=4, epochs2=0)).save(tmp_path / "run")
    vae = TwoStageVAE.load(tmp_path / "run")
    with pytest.raises(Stop):
        fit(vae, run_dir=tmp_path / "run", epochs=2, callbacks=[stop_in("stage1", 1)])
    found = TwoStageVAE.load(tmp_path / "run", unfinished=True)
    assert found.stage1.trained_epochs == 5
    for ours, theirs in zip(found.stage1.weights, vae.stage1.weights, strict=True):
        np.testing.assert_array_equal(numbers(ours), numbers(theirs))
    # Without the word it is the finished one, and its fine-tuning can be resumed.
    resumed = TwoStageVAE.load(tmp_path / "run")
    assert resumed.stage1.trained_epochs == 4
    fit(resumed, run_dir=tmp_path / "run", epochs=2)
    assert resumed.stage1.trained_epochs == 6


# What is stale.


def test_the_pipeline_knows_what_is_stale_after_stage_1_was_trained(tmp_path):
    vae = fit(tiny_pipeline(epochs=1, epochs2=1))
    vae.fit_sampler("gaussian", IMAGES)
    assert stale_parts(vae) == [] and "stale" not in repr(vae)
    vae.stage1.fit(IMAGES, batch_size=8, verbose=0)
    vae.save(tmp_path / "saved")
    for found in (vae, TwoStageVAE.load(tmp_path / "saved")):
        assert stale_parts(found) == ["second_stage", "gaussian", "normalization"]
        assert "stale, because a stage was trained later: second_stage, gaussian" in repr(found)
        for arguments, message in (
            ({"stage": 2, "normalize": False}, "Stage 2 is stale: .*train it again"),
            ({"sampler": "gaussian", "normalize": False}, "'gaussian' is stale: .*fit_sampler"),
            ({"stage": 1}, "normalisation is stale: .*fit_normalization"),
        ):
            with pytest.raises(ValueError, match=message):
                found.generate(3, **arguments)
        with pytest.raises(ValueError, match="normalisation is stale"):
            found.evaluate(IMAGES)
        assert found.generate(3, stage=1, normalize=False).shape == (3, 4, 4, 1)
    vae.stage2.fit(vae.encode(IMAGES), batch_size=8, verbose=0)
    assert stale_parts(vae) == ["gaussian", "normalization"]
    vae.fit_sampler("gaussian", IMAGES)
    vae.fit_normalization(IMAGES)
    assert stale_parts(vae) == []
    vae.stage1.fit(IMAGES, batch_size=8, verbose=0)
    fit(vae)
    assert stale_parts(vae) == []


# The command line.


@pytest.fixture
def words(tmp_path):
    np.save(tmp_path / "x.npy", tiny_images(16).repeat(2, axis=1).repeat(2, axis=2))
    sizes = ('network={"name": "dense", "width": 4, "depth": 1}', "second_dim=4", "batch_size=8")
    changes = [word for size in (*sizes, "latent_dim=2") for word in ("--set", size)]
    data = ("--data", str(tmp_path / "x.npy"))
    return ["train", "--preset", "digits", *data, *changes], ["train", *data]


@pytest.mark.slow
def test_the_command_line_makes_a_run_longer_by_its_path(tmp_path, words, capsys):
    begin, resume = words
    run = str(tmp_path / "run")
    assert main([*begin, "--epochs", "1", "--epochs2", "1", "--out", run]) == 0
    assert main([*resume, "--resume", run, "--epochs", "2"]) == 0
    assert "train: warning: Stage 1 continues from epoch 1 to 2" in capsys.readouterr().err
    longer = TwoStageVAE.load(run)
    assert (longer.config.epochs, longer.config.latent_dim) == (2, 2)
    assert (longer.stage1.trained_epochs, longer.stage2.trained_epochs) == (2, 1)
    assert main([*resume, "--resume", run, "--epochs", "1"]) == 2
    assert "epochs=1, but stage 1 in" in capsys.readouterr().err


def test_the_command_line_accepts_an_unfinished_run(tmp_path, capsys):
    begin(tmp_path / "run", tiny_pipeline(epochs=3, epochs2=3), stop_in("stage1", 1))
    words = ["generate", str(tmp_path / "run"), "--unfinished", "-n", "3"]
    assert main([*words, "--stage", "1", "--out", str(tmp_path / "x.npy")]) == 0
    assert np.load(tmp_path / "x.npy").shape == (3, 4, 4, 1)
    assert main([*words, "--stage", "2", "--out", str(tmp_path / "y.npy")]) == 2
    assert "Stage 2" in capsys.readouterr().err
