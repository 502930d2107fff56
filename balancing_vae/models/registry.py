"""Models of the first stage by name: a new system is a file and a line here."""

import dataclasses

import keras

from balancing_vae.config import Config
from balancing_vae.errors import InputError
from balancing_vae.models.autoencoder import Autoencoder
from balancing_vae.models.rae import RegularizedAutoencoder
from balancing_vae.models.vae import VAE
from balancing_vae.schema import Rule
from balancing_vae.schema import arguments_of
from balancing_vae.schema import check_arguments

MODELS: dict[str, type[Autoencoder]] = {"rae": RegularizedAutoencoder, "vae": VAE}


def build_model(config: Config, encoder: keras.Model, decoder: keras.Model) -> Autoencoder:
    """Build the first stage that a config names.

    Args:
        config: The hyperparameters; `config.model` has the name and what the model takes.
        encoder: The encoder.
        decoder: The decoder.

    Returns:
        The model, not compiled.

    Raises:
        ValueError: There is no such model, or it does not take these arguments, networks or
            hyperparameters.

    Example:
        ```python
        config = Config((32, 32, 3), 128, model={"name": "rae", "latent_weight": 1e-2})
        stage1 = build_model(config, encoder, decoder)
        ```
    """
    arguments = dict(config.model)
    name = arguments.pop("name")
    if name not in MODELS:
        raise InputError(f"Unknown model {name!r}; choose one of {sorted(MODELS)}.")
    check_arguments(_own_arguments(MODELS[name]), arguments, f"The model {name!r} does not take")
    return MODELS[name].from_hyperparameters(config, encoder, decoder, **arguments)


def _own_arguments(model: type[Autoencoder]) -> dict[str, Rule]:
    """Return what a model takes beside its networks and what the config has a field for."""
    classes = [c for c in model.__mro__ if issubclass(c, Autoencoder)]
    others = {field.name for field in dataclasses.fields(Config)} | {"encoder", "decoder"}
    return {name: rule for c in classes for name, rule in arguments_of(c, *others).items()}
