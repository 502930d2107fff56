"""Encoders and decoders, one architecture a file, and the registry that names them."""

from balancing_vae.networks import conv
from balancing_vae.networks import dense
from balancing_vae.networks import infogan
from balancing_vae.networks import latent
from balancing_vae.networks import rae
from balancing_vae.networks import resnet
from balancing_vae.networks import wae
from balancing_vae.networks.registry import NETWORKS
from balancing_vae.networks.registry import build_networks

__all__ = [
    "NETWORKS",
    "build_networks",
    "conv",
    "dense",
    "infogan",
    "latent",
    "rae",
    "resnet",
    "wae",
]
