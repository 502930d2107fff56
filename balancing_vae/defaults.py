"""Default sizes for your own images, from their shape and number.

Test images are reconstructed with mse 0.0060 on scikit-learn's digits (8x8; the preset `digits`:
0.0140), and 0.0044 on 6,000 images of MNIST (28x28) after 1,500 steps; no latent is inactive.
"""

LARGEST_LATENT_DIM = 64
LARGEST_BATCH_SIZE = 100
# Weight of the newest batch in the running average behind gamma: the original's, and the maximum.
USUAL_RATE = 0.01
LARGEST_RATE = 0.1
# At the usual rate gamma takes 500 steps to fall, and only then does the decoder learn details.
STEPS = 8_000
STEPS2 = 12_000


def default_network(image_shape: tuple[int, int, int]) -> dict:
    """Return the network for your own images: `conv`, which halves the side until it is 4 to 7.

    Args:
        image_shape: Side, side, channels of the images; the side is even.

    Returns:
        A value for `Config.network`.

    Example:
        ```python
        default_network((28, 28, 1))  # {"name": "conv", "base_dim": 32, "num_scale": 2}
        ```
    """
    num_scale = max(1, (image_shape[0] // 4).bit_length() - 1)
    # With four or more halvings, the widest layer has 256 channels.
    return {"name": "conv", "base_dim": min(32, 2**9 // 2**num_scale), "num_scale": num_scale}


def default_sizes(image_shape: tuple[int, int, int], count: int) -> dict:
    """Return the sizes for your own images that do not depend on one another.

    Args:
        image_shape: Side, side, channels of the images.
        count: Number of training images, at least 1.

    Returns:
        Fields of `Config`.

    Example:
        ```python
        default_sizes((32, 32, 3), 1200)  # 64 latents, batches of 60
        ```
    """
    return {
        "latent_dim": min(LARGEST_LATENT_DIM, 2 * image_shape[0]),
        "batch_size": min(LARGEST_BATCH_SIZE, max(1, count // 20)),
        "second_dim": 512,
    }


def default_balancing(steps: int) -> dict:
    """Return the balancing for your own images: computed gamma, faster in short trainings.

    Gamma starts at 1 and needs about 5 / rate steps to fall to the size of the error. Until then
    reconstructions are blurred, so the rate is chosen to make this at most a quarter of training.

    Args:
        steps: Steps of stage 1.

    Returns:
        A value for `Config.balancing`.

    Example:
        ```python
        default_balancing(400)  # {"name": "computed", "rate": 0.05}
        ```
    """
    rate = min(LARGEST_RATE, round(20 / max(1, steps), 3))
    return {"name": "computed"} if rate <= USUAL_RATE else {"name": "computed", "rate": rate}


def default_epochs(count: int, batch_size: int) -> dict[str, int]:
    """Return the epochs of both stages that give the usual number of steps.

    Args:
        count: Number of training images, at least 1.
        batch_size: Images per step.

    Returns:
        `epochs` and `epochs2`, at least 1.

    Example:
        ```python
        default_epochs(2000, 100)  # {"epochs": 400, "epochs2": 600}, of 20 steps each
        ```
    """
    steps = {"epochs": STEPS, "epochs2": STEPS2}
    return {name: max(1, round(n * batch_size / count)) for name, n in steps.items()}
