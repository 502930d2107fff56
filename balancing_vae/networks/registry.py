"""Networks by name."""

import copy
from collections.abc import Callable

import keras

from balancing_vae.errors import InputError
from balancing_vae.networks.checks import check_functional
from balancing_vae.networks.conv import conv_networks
from balancing_vae.networks.dense import dense_networks
from balancing_vae.networks.infogan import infogan_networks
from balancing_vae.networks.rae import rae_networks
from balancing_vae.networks.resnet import resnet_networks
from balancing_vae.networks.wae import wae_networks
from balancing_vae.registry import Registry
from balancing_vae.schema import anything
from balancing_vae.schema import mapping
from balancing_vae.schema import record
from balancing_vae.schema import text

# A function that builds an encoder and a decoder.
Builder = Callable[..., tuple[keras.Model, keras.Model]]
NETWORKS = Registry[Builder](
    "network",
    {
        "conv": conv_networks,
        "dense": dense_networks,
        "infogan": infogan_networks,
        "rae": rae_networks,
        "resnet": resnet_networks,
        "wae": wae_networks,
    },
)

# The name of a user's own networks, which the config describes completely.
OWN = "own"


def build_networks(
    network: dict, image_shape: tuple[int, int, int], latent_dim: int
) -> tuple[keras.Model, keras.Model]:
    """Build an encoder and a decoder by name, or from a description of a user's own networks.

    Args:
        network: `name` and the sizes that the named network takes; or `name` "own" with
            `encoder` and `decoder` as `describe_networks` returned them.
        image_shape: Side, side, channels of the images.
        latent_dim: Latent size, at least 1.

    Returns:
        The encoder and the decoder.

    Raises:
        ValueError: The name is not registered, or the network does not take these sizes or
            images.

    Example:
        ```python
        encoder, decoder = build_networks({"name": "resnet", "base_dim": 16}, (32, 32, 3), 64)
        ```
    """
    if network.get("name") == OWN:
        return build_own_networks(network)
    name, sizes = _name_and_sizes(network)
    return NETWORKS.make(name, sizes, image_shape=image_shape, latent_dim=latent_dim)


def check_network(network: dict) -> None:
    """Raise if a network's name or sizes are invalid, without building it.

    Args:
        network: As in `build_networks`.

    Raises:
        ValueError: The name is not registered, or the network does not take these sizes.
    """
    if network.get("name") != OWN:
        NETWORKS.check(*_name_and_sizes(network), given=("image_shape", "latent_dim"))


def build_own_networks(description: dict) -> tuple[keras.Model, keras.Model]:
    """Build a user's networks from the description that `describe_networks` returned.

    Args:
        description: `name` "own", `encoder` and `decoder`.

    Returns:
        The encoder and the decoder.

    Raises:
        ValueError: It is not a valid description.
    """
    if description["name"] != OWN:
        raise InputError(
            "Expected a description of your own networks by `describe_networks`, got the name "
            f"{description['name']!r}."
        )
    parts = record({"name": text, "encoder": mapping(anything), "decoder": mapping(anything)})
    parts(description, "network")
    networks = []
    for part in ("encoder", "decoder"):
        try:
            # Keras modifies the description that it is given.
            given = copy.deepcopy(description[part])
            network = keras.saving.deserialize_keras_object(given, safe_mode=True)
        except Exception as error:  # Keras raises many exceptions for a damaged description
            raise InputError(
                f"Your own {part} cannot be built from its description; import the module "
                f"with its layers first, or copy the folder again. Keras says: "
                f"{str(error).splitlines()[0]}"
            ) from error
        if not isinstance(network, keras.Model):
            raise InputError(f"Your own {part} must be a model, got {network!r:.80}.")
        networks.append(network)
    return tuple(networks)


def describe_networks(encoder: keras.Model, decoder: keras.Model) -> dict:
    """Describe a user's own networks, so that `build_networks` can rebuild them.

    Args:
        encoder: A functional model; custom layers must be registered with Keras.
        decoder: A functional model, as for `encoder`.

    Returns:
        A value for `Config.network` that can be written as JSON.

    Raises:
        ValueError: One of them is not a functional model.

    Example:
        ```python
        Config((32, 32, 3), 64, network=describe_networks(encoder, decoder))
        ```
    """
    check_functional(encoder, decoder)
    return {
        "name": OWN,
        "encoder": keras.saving.serialize_keras_object(encoder),
        "decoder": keras.saving.serialize_keras_object(decoder),
    }


def _name_and_sizes(network: dict) -> tuple[str, dict]:
    return network.get("name", ""), {size: v for size, v in network.items() if size != "name"}
