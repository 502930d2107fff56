"""Saved folders: complete, and readable by later versions, other processes, other backends."""

import json

import numpy as np
import pytest

from balancing_vae import Config
from balancing_vae import TwoStageVAE
from balancing_vae.config import original_kl_weight
from balancing_vae.storage.folder import read_description
from tests.helpers.paths import SAVED_FOLDERS
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline
from tests.helpers.processes import run_python

DATA = SAVED_FOLDERS

LOAD_AND_GENERATE = """
import sys
import numpy as np
sys.modules["sklearn"] = None  # only fitting needs it
from balancing_vae import TwoStageVAE
from balancing_vae.config import original_kl_weight
from balancing_vae.storage.folder import read_description
vae = TwoStageVAE.load(sys.argv[1])
names = ("second_stage", "gaussian", "mixture")
np.save(sys.argv[2], [vae.generate(12, sampler=n, normalize=True, seed=3) for n in names])
print(float(vae.stage1.balancing.gamma), float(vae.stage2.balancing.gamma))
"""


def generate_elsewhere(folder, out, backend: str) -> tuple[np.ndarray, list[float]]:
    """Load `folder` in a fresh process on a backend; return samples and both gammas."""
    done = run_python("-c", LOAD_AND_GENERATE, folder, out, KERAS_BACKEND=backend)
    assert done.returncode == 0, done.stderr
    return np.load(out), [float(word) for word in done.stdout.split()[-2:]]


@pytest.fixture(scope="module")
def trained():
    vae = tiny_pipeline()
    vae.fit(tiny_images(), validation_data=tiny_images(8, seed=1), verbose=False)
    vae.fit_sampler("gaussian", tiny_images())
    vae.fit_sampler("mixture", tiny_images(), components=2)
    return vae


@pytest.fixture(scope="module")
def expected(trained):
    names = ("second_stage", "gaussian", "mixture")
    return [trained.generate(12, sampler=name, seed=3) for name in names]


@pytest.fixture
def folder(trained, tmp_path):
    trained.save(tmp_path / "saved")
    return tmp_path / "saved"


def test_the_folder_holds_what_it_should(folder, trained):
    files = {p.name for p in folder.iterdir()}
    assert files == {
        "config.json",
        "history.csv",
        "samplers",
        "stage1.weights.h5",
        "stage2.weights.h5",
    }
    files = {p.name for p in (folder / "samplers").iterdir()}
    assert files == {"gaussian.npz", "mixture.npz"}
    description = json.loads((folder / "config.json").read_text())
    assert description["format_version"] == 5
    assert description["config"]["network"]["name"] == "resnet"
    assert description["config"]["balancing"] == {"name": "computed"}
    assert description["config"]["seed"] == 0
    assert description["trained_epochs"] == {"stage1": 2, "stage2": 2}
    assert description["config"]["samplers"] == ["prior", "second_stage"]
    assert description["samplers"] == ["gaussian", "mixture"]
    assert description["latent_normalization"]["mode"] == "gated"
    assert {"python", "keras", "numpy", "backend"} <= set(description["versions"])


def test_a_round_trip_changes_nothing(folder, trained):
    loaded = TwoStageVAE.load(folder)
    for stage in ("stage1", "stage2"):
        ours, theirs = getattr(loaded, stage), getattr(trained, stage)
        for a, b in zip(ours.get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
    assert loaded.config == trained.config
    assert loaded.latent_normalization == trained.latent_normalization
    assert loaded.image_normalization == trained.image_normalization
    assert loaded.history == trained.history
    assert repr(loaded) == repr(trained)


def test_a_fresh_process_generates_the_same(folder, trained, expected, tmp_path):
    samples, gammas = generate_elsewhere(folder, tmp_path / "samples.npy", "tensorflow")
    np.testing.assert_allclose(samples, expected, atol=1e-6)
    expected = [float(s.balancing.gamma) for s in (trained.stage1, trained.stage2)]
    assert gammas == pytest.approx(expected, rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_another_backend_generates_the_same(folder, trained, expected, tmp_path, backend):
    samples, gammas = generate_elsewhere(folder, tmp_path / "samples.npy", backend)
    np.testing.assert_allclose(samples, expected, atol=1e-5)
    expected = [float(s.balancing.gamma) for s in (trained.stage1, trained.stage2)]
    assert gammas == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("older", ["format-1", "format-2"])
def test_a_folder_of_an_older_format_still_loads(older):
    vae = TwoStageVAE.load(DATA / older)
    assert (vae.stage1.trained_epochs, vae.stage2.trained_epochs) == (2, 2)
    assert list(vae.samplers) == ["prior", "second_stage"]
    expected = np.load(DATA / older / "expected_samples.npy", allow_pickle=False)
    np.testing.assert_allclose(vae.generate(4, seed=0), expected, atol=1e-6)
    # None meant (2 D / L)^2 then, and is 1 now.
    assert json.loads((DATA / older / "config.json").read_text())["config"]["kl_weight"] is None
    assert vae.stage1.kl_weight == vae.config.kl_weight == original_kl_weight((4, 4, 1), 2) == 16


@pytest.mark.parametrize(
    ("version", "changes", "expected"),
    [
        (3, {}, 16),
        (3, {"kl_weight": 2.5}, 2.5),
        (3, {"balancing": {"name": "beta", "beta": 4}}, None),
        (3, {"model": {"name": "rae"}, "samplers": ["gaussian", "mixture"]}, None),
        (4, {}, None),
    ],
)
def test_a_missing_weight_of_kl_keeps_the_meaning_of_its_format(
    version, changes, expected, tmp_path
):
    description = json.loads((DATA / "format-2" / "config.json").read_text())
    description |= {"format_version": version, "samplers": []}
    description["config"] |= changes
    (tmp_path / "config.json").write_text(json.dumps(description))
    assert Config.from_dict(read_description(tmp_path)["config"]).kl_weight == expected
