"""The two-stage VAE: its stages built, trained and sampled, in the order of the data's way."""

from balancing_vae.pipeline.two_stage_vae import TwoStageVAE

__all__ = ["TwoStageVAE"]
