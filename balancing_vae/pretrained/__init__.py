"""Sets of trained weights by name: list, find, download, verify."""

from balancing_vae.pretrained.cache import BASE_URL
from balancing_vae.pretrained.cache import download
from balancing_vae.pretrained.hub import pin
from balancing_vae.pretrained.hub import push
from balancing_vae.pretrained.lookup import find
from balancing_vae.pretrained.lookup import places
from balancing_vae.pretrained.registry import PretrainedSet
from balancing_vae.pretrained.registry import pretrained_set
from balancing_vae.pretrained.registry import pretrained_sets

__all__ = [
    "BASE_URL",
    "PretrainedSet",
    "download",
    "find",
    "pin",
    "places",
    "pretrained_set",
    "pretrained_sets",
    "push",
]
