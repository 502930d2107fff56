"""Build and compile the Keras models of both stages from a config."""

from concurrent.futures import ThreadPoolExecutor

import keras

from balancing_vae.backend.compilation import jit_compile_pays
from balancing_vae.backend.precision import layer_precision
from balancing_vae.backend.seeding import seeded_initializers
from balancing_vae.balancing import build_strategy
from balancing_vae.balancing import check_strategy
from balancing_vae.config import Config
from balancing_vae.errors import InputError
from balancing_vae.layers.batch_normalization import synchronize_statistics
from balancing_vae.models.autoencoder import Autoencoder
from balancing_vae.models.latent_vae import LatentVAE
from balancing_vae.models.registry import build_model
from balancing_vae.models.registry import check_model
from balancing_vae.networks import build_networks
from balancing_vae.networks import latent_networks
from balancing_vae.networks.registry import build_own_networks
from balancing_vae.networks.registry import check_network
from balancing_vae.samplers import OF_THE_MODEL
from balancing_vae.samplers import SAMPLERS
from balancing_vae.training.optimizer import build_optimizer
from balancing_vae.training.optimizer import check_optimizer

# The largest published network here has 88 million parameters. A billion parameters take 4 GB, and
# 12 GB in training.
MOST_PARAMETERS = 10**9


def build_stages(
    config: Config,
    networks: tuple[keras.Model, keras.Model] | None = None,
    second_networks: tuple[keras.Model, keras.Model] | None = None,
) -> tuple[Autoencoder, LatentVAE | None]:
    """Build and compile both stages, or only the first if no sampler needs the second.

    Args:
        config: The hyperparameters.
        networks: Your own encoder and decoder, in place of the config's network.
        second_networks: Your own encoder and decoder of the second stage, from latents to
            latents.

    Returns:
        The first and the second stage, untrained, with initial weights from the config's seed.
        The second is None unless the config's samplers include "second_stage".

    Raises:
        ValueError: A network does not match the config's images or model, or a sampler, strategy
            or model is unknown.

    Example:
        ```python
        stage1, stage2 = build_stages(preset_config("digits"))
        ```
    """
    check_config(config)
    _check_parameters(config, networks, second_networks)
    with seeded_initializers(config.seed), layer_precision(config.precision):
        if networks is None:
            networks = build_networks(config.network, config.image_shape, config.latent_dim)
        stage1 = build_model(config, *networks)
        stage2 = None
        if config.has_second_stage:
            stage2 = LatentVAE(
                *(_second_networks(config) if second_networks is None else second_networks),
                build_strategy(**config.balancing),
                seed=config.seed + 1,
                name="stage2",
            )
        elif second_networks is not None:
            raise InputError(
                f"There is no second stage for its networks: the samplers are {config.samplers}; "
                'add "second_stage" to them, or omit the networks.'
            )
    _check_shapes(config, stage1, config.image_shape)
    if stage2 is not None:
        _check_shapes(config, stage2, (config.latent_dim,))
    if config.synchronized_statistics:
        for network in networks:
            synchronize_statistics(network)
    _compile(stage1, config, config.lr, convolutional=True)
    if stage2 is not None:
        _compile(stage2, config, config.lr2, convolutional=False)
    return stage1, stage2


def check_config(config: Config) -> None:
    """Raise if a config names unknown parts or arguments, before anything is built or read.

    Args:
        config: The hyperparameters. Fields that this model does not use are checked, too.

    Raises:
        ValueError: A network, model, strategy, sampler or optimizer is unknown, or does not
            take these arguments.

    Example:
        ```python
        check_config(config.replace(balancing={"name": "fixed", "gamma": 0.1}))
        ```
    """
    check_network(config.network)
    check_strategy(**config.balancing)
    check_model(config)
    check_optimizer(**config.optimizer)
    names = {*SAMPLERS, *OF_THE_MODEL}
    if unknown := set(config.samplers) - names:
        raise InputError(f"Unknown samplers {sorted(unknown)}; choose two of {sorted(names)}.")


def change_optimizer(stages: dict[str, Autoencoder], config: Config) -> None:
    """Give compiled stages a new optimizer from a config.

    Args:
        stages: The compiled stages by name, "stage1" and perhaps "stage2".
        config: The hyperparameters.
    """
    for name, lr in (("stage1", config.lr), ("stage2", config.lr2)):
        if name in stages:
            stage = stages[name]
            stage.compile(
                build_optimizer(lr, config.adam_epsilon, **config.optimizer),
                jit_compile=stage.jit_compile,
                steps_per_execution="auto" if stage.chooses_steps else stage.steps_per_execution,
            )
            stage.optimizer.build(stage.trainable_variables)


def _second_networks(config: Config) -> tuple[keras.Model, keras.Model]:
    if config.second_network is not None:
        return build_own_networks(config.second_network)
    sizes = (config.latent_dim, config.second_dim, config.second_depth)
    return latent_networks(*sizes)


def _check_parameters(config: Config, networks: tuple | None, second_networks: tuple | None):
    """Raise if the networks have too many parameters to train, before their weights exist.

    They are first built symbolically, so that their weights have shapes but use no memory.
    """

    def count() -> int:
        # Seeds drawn here must not change those of the real networks.
        with keras.StatelessScope(initialize_variables=False), seeded_initializers(config.seed):
            found = networks or build_networks(
                config.network, config.image_shape, config.latent_dim
            )
            if config.has_second_stage:
                found += second_networks or _second_networks(config)
            return sum(network.count_params() for network in found)

    # Keras keeps a thread-local list of weights without values and would initialise them later.
    # In a separate thread, the list disappears when the thread ends.
    with ThreadPoolExecutor(max_workers=1) as threads:
        parameters = threads.submit(count).result()
    if parameters > MOST_PARAMETERS:
        raise InputError(
            f"The networks would have {parameters:,} parameters, but at most {MOST_PARAMETERS:,} "
            "are allowed; reduce latent_dim, second_dim, image_shape or the network's sizes."
        )


def _check_shapes(config: Config, stage: Autoencoder, data_shape: tuple[int, ...]) -> None:
    shapes = (tuple(stage.encoder.input_shape[1:]), stage.latent_dim)
    if shapes != (data_shape, config.latent_dim):
        raise InputError(
            f"The networks of {stage.name} are for data of shape {shapes[0]} and {shapes[1]} "
            f"latents, but the config has {data_shape} and {config.latent_dim}; change one of them."
        )


def _compile(stage: Autoencoder, config: Config, lr: float, convolutional: bool) -> None:
    jit_compile = jit_compile_pays(convolutional, config.precision)
    # Built at once, because an optimizer that is not built would lose its variables when saved.
    optimizer = build_optimizer(lr, config.adam_epsilon, **config.optimizer)
    stage.compile(optimizer, jit_compile=jit_compile, steps_per_execution="auto")
    stage.optimizer.build(stage.trainable_variables)
    for network in (stage.encoder, stage.decoder):
        network.jit_compile = jit_compile
