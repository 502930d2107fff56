"""What pyproject.toml cannot say of the packages; all other metadata is there."""

from setuptools import find_packages
from setuptools import setup

# The folder weights/ of the checkout is installed as balancing_vae/weights: one source, no copy.
setup(
    packages=[*find_packages(include=["balancing_vae*"]), "balancing_vae.weights"],
    package_dir={"balancing_vae.weights": "weights"},
)
