"""Damaged values in `config.json` and the files next to it are refused by file and name."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from balancing_vae import TwoStageVAE
from balancing_vae.backend.seeding import seeded_initializers
from balancing_vae.networks import build_networks
from balancing_vae.networks import latent_networks
from balancing_vae.storage.folder import read_description
from balancing_vae.storage.folder import read_history
from tests.helpers.paths import SAVED_FOLDERS
from tests.helpers.pipelines import TINY_NETWORK
from tests.helpers.pipelines import tiny_config

DATA = SAVED_FOLDERS / "format-2"
NAN = float("nan")
OWN = {"name": "own", "encoder": {"class_name": "Lambda"}, "decoder": {}}


def write(folder: Path, changes: dict) -> None:
    """Copy a saved folder with values of its `config.json` replaced, by dotted names."""
    shutil.copytree(DATA, folder, dirs_exist_ok=True)
    description = json.loads((DATA / "config.json").read_text())
    for name, value in changes.items():
        *parents, last = name.split(".")
        part = description
        for parent in parents:
            part = part[parent]
        if value is KeyError:
            del part[last]
        else:
            part[last] = value
    (folder / "config.json").write_text(json.dumps(description))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format_version": "2"}, "format_version must be a whole number"),
        ({"format_version": 2.5}, "format_version must be a whole number"),
        ({"format_version": 0}, "format_version must be at least 1"),
        ({"format_version": KeyError}, "the content must have format_version"),
        ({"config": KeyError}, "the content must have config"),
        ({"config": []}, "config must be a dict"),
        ({"config.latent_dim": KeyError}, "the config must have latent_dim"),
        ({"config.latent_dim": 2.0}, "latent_dim must be a whole number, got 2.0"),
        ({"config.epochs": True}, "epochs must be a whole number, got True"),
        ({"config.lr": NAN}, "lr must be positive, got nan"),
        ({"config.lr": 1e999}, "lr must be finite, got inf"),
        ({"config.likelihood": "evil"}, "likelihood must be one of .*'bernoulli'"),
        ({"config.seed": 2**40}, "seed must be at most"),
        ({"config.batch_size": 10**9}, "batch_size must be at most"),
        ({"config.image_shape": [4, 4]}, "image_shape must be three whole numbers"),
        ({"config.image_shape": [10**6, 10**6, 1]}, "image_shape must be .* at most 8192"),
        ({"config.samplers": ["prior"]}, "samplers must be two names"),
        ({"config.network": "resnet"}, 'network must be a dict with a "name"'),
        ({"config.colour": 1}, "the config must not have .'colour'."),
        ({"config.second_stage_noise": True, "config.samplers": ["prior"] * 2}, "needs .second_st"),
        ({"trained_epochs": -5}, "trained_epochs must be a dict"),
        ({"trained_epochs.stage1": -5}, "trained_epochs.stage1 must not be negative, got -5"),
        ({"trained_epochs.stage2": KeyError}, "trained_epochs must have stage2"),
        ({"trained_epochs": KeyError}, "the content must have trained_epochs"),
        ({"latent_normalization.mode": "evil"}, "latent_normalization.mode must be one of"),
        ({"latent_normalization.target": NAN}, "latent_normalization.target must not be negative"),
        ({"latent_normalization.gate_open": 1}, "latent_normalization.gate_open must be true or"),
        ({"latent_normalization.more": 1}, "latent_normalization must not have .'more'."),
        ({"image_normalization.target": "x"}, "image_normalization.target must be a number"),
        ({"image_normalization": None}, "must have the same mode"),
        ({"image_normalization.mode": "latents_and_images"}, "must have the same mode"),
        ({"format_version": 3, "samplers": "prior"}, "samplers must be a list"),
        ({"format_version": 3, "samplers": [1]}, r"samplers\[0\] must be a string"),
        ({"versions": KeyError}, "the content must have versions"),
        ({"versions": ["keras"]}, "versions must be a dict"),
    ],
)
def test_a_damaged_description_is_refused_by_its_file_and_the_value(tmp_path, changes, message):
    write(tmp_path, changes)
    with pytest.raises(ValueError, match=f"config.json is damaged: .*{message}.*; copy the fold"):
        read_description(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"config.network.name": "evil"}, "Unknown network 'evil'; choose one of"),
        ({"config.model": {"name": "evil"}}, "Unknown model 'evil'; choose one of"),
        ({"config.balancing": {"name": "evil"}}, "Unknown balancing 'evil'; choose one of"),
        ({"config.samplers": ["evil", "second_stage"]}, "Unknown samplers .'evil'.; choose two"),
        ({"format_version": 3, "samplers": ["evil"]}, "names the unknown sampler 'evil', expected"),
        ({"config.network.base_dim": "x"}, "base_dim must be a whole number, got 'x'"),
        ({"config.network.base_dim": 2.5}, "base_dim must be a whole number, got 2.5"),
        ({"config.network.depth_per_block": 10**9}, "depth_per_block must be at most 1000"),
        ({"config.balancing": {"name": "fixed", "gamma": 1e999}}, "gamma must be finite, got inf"),
        ({"config.balancing": {"name": "computed", "rate": "x"}}, "rate must be a number"),
        ({"config.model": {"name": "rae", "latent_weight": "x"}}, "latent_weight must be a number"),
        ({"config.network": {"name": "own"}}, "network must have decoder, encoder"),
        ({"config.network": OWN}, "Your own encoder"),
    ],
)
def test_a_damaged_part_is_refused_when_the_models_are_built(tmp_path, changes, message):
    write(tmp_path, changes)
    with pytest.raises(ValueError, match=message):
        TwoStageVAE.load(tmp_path)


def test_a_name_is_checked_if_the_model_has_no_part_for_it():
    config = tiny_config(samplers=("prior", "gaussian"), balancing={"name": "evil"})
    with pytest.raises(ValueError, match="Unknown balancing 'evil'"):
        TwoStageVAE(config)


@pytest.mark.parametrize(
    "changes",
    [
        {"latent_dim": 10**9},
        {"second_dim": 10**9},
        {"network": TINY_NETWORK | {"base_dim": 10**9}},
        {"network": {"name": "dense", "width": 10**5, "depth": 10}},
        {"network": {"name": "conv", "base_dim": 10**30, "num_scale": 2}},
    ],
)
def test_networks_that_no_machine_can_hold_are_refused_before_they_are_made(changes):
    with pytest.raises(ValueError, match=r"parameters, but at most 1,000,000,000|take these sizes"):
        TwoStageVAE(tiny_config().replace(**changes))


def test_counting_parameters_changes_nothing_of_what_is_built():
    config = tiny_config()
    counted = TwoStageVAE(config)
    with seeded_initializers(config.seed):
        plain = [
            *build_networks(config.network, config.image_shape, config.latent_dim),
            *latent_networks(config.latent_dim, config.second_dim, config.second_depth),
        ]
    stages = counted.stages.values()
    networks = [network for stage in stages for network in (stage.encoder, stage.decoder)]
    for network, other in zip(networks, plain, strict=True):
        assert [w.path for w in network.weights] == [w.path for w in other.weights]
        for a, b in zip(network.get_weights(), other.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3,1,0.5", "row.1..stage must be at most 2, got 3"),
        ("1,0,0.5", "row.1..epoch must be at least 1, got 0"),
        (",1,0.5", "row.1. must have stage"),
        ("1,1,half", "half"),
        ("1,1,0.5,7", "must be a string or a real number|float"),
        ("1,2.5,0.5", "2.5"),
    ],
)
def test_a_damaged_history_is_refused(tmp_path, line, message):
    (tmp_path / "history.csv").write_text(f"stage,epoch,loss\n{line}\n")
    with pytest.raises(ValueError, match=f"history.csv is damaged: .*{message}"):
        read_history(tmp_path)
