"""The hashes of a saved folder's content at one moment."""

import hashlib
import json
import re
import shutil

import numpy as np
import pytest

from balancing_vae.storage.fingerprint import fingerprint
from tests.helpers.paths import ROOT
from tests.helpers.pipelines import as_if_trained
from tests.helpers.pipelines import tiny_images
from tests.helpers.pipelines import tiny_pipeline

REC = ("REC", None, 0)
ROWS = {
    "plain": REC,
    "normalised": ("REC", "latents_and_images", 0),
    "sampled": ("GEN (gaussian)", None, 0),
    "mixture": ("GEN-1", None, 0),
}


@pytest.fixture
def vae():
    vae = as_if_trained(tiny_pipeline(samplers=("mixture", "second_stage")))
    vae.fit_normalization(tiny_images(), mode="latents_and_images")
    vae.fit_sampler("gaussian", tiny_images())
    vae.fit_sampler("mixture", tiny_images(), components=1)
    return vae


def state(vae, folder):
    vae.save(folder, overwrite=True)
    found = fingerprint(folder)
    return {name: found.of(*row) for name, row in ROWS.items()}


def changed(before, after):
    return {name for name in ROWS if before[name] != after[name]}


def test_a_fingerprint_shows_what_has_changed(vae, tmp_path):
    first = state(vae, tmp_path / "a")
    assert changed(first, state(vae, tmp_path / "b")) == set()
    assert [name for name in ROWS if "fitted_sha256" in first[name]] == list(ROWS)[1:]
    vae.fit_sampler("gaussian", tiny_images(seed=1))
    second = state(vae, tmp_path / "a")
    assert changed(first, second) == {"sampled"}
    vae.fit_normalization(
        np.full((8, 4, 4, 1), 99, np.uint8) + tiny_images(8) // 9, mode="latents_and_images"
    )
    third = state(vae, tmp_path / "a")
    assert changed(second, third) == {"normalised"}
    (weight, *_) = vae.stage1.trainable_weights
    weight.assign(weight + 1)
    fourth = state(vae, tmp_path / "a")
    assert changed(third, fourth) == set(ROWS)
    found = {name: (third[name]["weights_sha256"], fourth[name]["weights_sha256"]) for name in ROWS}
    assert len(set(found.values())) == 1


def test_modes_and_noise_floor_have_fingerprints_of_what_they_depend_on(vae, tmp_path):
    vae.save(tmp_path / "a")
    found = fingerprint(tmp_path / "a")
    assert found.of("REC", "gated", 0) == found.of(*REC)
    assert found.of("noise floor", None, None) == {}


def test_the_hash_of_a_normalization_does_not_depend_on_how_its_mode_is_spelled(tmp_path):
    """Numbers measured before the modes were renamed still describe the same state."""
    text = (ROOT / "weights/digits/config.json").read_text()
    states = []
    for name in ("reference", "gated"):
        folder = shutil.copytree(ROOT / "weights/digits", tmp_path / name)
        respelled = re.sub('"mode": "(reference|gated)"', f'"mode": "{name}"', text)
        assert f'"mode": "{name}"' in respelled
        (folder / "config.json").write_text(respelled)
        states.append(fingerprint(folder))
    assert states[0] == states[1]
    assert states[0].of("GEN-2", "reference", 0) == states[0].of("GEN-2", "gated", 0)
    # As it was computed before there were other names.
    fitted = json.loads(text.replace('"gated"', '"reference"'))
    fitted = [fitted["image_normalization"], fitted["latent_normalization"]]
    before = hashlib.sha256(json.dumps(fitted, sort_keys=True).encode()).hexdigest()
    assert states[0].normalization == before
