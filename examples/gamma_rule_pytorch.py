"""The gamma rule in plain PyTorch: a small VAE on scikit-learn's digits.

    python examples/gamma_rule_pytorch.py

Only the rule itself is used from this package, and no Keras: the rule takes tensors of any
framework.
"""

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn

from balancing_vae import update_running_mse

PIXELS, LATENTS, BATCH, EPOCHS = 64, 8, 50, 20


def main() -> None:
    """Train; print gamma and the error that it follows."""
    torch.manual_seed(0)
    torch.set_num_threads(1)  # more threads would slow down this small network
    images = torch.from_numpy((load_digits().data / 16).astype(np.float32))
    encoder = nn.Sequential(nn.Linear(PIXELS, 256), nn.ReLU(), nn.Linear(256, 2 * LATENTS))
    decoder = nn.Sequential(
        nn.Linear(LATENTS, 256), nn.ReLU(), nn.Linear(256, PIXELS), nn.Sigmoid()
    )
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], 1e-3)
    running_mse = torch.tensor(1.0)

    for epoch in range(1, EPOCHS + 1):
        for rows in torch.randperm(len(images)).split(BATCH):
            x = images[rows]
            mu, log_sigma = encoder(x).chunk(2, dim=-1)
            x_hat = decoder(mu + log_sigma.exp() * torch.randn_like(mu))
            kl = (mu**2 + (2 * log_sigma).exp() - 2 * log_sigma - 1).sum(-1).mean() / 2
            mse = ((x - x_hat) ** 2).mean()
            # The step uses the gamma of the previous steps: gamma^2 is their running mse.
            loss = kl + PIXELS * (mse / running_mse + running_mse.log()) / 2
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            running_mse = update_running_mse(running_mse, mse.detach())
        gamma = running_mse.sqrt().item()
        print(f"epoch {epoch:2}  mse {mse.item():.4f}  kl {kl.item():.2f}  gamma: {gamma:.4f}")


if __name__ == "__main__":
    main()
