"""Turn a finished run into a set of weights that others can use."""

from balancing_vae.packing.card import write_card
from balancing_vae.packing.pack import pack

__all__ = ["pack", "write_card"]
