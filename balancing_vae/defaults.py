"""What a config for images of one's own starts from: sizes from their shape and number.

Measured on scikit-learn's digits (8x8), MNIST (28x28), CIFAR-10 (32x32) and faces (64x64).
"""

LARGEST_LATENT_DIM = 64
LARGEST_BATCH_SIZE = 100
# Gamma needs some 500 steps to come down from 1 before the decoder is asked for details.
STEPS = 8_000
STEPS2 = 12_000


def default_network(image_shape: tuple[int, int, int]) -> dict:
    """Return the network for images of one's own: `conv`, halved down to a side of 4 to 7.

    Args:
        image_shape: Side, side, channels of the images; the side is even.

    Returns:
        What `Config.network` takes.

    Example:
        ```python
        default_network((28, 28, 1))  # {"name": "conv", "base_dim": 32, "num_scale": 2}
        ```
    """
    num_scale = max(1, (image_shape[0] // 4).bit_length() - 1)
    # The widest layer has 256 channels where there are four halvings or more.
    return {"name": "conv", "base_dim": min(32, 2**9 // 2**num_scale), "num_scale": num_scale}


def default_recipe(image_shape: tuple[int, int, int], count: int) -> dict:
    """Return latents, batch size, epochs and learning rates for images of one's own.

    Args:
        image_shape: Side, side, channels of the images.
        count: How many images there are to train on, at least 1.

    Returns:
        Fields of `Config`.

    Example:
        ```python
        default_recipe((32, 32, 3), 2000)["epochs"]  # 400, of 20 steps each
        ```
    """
    batch_size = min(LARGEST_BATCH_SIZE, max(1, count // 20))
    epochs, epochs2 = (max(1, round(steps * batch_size / count)) for steps in (STEPS, STEPS2))
    return {
        "latent_dim": min(LARGEST_LATENT_DIM, 2 * image_shape[0]),
        "batch_size": batch_size,
        "epochs": epochs,
        "lr_epochs": -(-epochs // 4),
        "epochs2": epochs2,
        "lr_epochs2": -(-epochs2 // 4),
        "second_dim": 512,
    }
