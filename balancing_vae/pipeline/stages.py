"""The Keras models of both stages, built of a config and compiled."""

import keras

from balancing_vae.autoencoder import Autoencoder
from balancing_vae.backend import jit_compile_pays
from balancing_vae.backend import steps_per_execution
from balancing_vae.balancing import build_strategy
from balancing_vae.config import Config
from balancing_vae.errors import InputError
from balancing_vae.layers.batch_normalization import synchronize_statistics
from balancing_vae.models import build_model
from balancing_vae.networks import build_networks
from balancing_vae.networks import latent
from balancing_vae.optimizer import Adam
from balancing_vae.precision import layer_precision
from balancing_vae.samplers import SAMPLERS
from balancing_vae.seeding import seeded_initializers
from balancing_vae.vae import LatentVAE


def build_stages(
    config: Config, encoder: keras.Model | None = None, decoder: keras.Model | None = None
) -> tuple[Autoencoder, LatentVAE | None]:
    """Build and compile both stages, or the first alone where no sampler is the second.

    Args:
        config: The hyperparameters.
        encoder: An encoder of your own in place of the config's network.
        decoder: A decoder of your own; both or neither.

    Returns:
        The first stage and the second, untrained, with weights that the config's seed
        decides. The second is None unless the config's samplers name "second_stage".

    Raises:
        ValueError: The network, or your own, does not fit the config's images or model; or
            there is no such sampler, strategy or model.

    Example:
        ```python
        stage1, stage2 = build_stages(preset_config("digits"))
        ```
    """
    names = {*SAMPLERS, "second_stage"}
    if unknown := set(config.samplers) - names:
        raise InputError(f"Unknown samplers {sorted(unknown)}; choose two of {sorted(names)}.")
    with seeded_initializers(config.seed), layer_precision(config.precision):
        if encoder is None:
            encoder, decoder = build_networks(config.network, config.image_shape, config.latent_dim)
        stage1 = build_model(config, encoder, decoder)
        sizes = (config.latent_dim, config.second_dim, config.second_depth)
        stage2 = (
            LatentVAE(
                latent.encoder(*sizes),
                latent.decoder(*sizes),
                build_strategy(**config.balancing),
                seed=config.seed + 1,
                name="stage2",
            )
            if "second_stage" in config.samplers
            else None
        )
    _check_shapes(config, stage1)
    if config.synchronized_statistics:
        synchronize_statistics(encoder)
        synchronize_statistics(decoder)
    _compile(stage1, config, config.lr, convolutional=True)
    if stage2 is not None:
        _compile(stage2, config, config.lr2, convolutional=False)
    return stage1, stage2


def _check_shapes(config: Config, stage1: Autoencoder) -> None:
    shapes = (tuple(stage1.encoder.input_shape[1:]), stage1.latent_dim)
    if shapes != (config.image_shape, config.latent_dim):
        raise InputError(
            f"The networks are for images {shapes[0]} and {shapes[1]} latents, the config says "
            f"{config.image_shape} and {config.latent_dim}; change one of them."
        )


def _compile(stage: Autoencoder, config: Config, lr: float, convolutional: bool) -> None:
    jit_compile = jit_compile_pays(convolutional, config.precision)
    steps = steps_per_execution(convolutional)
    # The optimizer is built at once: one that is not would lose its slots in a saved state.
    stage.compile(Adam(lr, config.adam_epsilon), jit_compile=jit_compile, steps_per_execution=steps)
    stage.optimizer.build(stage.trainable_variables)
    for network in (stage.encoder, stage.decoder):
        network.jit_compile = jit_compile
