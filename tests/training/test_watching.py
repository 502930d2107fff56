"""Output of a running training, as TensorBoard and CSV; memory and open files do not grow."""

import csv
import sys

import keras
import numpy as np
import pytest

from balancing_vae import TwoStageVAE
from balancing_vae.training.callbacks import TensorBoardLog
from balancing_vae.training.callbacks.tensorboard_log import sheet
from tests.helpers.backends import needs_tensorflow
from tests.helpers.pipelines import as_if_trained
from tests.helpers.pipelines import tiny_config
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline
from tests.helpers.processes import python_prints

LONG_TRAINING = """
import json, os, sys, tempfile
from pathlib import Path
sys.path.insert(0, "tests")
import keras
from balancing_vae import TwoStageVAE, datasets

def usage():
    status = Path("/proc/self/status").read_text()
    anonymous = int(next(l for l in status.splitlines() if l.startswith("RssAnon")).split()[1])
    return anonymous, len(os.listdir("/proc/self/fd"))

class Watch(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        rows.append((self.model.name, epoch, *usage()))

rows = []
x = datasets.load("digits", "train")[:100]
vae = TwoStageVAE.untrained("digits", epochs=200, epochs2=200)
with tempfile.TemporaryDirectory() as folder:
    vae.fit(x, validation_data=x[:50], callbacks=[Watch()], verbose=False, run_dir=folder)
print(json.dumps(rows))
"""


def tensorboard_events(folder):
    import tensorflow as tf

    found = {}
    for path in sorted(folder.iterdir()):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                found.setdefault(value.tag, []).append((event.step, value))
    return found


@needs_tensorflow
def test_tensorboard_gets_logs_kl_per_latent_and_samples(tmp_path):
    import tensorflow as tf

    vae = tiny_pipeline(epochs=3, epochs2=2)
    log = TensorBoardLog(tmp_path, vae, tiny_images(8), every=2)
    vae.fit(tiny_images(), verbose=False, callbacks=[log])
    for stage, epochs in (("stage1", 3), ("stage2", 2)):
        events = tensorboard_events(tmp_path / stage)
        rows = [row for row in vae.history if row["stage"] == int(stage[-1])]
        for name in ("loss", "kl", "gamma", "mse"):
            steps, values = zip(*events[name], strict=True)
            assert steps == tuple(range(1, epochs + 1))
            found = [value.simple_value for value in values]
            assert found == pytest.approx([row[name] for row in rows])
        ((step, kl),) = events["kl per latent"]
        assert step == 2 and kl.histo.num == sum(kl.histo.bucket) == 2
        ((step, picture),) = events["samples"]
        assert step == 2
        assert tf.io.decode_png(picture.image.encoded_image_string).shape == (32, 32, 1)


@needs_tensorflow
def test_tensorboard_leaves_out_what_a_deterministic_autoencoder_lacks(tmp_path):
    config = tiny_config(epochs=1).replace(
        image_shape=(8, 8, 1),
        network={"name": "rae", "base_dim": 2, "num_scale": 1},
        model={"name": "rae", "latent_weight": 1e-3, "decoder_weight": 1e-6},
        samplers=("gaussian", "mixture"),
    )
    vae = TwoStageVAE(config)
    x = np.pad(tiny_images(), ((0, 0), (2, 2), (2, 2), (0, 0)))
    log = TensorBoardLog(tmp_path, vae, x[:8], every=1)
    vae.fit(x, verbose=False, callbacks=[log])
    tags = set(tensorboard_events(tmp_path / "stage1"))
    assert "loss" in tags and not {"samples", "kl per latent"} & tags


@needs_tensorflow
def test_the_kl_per_latent_adds_up_to_the_logs(tmp_path):
    vae = as_if_trained(tiny_pipeline())
    x = tiny_images(8)
    log = TensorBoardLog(tmp_path, vae, x, every=1)
    written = {}
    for name, stage in vae.stages.items():
        log.set_model(stage)
        log.on_train_begin()
        log.on_epoch_end(0, {})
        log.on_train_end()
        ((_, kl),) = tensorboard_events(tmp_path / name)["kl per latent"]
        written[name] = kl.histo
    kl = vae.stage1.evaluate(x, verbose=0, return_dict=True)["kl"]
    assert written["stage1"].sum == pytest.approx(kl, rel=1e-5)
    assert [histogram.num for histogram in written.values()] == [2, 2]


def test_a_sheet_has_the_images_in_reading_order():
    images = np.arange(7)[:, None, None, None] * np.ones((1, 2, 2, 1))
    found = sheet(images, columns=3)
    np.testing.assert_array_equal(found[::2, ::2, 0], [[0, 1, 2], [3, 4, 5]])


def test_tensorboard_needs_tensorflow_and_a_positive_interval(monkeypatch):
    with pytest.raises(ValueError, match="every must be at least 1"):
        TensorBoardLog("unused", None, None, every=0)
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match="history.csv"):
        TensorBoardLog("unused", None, None)


def test_callbacks_of_keras_receive_the_logs(tmp_path):
    vae = tiny_pipeline(epochs=2, epochs2=1)
    logger = keras.callbacks.CSVLogger(tmp_path / "log.csv", append=True)
    vae.fit(tiny_images(), verbose=False, callbacks=[logger])
    with open(tmp_path / "log.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["gamma"]) for row in rows[:2]] == pytest.approx(
        [row["gamma"] for row in vae.history[:2]]
    )


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_long_training_keeps_its_memory_and_opens_no_more_files():
    rows = python_prints(LONG_TRAINING)
    for stage in ("stage1", "stage2"):
        anonymous = {epoch: rss for name, epoch, rss, _ in rows if name == stage}
        files = {epoch: count for name, epoch, _, count in rows if name == stage}
        assert anonymous[199] <= 1.05 * anonymous[20]
        assert files[199] == files[20]
