"""The smallest stage of every kind, for the checks that all stages must pass."""

import inspect
import itertools

import keras
import numpy as np

from balancing_vae import VAE
from balancing_vae import LatentVAE
from balancing_vae.balancing import STRATEGIES
from balancing_vae.balancing import build_strategy
from balancing_vae.experiments.iterative import iterative_networks
from balancing_vae.models.autoencoder import Autoencoder
from balancing_vae.models.registry import MODELS
from balancing_vae.models.vae import LIKELIHOODS
from balancing_vae.networks import NETWORKS
from balancing_vae.networks import latent_networks
from tests.helpers.networks import dense_networks

LATENTS = 3
# Networks whose default is not their smallest: the image shape and the sizes to use instead.
SMALL = {
    "conv": ((8, 8, 1), {"base_dim": 2, "num_scale": 1}),
    "dense": ((4, 4, 1), {"width": 4, "depth": 1}),
    "rae": ((8, 8, 1), {"base_dim": 2, "num_scale": 1}),
    "resnet": (
        (4, 4, 1),
        {"base_dim": 2, "num_scale": 1, "depth_per_block": 1, "fc_dim": 4},
    ),
    "wae": ((64, 64, 1), {}),
}


def one_headed_networks() -> tuple[keras.Model, keras.Model]:
    """Return the networks of a deterministic autoencoder."""
    encoder, _ = dense_networks()
    latents = keras.Input((LATENTS,))
    y = keras.layers.Dense(16, activation="sigmoid")(latents)
    y = keras.layers.Reshape((4, 4, 1))(y)
    y = keras.layers.Conv2DTranspose(1, 3, padding="same", activation="sigmoid")(y)
    return keras.Model(encoder.input, encoder.output[0]), keras.Model(latents, y)


def stage_of(model: type[Autoencoder], **arguments) -> Autoencoder:
    """Return a stage of a model's class with suitable networks."""
    if issubclass(model, LatentVAE):
        networks = latent_networks(LATENTS, 4, 1)
    else:
        networks = one_headed_networks() if len(model.heads) == 1 else dense_networks()
    return model(*networks, seed=5, **arguments)


def stage_around(network: str) -> Autoencoder:
    """Return a stage with a registered network."""
    image_shape, sizes = SMALL.get(network, ((8, 8, 1), {}))
    encoder, decoder = NETWORKS[network](image_shape, LATENTS, **sizes)
    model = VAE if len(encoder.outputs) == 2 else Autoencoder
    return model(encoder, decoder, seed=5)


def registered_models() -> dict[str, type[Autoencoder]]:
    """Return all models of a stage by name, including a contributor's."""
    return {**MODELS, "autoencoder": Autoencoder, "latent": LatentVAE}


def arguments_of(model: type[Autoencoder]) -> dict:
    """Return values that differ from the defaults, for each float or boolean argument."""
    found = inspect.signature(model.__init__).parameters.items()
    others = {bool: lambda value: not value, float: lambda value: value + 0.25}
    return {
        name: others[type(parameter.default)](parameter.default)
        for name, parameter in found
        if type(parameter.default) in others
    }


def cases() -> dict:
    """Return a function that makes each stage, by name: all models, strategies and networks."""
    found = {
        f"model {name}": lambda model=model: stage_of(model, **arguments_of(model))
        for name, model in registered_models().items()
    }
    for name in STRATEGIES:
        for likelihood in LIKELIHOODS:
            found[f"{name} {likelihood}"] = lambda name=name, likelihood=likelihood: stage_of(
                VAE, balancing=build_strategy(name), likelihood=likelihood
            )
    for name in NETWORKS:
        found[f"network {name}"] = lambda name=name: stage_around(name)
    found["network iterative"] = lambda: VAE(
        *iterative_networks((4, 4, 1), latent_dim=4, steps=2, width=4), seed=5
    )
    return found


def fast_cases() -> set[str]:
    """Return the cases that the fast run trains: each model, strategy and likelihood once."""
    models = {f"model {name}" for name in registered_models()}
    likelihoods = itertools.cycle(LIKELIHOODS)
    # The cases of the models already use the strategy "computed".
    others = [name for name in STRATEGIES if name != "computed"]
    return models | {f"{name} {next(likelihoods)}" for name in others}


def data_for(stage: Autoencoder, count: int = 8, noisy: bool = False):
    """Return inputs of a stage; if `noisy`, with all its noise, so that backends must agree."""
    random = np.random.default_rng(3)

    def normal():
        return random.standard_normal((count, stage.latent_dim), dtype=np.float32)

    if isinstance(stage, LatentVAE):
        posterior = normal(), np.abs(normal())
        return (*posterior, normal(), normal()) if noisy else posterior
    images = random.integers(0, 256, (count, *stage.encoder.inputs[0].shape[1:]), dtype=np.uint8)
    return (images, normal()) if noisy and isinstance(stage, VAE) else images


def compiled(stage: Autoencoder, **arguments) -> Autoencoder:
    """Compile a stage to run eagerly, because a real compilation would take longest here."""
    stage.compile(
        keras.optimizers.Adam(0.01), **{"run_eagerly": True, "jit_compile": False} | arguments
    )
    return stage


def train(stage: Autoencoder, epochs: int = 1, **arguments) -> dict:
    """Train a stage on its data, in the same order each time."""
    arguments = {"batch_size": 4, "shuffle": False, "verbose": 0} | arguments
    return stage.fit(data_for(stage), epochs=epochs, **arguments).history
