"""The hyperparameters of a two-stage VAE, as data."""

import dataclasses
import math
import numbers
from dataclasses import dataclass
from dataclasses import field

# The original program's names, so that its settings can be compared line by line.
POSITIVE = ("latent_dim", "batch_size", "second_dim", "second_depth", "lr", "lr2", "lr_fac")
NOT_NEGATIVE = ("epochs", "epochs2", "seed")
WHOLE = ("latent_dim", "batch_size", "second_dim", "second_depth", "lr_epochs", "lr_epochs2")
WHOLE += NOT_NEGATIVE
REAL = ("lr", "lr2", "lr_fac")


@dataclass(frozen=True)
class Config:
    """What makes a two-stage VAE and its training; the names are the original program's.

    Attributes:
        image_shape: Side, side, channels.
        latent_dim: Latent size of both stages.
        network: Name and sizes of the first stage's networks, for example
            `{"name": "resnet", "base_dim": 32, "num_scale": 3}`.
        second_dim: Units of each hidden layer of the second stage.
        second_depth: Hidden layers of the second stage's encoder and decoder.
        batch_size: Images (or latents) per step, in training and in generation.
        epochs: Epochs of stage 1; `epochs2` of stage 2.
        lr: Adam's learning rate in stage 1; `lr2` in stage 2.
        lr_epochs: Epochs after which stage 1's rate is multiplied by `lr_fac`, again and
            again; 0 keeps it constant; `lr_epochs2` in stage 2.
        lr_fac: Factor of the learning rate's steps.
        balancing: Name and arguments of the strategy, for example `{"name": "computed"}`
            or `{"name": "fixed", "gamma": 0.1}`.
        kl_weight: Weight of KL in stage 1's loss; None is (2 D / L)^2.
        seed: Seed of the weights, of the order of the images and of the noise.
        preset: Name of the preset that this started from, None where it was none.
    """

    image_shape: tuple[int, int, int]
    latent_dim: int
    network: dict = field(default_factory=lambda: {"name": "resnet"})
    second_dim: int = 1024
    second_depth: int = 3
    batch_size: int = 100
    epochs: int = 100
    lr: float = 1e-4
    lr_epochs: int = 0
    epochs2: int = 200
    lr2: float = 1e-4
    lr_epochs2: int = 0
    lr_fac: float = 0.5
    balancing: dict = field(default_factory=lambda: {"name": "computed"})
    kl_weight: float | None = None
    seed: int = 0
    preset: str | None = None

    def __post_init__(self):
        self._check_types()
        object.__setattr__(self, "image_shape", tuple(self.image_shape))
        if len(self.image_shape) != 3 or min(self.image_shape) < 1:
            raise ValueError(
                f"image_shape must be (side, side, channels), all at least 1; "
                f"got {self.image_shape}."
            )
        for name in POSITIVE:
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be positive, got {getattr(self, name)}.")
        for name in NOT_NEGATIVE:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}.")
        if self.kl_weight is not None and not self.kl_weight > 0:
            raise ValueError(f"kl_weight must be positive, got {self.kl_weight}.")
        for size, value in self.network.items():
            if isinstance(value, int) and value < 1:
                raise ValueError(f"The network's {size} must be at least 1, got {value}.")

    def _check_types(self):
        """Refuse values of the wrong kind: a config may come from a file made by hand."""
        for kind, names, fits in (
            ("a whole number", WHOLE, _is_whole),
            ("a number", REAL, _is_real),
            ("three whole numbers", ("image_shape",), _are_whole),
            ('a dict with a "name"', ("network", "balancing"), _has_name),
        ):
            for name in names:
                if not fits(getattr(self, name)):
                    raise ValueError(f"{name} must be {kind}, got {getattr(self, name)!r}.")
        if self.kl_weight is not None and not _is_real(self.kl_weight):
            raise ValueError(f"kl_weight must be a number or None, got {self.kl_weight!r}.")

    def replace(self, **changes) -> "Config":
        """Return a copy with some fields changed.

        Args:
            **changes: New values by field name. A `network` without a name changes sizes
                of the present one.

        Returns:
            The changed copy.

        Raises:
            ValueError: There is no such field, or a value is out of range.

        Example:
            ```python
            config.replace(epochs=10, network={"base_dim": 16})
            ```
        """
        fields = [f.name for f in dataclasses.fields(self)]
        unknown = sorted(set(changes) - set(fields))
        if unknown:
            raise ValueError(f"Unknown hyperparameters {unknown}; there are {fields}.")
        network = changes.get("network")
        if network is not None and "name" not in network:
            changes["network"] = {**self.network, **network}
        return dataclasses.replace(self, **changes)

    def to_dict(self) -> dict:
        """Return the fields as a dict that JSON can hold."""
        return {**dataclasses.asdict(self), "image_shape": list(self.image_shape)}

    @classmethod
    def from_dict(cls, fields: dict) -> "Config":
        """Make a config of what `to_dict` returned.

        Args:
            fields: Values by field name.

        Returns:
            The config.

        Raises:
            ValueError: A field is unknown, missing or out of range.
        """
        if not isinstance(fields, dict):
            raise ValueError(f"The hyperparameters must be a dict, got {fields!r}.")
        known = {f.name for f in dataclasses.fields(cls)}
        unknown = sorted(set(fields) - known)
        if unknown:
            raise ValueError(f"Unknown hyperparameters {unknown}; there are {sorted(known)}.")
        missing = sorted({"image_shape", "latent_dim"} - set(fields))
        if missing:
            raise ValueError(f"The hyperparameters lack {missing}.")
        return cls(**fields)


def _is_whole(value) -> bool:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)


def _is_real(value) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def _are_whole(values) -> bool:
    return isinstance(values, (tuple, list)) and all(_is_whole(value) for value in values)


def _has_name(value) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str)


def differences(old: Config, new: Config) -> list[str]:
    """List the fields in which two configs differ, one line each.

    Args:
        old: The first config.
        new: The second.

    Returns:
        Lines such as "lr: 0.0001 -> 0.001"; empty if the configs are equal.
    """
    first, second = old.to_dict(), new.to_dict()
    return [f"{k}: {first[k]} -> {second[k]}" for k in first if first[k] != second[k]]
