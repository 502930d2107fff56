"""The networks and training steps of the `cifar10` preset in plain PyTorch, made fast.

Arrays are channels last, Adam is fused, and mixed precision uses autocast. On a GPU the losses are
compiled (`torch.compile`), and the loss stays on the device. Weights are random; sizes, operations
and the gamma rule are those of the package.
"""

import torch
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """Twice batch normalisation, relu, convolution; plus a convolved shortcut."""

    def __init__(self, inputs, width):
        super().__init__()
        self.main = nn.Sequential(
            *(nn.BatchNorm2d(inputs, 1e-5, 1e-3), nn.ReLU(), nn.Conv2d(inputs, width, 3, 1, 1)),
            *(nn.BatchNorm2d(width, 1e-5, 1e-3), nn.ReLU(), nn.Conv2d(width, width, 3, 1, 1)),
        )
        self.shortcut = nn.Conv2d(inputs, width, 3, 1, 1)

    def forward(self, x):
        return self.main(x) + self.shortcut(x)


class DenseBlock(nn.Module):
    """Twice relu, dense; plus a dense shortcut."""

    def __init__(self, inputs, width):
        super().__init__()
        self.main = nn.Sequential(
            nn.ReLU(), nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width)
        )
        self.shortcut = nn.Linear(inputs, width)

    def forward(self, x):
        return self.main(x) + self.shortcut(x)


class Encoder(nn.Module):
    """Images of 32x32 to mu and log sigma."""

    def __init__(self, latent_dim=64, base_dim=32, num_scale=3, fc_dim=512):
        super().__init__()
        width = base_dim
        parts = [nn.Conv2d(3, width, 3, 1, 1)]
        for scale in range(num_scale):
            parts.append(Block(width, width))
            if scale < num_scale - 1:
                parts.append(nn.Conv2d(width, 2 * width, 3, 2, 1))
                width *= 2
        self.convolutions = nn.Sequential(*parts)
        self.dense = DenseBlock(width, fc_dim)
        self.heads = nn.ModuleList(nn.Linear(fc_dim, latent_dim) for _ in range(2))

    def forward(self, x):
        y = self.dense(self.convolutions(x).mean((2, 3)))
        with torch.autocast(x.device.type, enabled=False):
            return [head(y.float()) for head in self.heads]


class Decoder(nn.Module):
    """Latents to images of 32x32."""

    def __init__(self, latent_dim=64, base_dim=32):
        super().__init__()
        widths = [base_dim * 2**i for i in range(5)][::-1]
        self.dense = nn.Linear(latent_dim, 4 * widths[0])
        parts = []
        for before, width in zip(widths, widths[1:], strict=False):
            parts += [
                nn.ConvTranspose2d(before, width, 3, 2, 1, output_padding=1),
                Block(width, width),
            ]
        self.convolutions = nn.Sequential(*parts, nn.Conv2d(base_dim, 3, 3, 1, 1))

    def forward(self, z):
        y = self.dense(z).unflatten(1, (-1, 2, 2)).contiguous(memory_format=torch.channels_last)
        return torch.sigmoid(self.convolutions(y).float())


class LatentNetwork(nn.Module):
    """The second stage's encoder (two heads) or decoder (one)."""

    def __init__(self, latent_dim=64, second_dim=2048, second_depth=3, heads=1):
        super().__init__()
        parts = []
        for inputs in [latent_dim, *[second_dim] * (second_depth - 1)]:
            parts += [nn.Linear(inputs, second_dim), nn.ReLU()]
        self.hidden = nn.Sequential(*parts)
        self.heads = nn.ModuleList(
            nn.Linear(second_dim + latent_dim, latent_dim) for _ in range(heads)
        )

    def forward(self, x):
        y = torch.cat([x, self.hidden(x)], 1)
        with torch.autocast(x.device.type, enabled=False):
            found = [head(y.float()) for head in self.heads]
        return found if len(found) > 1 else found[0]


class Stage:
    """An encoder and a decoder with their training step.

    Args:
        encoder: Maps a batch to mu and log sigma.
        decoder: Maps latents to a reconstructed batch.
        kl_weight: Weight of KL.
        bfloat16: Whether layers compute in bfloat16.
        device: Where it computes, "cpu" or "cuda".
    """

    def __init__(self, encoder, decoder, kl_weight, bfloat16=False, device="cpu"):
        self.device = device
        self.encoder = encoder.to(device, memory_format=torch.channels_last)
        self.decoder = decoder.to(device, memory_format=torch.channels_last)
        self.kl_weight = kl_weight
        self.bfloat16 = bfloat16
        self.running_mse = torch.ones((), device=device)
        self.parameters = [*encoder.parameters(), *decoder.parameters()]
        self.optimizer = torch.optim.Adam(self.parameters, 1e-4, eps=1e-8, fused=True)
        self.losses = self._losses if device == "cpu" else torch.compile(self._losses)

    def autocast(self):
        return torch.autocast(self.device, torch.bfloat16, enabled=self.bfloat16)

    def _losses(self, x):
        """Return the loss of a batch and its mean squared error."""
        with self.autocast():
            mu, log_sigma = self.encoder(x)
            z = mu + log_sigma.exp() * torch.randn_like(mu)
            x_hat = self.decoder(z)
        gamma = self.running_mse.sqrt()
        kl = (mu.square() + (2 * log_sigma).exp() - 2 * log_sigma - 1).sum(1).mean() / 2
        squares = (x - x_hat).square()
        elements = squares[0].numel()
        mse = squares.mean()
        reconstruction = elements * (mse / gamma.square() / 2 + gamma.log() + 0.91893)
        return self.kl_weight * kl + reconstruction, mse.detach()

    def step(self, x):
        """Train on one batch; return the loss, as a number on a CPU and as a tensor on a GPU."""
        self.encoder.train()
        self.decoder.train()
        loss, mse = self.losses(x)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        excess = functional.relu(self.running_mse - mse)
        self.running_mse -= 0.01 * excess
        return loss.item() if self.device == "cpu" else loss.detach()

    def encode(self, x):
        """Return mu and sigma of a batch."""
        self.encoder.eval()
        with torch.inference_mode(), self.autocast():
            mu, log_sigma = self.encoder(x)
            return mu.numpy(), log_sigma.exp().numpy()

    def decode(self, z):
        """Return the decoder's output for a batch of latents."""
        self.decoder.eval()
        with torch.inference_mode(), self.autocast():
            return self.decoder(z)

    def count_parameters(self):
        """Return the number of trained parameters."""
        return sum(parameter.numel() for parameter in self.parameters)


def images_of(batch):
    """Return uint8 [B, D, D, C] as floats [B, C, D, D] in [0, 1], channels last in memory."""
    return torch.from_numpy(batch).permute(0, 3, 1, 2).float() / 255


def first_stage(bfloat16=False, device="cpu"):
    """Return the first stage of the preset `cifar10`."""
    return Stage(Encoder(), Decoder(), 1.0, bfloat16, device)


def second_stage(bfloat16=False, device="cpu"):
    """Return the second stage of the preset `cifar10`."""
    return Stage(LatentNetwork(heads=2), LatentNetwork(), 1.0, bfloat16, device)
