"""First-stage models by name; a new model needs one file and one line here."""

import keras

from balancing_vae.config import PRIOR
from balancing_vae.config import Config
from balancing_vae.errors import InputError
from balancing_vae.models.autoencoder import Autoencoder
from balancing_vae.models.rae import RegularizedAutoencoder
from balancing_vae.models.vae import VAE
from balancing_vae.registry import Registry

MODELS = Registry[type[Autoencoder]](
    "model", {"rae": RegularizedAutoencoder, "vae": VAE}, Autoencoder
)


def build_model(config: Config, encoder: keras.Model, decoder: keras.Model) -> Autoencoder:
    """Build the first stage that a config names.

    Args:
        config: The hyperparameters; `config.model` has the model's name and arguments.
        encoder: The encoder.
        decoder: The decoder.

    Returns:
        The model, not compiled.

    Raises:
        ValueError: The name is not registered, or the model does not take these arguments,
            networks or hyperparameters.

    Example:
        ```python
        rae = {"name": "rae", "latent_weight": 1e-2}
        config = Config((32, 32, 3), 128, model=rae, samplers=("gaussian", "mixture"))
        stage1 = build_model(config, encoder, decoder)
        ```
    """
    check_model(config)
    name, arguments = _name_and_arguments(config)
    given = MODELS[name].settings_of(config)
    return MODELS.make(name, arguments, encoder=encoder, decoder=decoder, name="stage1", **given)


def check_model(config: Config) -> None:
    """Raise if the name of a config's model, its arguments or its samplers are invalid.

    Args:
        config: The hyperparameters.

    Raises:
        ValueError: The name is not registered, or the model does not take these arguments or
            samplers.
    """
    name, arguments = _name_and_arguments(config)
    given = MODELS[name].settings_of(config)
    MODELS.check(name, arguments, given=("encoder", "decoder", "name", *given))
    if PRIOR in config.samplers and not MODELS[name].has_prior:
        raise InputError(
            f"The model {name!r} has no prior to sample from, and the samplers are "
            f"{config.samplers}; use two of 'gaussian', 'mixture' and 'second_stage'."
        )


def _name_and_arguments(config: Config) -> tuple[str, dict]:
    return config.model["name"], {n: v for n, v in config.model.items() if n != "name"}
