"""From a finished run to a set of weights for others."""

from balancing_vae.packing.card import write_card
from balancing_vae.packing.pack import pack

__all__ = ["pack", "write_card"]
