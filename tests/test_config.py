"""The hyperparameters: those of the model are stored with it, in whichever spelling they come."""

import dataclasses
import json

import pytest

from balancing_vae import Config
from balancing_vae import TwoStageVAE
from balancing_vae.config import differences
from balancing_vae.experiments.systems_plan import plan_trainings
from balancing_vae.presets import preset_config
from tests.helpers.pipelines import tiny_config
from tests.helpers.pipelines import tiny_images

VAE = {"name": "vae"}
RAE = {"name": "rae", "latent_weight": 1e-3}


def test_the_weight_of_kl_and_the_likelihood_are_kept_with_the_model():
    short = tiny_config(kl_weight=4, likelihood="bernoulli")
    whole = tiny_config(model={"name": "vae", "kl_weight": 4, "likelihood": "bernoulli"})
    assert short == whole and differences(short, whole) == []
    assert (short.kl_weight, short.likelihood) == (4, "bernoulli")
    assert short.model == short.to_dict()["model"]
    assert not {"kl_weight", "likelihood"} & set(short.to_dict())
    assert Config.from_dict(json.loads(json.dumps(short.to_dict()))) == short
    assert dataclasses.replace(short, epochs=3) == short.replace(epochs=3)


def test_both_can_be_changed_by_name_and_removed():
    config = preset_config("celeba", kl_weight=0.25)
    assert config.model == {"name": "vae", "kl_weight": 0.25}
    assert config.replace(kl_weight=None).model == VAE
    bernoulli = config.replace(likelihood="bernoulli")
    assert bernoulli.model == {**config.model, "likelihood": "bernoulli"}
    assert bernoulli.replace(likelihood="gaussian") == config
    assert bernoulli.replace(likelihood=None) == config
    assert bernoulli.replace(model={"name": "vae", "kl_weight": 2}).model["kl_weight"] == 2
    # Another model does not inherit what it has no use for.
    assert config.replace(model=RAE).model == RAE


def test_beta_replaces_the_present_weight_but_not_a_given_one():
    config = preset_config("celeba")
    beta = {"name": "beta", "beta": 2}
    assert config.replace(balancing=beta).model == VAE
    both = config.replace(balancing=beta, model={"name": "vae", "kl_weight": 3})
    assert both.kl_weight == 3  # which the model refuses: both were asked for


@pytest.mark.parametrize("model", [VAE, RAE])
def test_older_spellings_keep_their_meaning(model):
    """Until format 4 every config named both, those of models without them too."""
    fields = tiny_config(model=model).to_dict()
    older = fields | {"kl_weight": None, "likelihood": "gaussian"}
    assert Config.from_dict(older) == tiny_config(model=model)
    assert Config.from_dict(fields | {"kl_weight": 16}).model == {**model, "kl_weight": 16}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kl_weight": -1}, "kl_weight must be positive, got -1"),
        ({"likelihood": "poisson"}, "likelihood must be one of .*'bernoulli'.*got 'poisson'"),
        ({"model": "vae", "kl_weight": None}, "model must be a dict with a \"name\", got 'vae'"),
    ],
)
def test_invalid_values_are_refused_immediately(changes, message):
    with pytest.raises(ValueError, match=message):
        tiny_config().replace(**changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"network": {"name": "evil"}}, "Unknown network 'evil'; choose one of"),
        ({"model": {"name": "evil"}}, "Unknown model 'evil'; choose one of"),
        ({"model": {"name": "vae", "kl_weight": 0}}, "kl_weight must be positive, got 0"),
        ({"model": {"name": "vae", "likelihood": 3}}, "likelihood must be one of"),
        ({"balancing": {"name": "evil"}}, "Unknown balancing 'evil'; choose one of"),
        ({"optimizer": {"name": "evil"}}, "There is no optimizer 'evil'"),
        ({"optimizer": {"name": "adam", "clipp": 1}}, r"does not take \['clipp'\]"),
        ({"optimizer": {"name": "adam", "use_ema": 1}}, "use_ema must be true or false, got 1"),
        ({"samplers": ("evil", "prior")}, "Unknown samplers .'evil'."),
    ],
)
def test_names_are_checked_before_any_system_is_trained(changes, message):
    configs = {"good": tiny_config(), "bad": tiny_config(**changes)}
    with pytest.raises(ValueError, match=message):
        plan_trainings(configs, tiny_images(), None, trainings=1, minutes=None)


def test_a_models_argument_may_share_a_name_with_a_field(monkeypatch):
    from balancing_vae.models.autoencoder import Autoencoder
    from balancing_vae.models.registry import MODELS

    class Patient(Autoencoder):
        def __init__(self, encoder, decoder, epochs=1, padding=0, **kwargs):
            super().__init__(encoder, decoder, **kwargs)
            self.epochs, self.padding = epochs, padding

    monkeypatch.setitem(MODELS, "patient", Patient)
    network = {"name": "rae", "base_dim": 2, "num_scale": 1}
    model = {"name": "patient", "epochs": 7, "padding": 2}
    config = Config((8, 8, 1), 2, network, model, samplers=("gaussian", "mixture"))
    vae = TwoStageVAE(config)
    assert (vae.stage1.epochs, vae.stage1.padding, vae.config.epochs) == (7, 2, 100)
