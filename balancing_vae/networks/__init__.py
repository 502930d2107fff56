"""Encoders and decoders, one architecture per file, and their registry."""

from balancing_vae.networks.conv import conv_networks
from balancing_vae.networks.dense import dense_networks
from balancing_vae.networks.infogan import infogan_networks
from balancing_vae.networks.latent import latent_networks
from balancing_vae.networks.rae import rae_networks
from balancing_vae.networks.registry import NETWORKS
from balancing_vae.networks.registry import build_networks
from balancing_vae.networks.registry import describe_networks
from balancing_vae.networks.resnet import resnet_networks
from balancing_vae.networks.wae import wae_networks

__all__ = [
    "NETWORKS",
    "build_networks",
    "conv_networks",
    "dense_networks",
    "describe_networks",
    "infogan_networks",
    "latent_networks",
    "rae_networks",
    "resnet_networks",
    "wae_networks",
]
