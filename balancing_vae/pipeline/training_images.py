"""Read and check the images of a training, and hold some out for validation."""

from collections.abc import Iterable

import numpy as np

from balancing_vae.backend.distribution import check_divisible
from balancing_vae.checks import check_batch_size
from balancing_vae.config import Config
from balancing_vae.errors import InputError
from balancing_vae.models.autoencoder import Autoencoder
from balancing_vae.samplers import OF_THE_MODEL
from balancing_vae.samplers.sampler import check_count
from balancing_vae.training.sources import Source
from balancing_vae.training.sources import as_source
from balancing_vae.training.sources import first_images
from balancing_vae.training.sources import hold_out


def training_images(
    config: Config,
    stage1: Autoencoder,
    x: np.ndarray | Iterable,
    validation_data: np.ndarray | Iterable | None,
) -> tuple[Source, np.ndarray | None]:
    """Return checked training and validation images.

    Args:
        config: The hyperparameters of the training.
        stage1: The stage that is trained on them.
        x: Training images, an array or a dataset.
        validation_data: Validation images; by default the last `held_out` of `x`.

    Returns:
        The training images, and an array of validation images or None.

    Raises:
        ValueError: The images do not match the model, or are fewer than a batch or than a
            sampler needs; the batch size is not divisible by the number of devices; or the
            config needs validation images and there are none.

    Warns:
        UserWarning: The images held out of `x` differ from the others.
    """
    check_divisible(config.batch_size, stage1)
    source = as_source(x, config.image_shape)
    count = len(source) if isinstance(source, np.ndarray) else source.survey()
    name = "x"
    held_out = config.held_out
    if validation_data is not None:
        validation_data = first_images(
            as_source(validation_data, config.image_shape, "validation_data")
        )
    elif held_out:
        if not isinstance(source, np.ndarray):
            raise InputError(
                f"held_out={held_out} takes images from the end of an array, but x is a dataset; "
                "give validation_data."
            )
        count, name = max(0, count - held_out), f"x without the last {held_out}"
        source, validation_data = hold_out(source, held_out)
    elif config.lr_patience or config.keep_best:
        raise InputError(
            "The config's lr_patience and keep_best need validation images; give "
            "validation_data, or set held_out to the number of last images to use."
        )
    check_batch_size(count, config.batch_size, name)
    if samplers_to_fit(config):
        check_count(count, config.latent_dim)
    return source, validation_data


def samplers_to_fit(config: Config) -> list[str]:
    """Return the names of the samplers that are fitted after the training."""
    return [name for name in config.samplers if name not in OF_THE_MODEL]
