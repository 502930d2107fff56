"""Check that encoder, decoder and model fit together."""

import keras
import numpy as np
from keras import ops

from balancing_vae.errors import InputError


def check_functional(encoder: keras.Model, decoder: keras.Model) -> None:
    """Raise if the shapes of a network are unknown until it is called.

    Args:
        encoder: A network from the inputs to the latents.
        decoder: A network from the latents to the reconstruction.

    Raises:
        ValueError: One is neither a functional model nor a Sequential model with an input.
    """
    for part, network in (("encoder", encoder), ("decoder", decoder)):
        if not isinstance(network, keras.Model) or not getattr(network, "inputs", None):
            raise InputError(
                f"The {part} must be a functional model, keras.Model(inputs, outputs), or a "
                f"Sequential one that starts with keras.Input; got {type(network).__name__}, "
                "whose shapes are unknown until it is called."
            )


def check_networks(
    encoder: keras.Model, decoder: keras.Model, heads: tuple[str, ...], model: str
) -> None:
    """Raise if a model cannot be built from these networks.

    Args:
        encoder: A network from the inputs to the latents.
        decoder: A network from the latents to the reconstruction.
        heads: Names of the outputs that the encoder must have.
        model: Name of the model's class, for the message.

    Raises:
        ValueError: A network's shapes are unknown until it is called, the encoder has other
            outputs, or the shapes do not match.
    """
    check_functional(encoder, decoder)
    outputs = encoder.output_shape
    shapes = list(outputs) if isinstance(outputs, list) else [outputs]
    if len(shapes) != len(heads) or len(set(shapes)) != 1:
        wanted = "one output" if len(heads) == 1 else f"{len(heads)} outputs of the same shape"
        raise InputError(
            f"The encoder of a {model} must have {wanted}, {' and '.join(heads)}; got outputs of "
            f"shape {outputs}. Use another network ('rae' has one output, the others have two), "
            "or another model."
        )
    if decoder.input_shape != shapes[0]:
        raise InputError(
            f"The decoder takes latents of shape {decoder.input_shape}, but the encoder "
            f"returns {shapes[0]}; give both the same latent size."
        )
    targets = tuple(encoder.inputs[0].shape)
    if decoder.output_shape != targets:
        raise InputError(
            f"The decoder returns {decoder.output_shape}, but the encoder takes {targets}; "
            "give both the same image shape."
        )


def check_image_decoder(decoder: keras.Model) -> None:
    """Raise if a decoder returns images outside [0, 1]; its weights are not changed.

    Args:
        decoder: A network from latents, float [B, L], to images, [B, D, D, C].

    Raises:
        ValueError: For one of four latents drawn from N(0, I), the image has values outside
            [0, 1].
    """
    latent_dim = decoder.input_shape[-1]
    z = np.random.default_rng(0).standard_normal((4, latent_dim), dtype=np.float32)
    # A stateless call, because spectral normalisation updates its vectors at each call.
    variables = (decoder.trainable_variables, decoder.non_trainable_variables)
    values = ([variable.value for variable in group] for group in variables)
    images, _ = decoder.stateless_call(*values, ops.convert_to_tensor(z))
    images = ops.convert_to_numpy(images)
    if images.min() < 0 or images.max() > 1:
        raise InputError(
            f"The decoder's images have values from {images.min():.4g} to {images.max():.4g}, "
            "expected [0, 1]; end it with a sigmoid."
        )
