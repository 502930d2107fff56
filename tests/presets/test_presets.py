"""The presets: the published hyperparameters, and the pipelines built from them."""

import keras
import pytest

from balancing_vae import LearnedGamma
from balancing_vae import TwoStageVAE
from balancing_vae.config import original_kl_weight
from balancing_vae.presets import load_preset
from balancing_vae.presets import preset_config
from balancing_vae.presets import preset_names

DAI = [name for name in preset_names() if name.startswith("dai2019-")]


def test_presets_contain_the_original_programs_weight_of_kl():
    """The number they had when None meant (2 D / L)^2: none of theirs moves."""
    assert original_kl_weight((64, 64, 3), 64) == 4
    own = {"celeba", "celeba-small", "cifar10", "cifar10-small", "digits", "digits-small", "mnist"}
    for name in preset_names():
        config = preset_config(name)
        if name in own:
            weight = original_kl_weight(config.image_shape, config.latent_dim)
            assert config.kl_weight == weight, name
        elif config.model["name"] == "vae":
            assert (config.kl_weight, config.balancing["name"]) == (1, "learned"), name
        else:
            assert config.kl_weight is None, name


def test_presets_have_the_papers_hyperparameters():
    assert {"cifar10", "celeba", "digits"} <= set(preset_names())
    cifar10, celeba = preset_config("cifar10"), preset_config("celeba")
    expected = {"batch_size": 100, "latent_dim": 64, "second_depth": 3, "lr_fac": 0.5}
    for config in (cifar10, celeba):
        assert {name: getattr(config, name) for name in expected} == expected
    first = ("epochs", "lr", "lr_epochs", "epochs2", "lr2", "lr_epochs2", "second_dim")
    assert [getattr(cifar10, name) for name in first] == [700, 1e-4, 250, 1400, 1e-4, 400, 2048]
    assert [getattr(celeba, name) for name in first] == [70, 5e-5, 60, 140, 5e-5, 120, 4096]
    assert (cifar10.network["num_scale"], celeba.network["num_scale"]) == (3, 4)


def test_a_preset_takes_changes():
    vae = TwoStageVAE.untrained("digits", epochs=3, network={"base_dim": 4, "fc_dim": 8})
    assert vae.config.epochs == 3
    assert vae.config.network["name"] == "resnet"
    assert vae.stage1.encoder.get_layer("conv0").filters == 4
    assert vae.config.preset == "digits"
    with pytest.raises(ValueError, match="Unknown hyperparameters.*epoch_count"):
        TwoStageVAE.untrained("digits", epoch_count=3)


def test_presets_of_dai_and_wipf():
    assert len(DAI) == 5
    for name in DAI:
        config = preset_config(name)
        assert config.balancing == {"name": "learned"} and config.kl_weight == 1
        assert config.second_stage_noise and config.lr == config.lr2 == 1e-4
        assert (config.batch_size, config.second_dim, config.second_depth) == (64, 1024, 3)
    times = {
        name: (c.epochs, c.lr_epochs, c.epochs2, c.lr_epochs2, c.latent_dim, c.network["name"])
        for name in DAI
        for c in [preset_config(name)]
    }
    defaults = (400, 150, 800, 300, 64, "infogan")
    assert times == {
        "dai2019-mnist": defaults,
        "dai2019-fashion-mnist": defaults,
        "dai2019-cifar10": defaults,
        "dai2019-celeba": (100, 40, 100, 40, 128, "resnet"),
        "dai2019-celeba-wae": (70, 30, 70, 30, 64, "wae"),
    }


@pytest.mark.parametrize("name", ["dai2019-mnist", "dai2019-cifar10"])
def test_presets_make_networks(name):
    vae = TwoStageVAE.untrained(name)
    assert vae.stage1.kl_weight == 1 and isinstance(vae.stage2.balancing, LearnedGamma)
    assert load_preset(name)["dataset"]["name"] in ("mnist", "cifar10")
    assert isinstance(vae.stage1.optimizer, keras.optimizers.Adam)
