"""Effects of common mistakes in the gamma rule: a small VAE of scikit-learn's digits, in PyTorch.

    python examples/gamma_rule_mistakes.py

This prints one table. Each row trains the same networks from the same weights, on the same batches
and with the same noise. docs/gamma_rule.md explains the rows.
"""

import argparse
import math

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from balancing_vae import update_running_mse

PIXELS, LATENTS, BATCH, TRAINING = 64, 8, 50, 1500


def correct(m, squares, kl):
    """Return the loss of a step and the next running mse."""
    mse = squares.mean()
    return kl + PIXELS * (mse / m + m.log()) / 2, update_running_mse(m, mse.detach())


def mean_of_batch_rmse(m, squares, kl):
    """Average the root of each batch's error, then square."""
    mse = squares.mean()
    loss = kl + PIXELS * (mse / m + m.log()) / 2
    return loss, update_running_mse(m.sqrt(), mse.detach().sqrt()) ** 2


def mean_of_image_rmse(m, squares, kl):
    """Average the root of each image's error, then square."""
    loss = kl + PIXELS * (squares.mean() / m + m.log()) / 2
    rmse = squares.detach().mean(-1).sqrt().mean()
    return loss, update_running_mse(m.sqrt(), rmse) ** 2


def gradient_without_log(m, squares, kl):
    """Divide by the batch's own error, with its gradient, and leave log gamma out."""
    mse = squares.mean()
    return kl + PIXELS * (mse / mse) / 2, mse.detach()


def gradient_of_the_average(m, squares, kl):
    """Move the running mse first, with its gradient, then divide by it."""
    mse = squares.mean()
    m = update_running_mse(m, mse)
    return kl + PIXELS * (mse / m + m.log()) / 2, m.detach()


def no_detach(m, squares, kl):
    """Keep the graph of the previous step in the running mse."""
    mse = squares.mean()
    return kl + PIXELS * (mse / m + m.log()) / 2, update_running_mse(m, mse)


def sum_as_mse(m, squares, kl):
    """Give the rule the sum over the pixels."""
    loss = kl + PIXELS * (squares.mean() / m + m.log()) / 2
    return loss, update_running_mse(m, squares.detach().sum(-1).mean())


def mean_beside_sum(m, squares, kl):
    """Add the mean over the pixels to the sum over the latents."""
    mse = squares.mean()
    return kl + (mse / m + m.log()) / 2, update_running_mse(m, mse.detach())


def sum_beside_mean(m, squares, kl):
    """Add the sum over the pixels to the mean over the latents."""
    mse = squares.mean()
    loss = kl / LATENTS + PIXELS * (mse / m + m.log()) / 2
    return loss, update_running_mse(m, mse.detach())


VARIANTS = (
    correct,
    mean_of_batch_rmse,
    mean_of_image_rmse,
    gradient_without_log,
    gradient_of_the_average,
    no_detach,
    sum_as_mse,
    mean_beside_sum,
    sum_beside_mean,
)


def measure(variant, epochs: int, seed: int = 0) -> list[float]:
    """Train; return gamma after five epochs and at the end, and test images' rmse, KL and bound."""
    torch.manual_seed(seed)
    images = torch.from_numpy((load_digits().data / 16).astype(np.float32))
    training, test = images[:TRAINING], images[TRAINING:]
    encoder = nn.Sequential(nn.Linear(PIXELS, 256), nn.ReLU(), nn.Linear(256, 2 * LATENTS))
    decoder = nn.Sequential(
        nn.Linear(LATENTS, 256), nn.ReLU(), nn.Linear(256, PIXELS), nn.Sigmoid()
    )
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-3)

    def squares_and_kl(x):
        mu, log_sigma = encoder(x).chunk(2, dim=-1)
        x_hat = decoder(mu + log_sigma.exp() * torch.randn_like(mu))
        kl = (mu**2 + (2 * log_sigma).exp() - 2 * log_sigma - 1).sum(-1).mean() / 2
        return (x - x_hat) ** 2, kl

    m, gammas = torch.tensor(1.0), []
    for _ in range(epochs):
        for rows in torch.randperm(TRAINING).split(BATCH):
            loss, m = variant(m, *squares_and_kl(training[rows]))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        gammas.append(m.sqrt().item())
    with torch.no_grad():
        squares, kl = squares_and_kl(test)
    mse = squares.mean().item()
    bound = PIXELS * (1 + math.log(2 * math.pi * mse)) / 2 + kl.item()
    return [gammas[min(4, epochs - 1)], gammas[-1], mse**0.5, kl.item(), bound]


def main() -> None:
    """Train each variant and print its row."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--epochs", type=int, default=60, help="epochs of each training (default: 60)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of weights, order and noise (default: 0)"
    )
    options = parser.parse_args()
    torch.set_num_threads(1)  # more threads would slow down this small network
    print("| variant | gamma, 5 epochs | gamma, end | rmse | KL | bound |")
    print("|---|---|---|---|---|---|")
    for variant in VARIANTS:
        try:
            numbers = " | ".join(
                f"{number:.4g}" for number in measure(variant, options.epochs, options.seed)
            )
        except RuntimeError as error:
            numbers = f"RuntimeError: {str(error).split('(')[0].strip()} | | | | "
        print(f"| {variant.__name__} | {numbers} |", flush=True)


if __name__ == "__main__":
    main()
