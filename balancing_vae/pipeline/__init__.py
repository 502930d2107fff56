"""The two-stage VAE: building, training and sampling both stages."""

from balancing_vae.pipeline.two_stage_vae import TwoStageVAE

__all__ = ["TwoStageVAE"]
