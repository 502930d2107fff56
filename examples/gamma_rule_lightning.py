"""The gamma rule in Lightning, as a callback: a small VAE on scikit-learn's digits.

    pip install lightning
    python examples/gamma_rule_lightning.py

The callback works with any module that has a buffer `running_mse`, divides the error by it, and
returns the batch's `mse` along with the loss. Checkpoints contain the buffer, so a resumed training
continues with its gamma.
"""

import lightning
import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader

from balancing_vae import update_running_mse

PIXELS, LATENTS, BATCH, EPOCHS = 64, 8, 50, 20


class GammaRule(lightning.Callback):
    """Updates a module's `running_mse` after each training step."""

    def __init__(self, rate: float = 0.01):
        self.rate = rate

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx) -> None:
        """Update the running mse with the batch's error, averaged over all devices."""
        mse = trainer.strategy.reduce(outputs["mse"].detach(), reduce_op="mean")
        module.running_mse.copy_(update_running_mse(module.running_mse, mse, self.rate))
        module.log("gamma", module.running_mse.sqrt())

    def on_train_epoch_end(self, trainer, module) -> None:
        """Print gamma."""
        gamma = module.running_mse.sqrt().item()
        print(f"epoch {trainer.current_epoch + 1:2}  gamma: {gamma:.4f}")


class DigitsVAE(lightning.LightningModule):
    """A dense VAE that divides the squared error by gamma^2, the running mse."""

    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(PIXELS, 256), nn.ReLU(), nn.Linear(256, 2 * LATENTS))
        self.decoder = nn.Sequential(
            nn.Linear(LATENTS, 256), nn.ReLU(), nn.Linear(256, PIXELS), nn.Sigmoid()
        )
        self.register_buffer("running_mse", torch.tensor(1.0))

    def training_step(self, x, batch_idx):
        """Return the loss, which uses the gamma of the previous steps, and the mse."""
        mu, log_sigma = self.encoder(x).chunk(2, dim=-1)
        x_hat = self.decoder(mu + log_sigma.exp() * torch.randn_like(mu))
        kl = (mu**2 + (2 * log_sigma).exp() - 2 * log_sigma - 1).sum(-1).mean() / 2
        mse = ((x - x_hat) ** 2).mean()
        # A copy, because the callback writes into the buffer.
        gamma_squared = self.running_mse.clone()
        loss = kl + PIXELS * (mse / gamma_squared + gamma_squared.log()) / 2
        return {"loss": loss, "mse": mse}

    def configure_optimizers(self):
        """Return Adam."""
        return torch.optim.Adam(self.parameters(), 1e-3)


def main() -> None:
    """Train."""
    lightning.seed_everything(0)
    torch.set_num_threads(1)  # more threads would slow down this small network
    images = torch.from_numpy((load_digits().data / 16).astype(np.float32))
    trainer = lightning.Trainer(
        max_epochs=EPOCHS,
        accelerator="cpu",
        callbacks=[GammaRule()],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(DigitsVAE(), DataLoader(images, BATCH, shuffle=True))


if __name__ == "__main__":
    main()
