"""The hyperparameters of a two-stage VAE, as data."""

import dataclasses
import inspect
from dataclasses import InitVar
from dataclasses import dataclass
from dataclasses import field
from typing import Annotated
from typing import Any

from balancing_vae.defaults import default_balancing
from balancing_vae.defaults import default_epochs
from balancing_vae.defaults import default_network
from balancing_vae.defaults import default_sizes
from balancing_vae.errors import InputError
from balancing_vae.schema import check_fields
from balancing_vae.schema import fields_of
from balancing_vae.schema import named
from balancing_vae.schema import one_of
from balancing_vae.schema import optional
from balancing_vae.schema import real
from balancing_vae.schema import sequence
from balancing_vae.schema import text
from balancing_vae.schema import whole

LIKELIHOODS = ("gaussian", "bernoulli")
# Arguments of the model "vae" that a config takes under their own names, too.
MODEL_ARGUMENTS = ("kl_weight", "likelihood")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")

# The samplers that a model has without a fit of its own, by name.
PRIOR = "prior"
SECOND_STAGE = "second_stage"

# Larger than anything sensible, small enough that one batch or one image fits into memory.
LARGEST_SIDE = 2**13
LARGEST_BATCH = 2**20
# Strategies whose own `beta` sets the weight of KL.
WITH_BETA = ("beta", "capacity", "cyclical", "warm_up")
# Keras takes seeds of 32 bits, and stage 2 uses `seed + 1`.
LARGEST_SEED = 2**32 - 2


def _is_image_shape(value: Any, name: str) -> None:
    sequence(whole(), 3, of="three whole numbers")(value, name)
    if min(value) < 1 or max(value) > LARGEST_SIDE:
        raise InputError(
            f"{name} must be (side, side, channels), all at least 1 and at most "
            f"{LARGEST_SIDE}; got {tuple(value)}."
        )


ImageShape = Annotated[tuple[int, int, int], _is_image_shape]
Size = Annotated[int, whole(above=0)]
Layers = Annotated[int, whole(above=0, most=1000)]
Count = Annotated[int, whole(least=0)]
Rate = Annotated[float, real(above=0)]
Named = Annotated[dict, named]
KLWeight = Annotated[float | None, optional(real(above=0))]
Likelihood = Annotated[str, one_of(*LIKELIHOODS)]


class ModelArgument:
    """A model argument that `Config` also accepts and shows as a field of its own.

    The value is stored only in `Config.model`. None means the model's default and is not stored.
    """

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, config: "Config | None", owner: type | None = None) -> Any:
        # On the class itself, `dataclass` reads this as the argument's default value.
        return None if config is None else config.model.get(self.name)


@dataclass(frozen=True)
class Config:
    """Hyperparameters of a two-stage VAE and its training, named as in the original program.

    Attributes:
        image_shape: Side, side, channels.
        latent_dim: Latent size of both stages.
        network: Name and sizes of the first stage's networks, for example
            `{"name": "resnet", "base_dim": 32, "num_scale": 3}`. None chooses a convolutional
            network for the image size, see `defaults.default_network`.
        model: Name of the first stage's model and its own arguments, for example
            `{"name": "vae", "kl_weight": 4, "likelihood": "bernoulli"}` or
            `{"name": "rae", "latent_weight": 1e-3, "decoder_weight": 1e-6}`.
        second_network: Your own encoder and decoder of latents, as
            `networks.registry.describe_networks` returns them. None uses dense layers.
        second_dim: Units of each of the second stage's dense layers.
        second_depth: Number of dense layers in the second stage's encoder, and in its decoder.
        batch_size: Images (or latents) per step, in training and in generation.
        epochs: Epochs of stage 1; `epochs2` of stage 2.
        lr: Adam's learning rate in stage 1; `lr2` in stage 2.
        lr_epochs: Stage 1's learning rate is multiplied by `lr_fac` every `lr_epochs` epochs;
            0 keeps it constant. `lr_epochs2` is the same for stage 2.
        lr_fac: Factor by which the learning rate is reduced.
        lr_patience: Alternative to `lr_epochs`: stage 1's learning rate is multiplied by
            `lr_fac` after this many epochs in which the validation loss has not fallen by
            at least 1e-4; 0 turns this off.
        adam_epsilon: Adam's epsilon, in its "epsilon hat" form.
        optimizer: Name and options of the Keras optimizer that both stages use.
            `{"name": "adam", "global_clipnorm": 1.0}` clips gradients.
            `{"name": "adam", "use_ema": True, "ema_momentum": 0.999}` ends with a moving
            average of the weights. Other optimizers work too, such as `{"name": "adamw"}`.
        keep_best: Whether stage 1 ends with the weights of its best epoch. The best epoch has
            the lowest validation loss (for a VAE the lowest validation mse, which does not
            depend on gamma).
        held_out: Number of images at the end of the training set that are used for validation
            if `fit` is given no validation set. `fit` warns if they differ from the others,
            as in data sorted by class.
        shuffle: Whether the images are shuffled in each epoch. If false, their order is kept.
        balancing: Name and arguments of the strategy, for example `{"name": "computed"}`,
            `{"name": "learned"}`, `{"name": "fixed", "gamma": 0.1}`,
            `{"name": "beta", "beta": 4}` or `{"name": "warm_up", "beta": 1, "steps": 10000}`.
        second_stage_noise: Whether the noise of stage 2's decoder is added to the latents that
            it generates, `z = z_hat + gamma_z * noise`, as Dai and Wipf do. If false, they
            are `z_hat`.
        samplers: The samplers of `generate(stage=1)` (GEN-1) and `generate(stage=2)` (GEN-2):
            "prior", "second_stage", or a sampler that is fitted after training, "gaussian" or
            "mixture". Without "second_stage", no second stage is trained.
        precision: The data type in which layers compute: "float32", "mixed_bfloat16" or
            "mixed_float16". Weights, likelihood, KL and gamma are always float32.
        synchronized_statistics: Whether batch normalisation on several TensorFlow devices uses
            the statistics of the whole batch, as it always does in JAX. If false, each replica
            uses the statistics of its own part.
        padding: Width of the frame that `datasets.pad` added to the images. It is removed
            when images are shown or written.
        seed: Seed of the weights, of the order of the images and of the noise.
        preset: Name of the preset that this config started from, or None.
        kl_weight: Short form of `model={"name": "vae", "kl_weight": ...}`: the weight of KL in
            stage 1's loss. None means 1, unless the balancing strategy has a beta ("beta",
            "warm_up", "cyclical", "capacity"): then beta is the weight in both stages. The
            original program uses (2 D / L)^2, see `original_kl_weight`; its presets set this
            number.
        likelihood: Short form of the model's argument of the same name: stage 1's likelihood,
            "gaussian" (the default) or "bernoulli" (cross-entropy). Stage 2's is always
            Gaussian.
    """

    image_shape: ImageShape
    latent_dim: Size
    network: Annotated[dict, optional(named)] = None  # type: ignore[assignment]  # then chosen
    model: Named = field(default_factory=lambda: {"name": "vae"})
    second_network: Annotated[dict | None, optional(named)] = None
    second_dim: Size = 1024
    second_depth: Layers = 3
    batch_size: Annotated[int, whole(above=0, most=LARGEST_BATCH)] = 100
    epochs: Count = 100
    lr: Rate = 1e-3
    lr_epochs: int = 0
    epochs2: Count = 200
    lr2: Rate = 1e-3
    lr_epochs2: int = 0
    lr_fac: Rate = 0.5
    lr_patience: Count = 0
    adam_epsilon: Rate = 1e-8
    optimizer: Named = field(default_factory=lambda: {"name": "adam"})
    keep_best: bool = False
    held_out: Count = 0
    shuffle: bool = True
    balancing: Named = field(default_factory=lambda: {"name": "computed"})
    second_stage_noise: bool = False
    samplers: Annotated[tuple[str, str], sequence(text, 2, of="two names")] = (
        PRIOR,
        SECOND_STAGE,
    )
    precision: Annotated[str, one_of(*PRECISIONS)] = "float32"
    synchronized_statistics: bool = False
    padding: Count = 0
    seed: Annotated[int, whole(least=0, most=LARGEST_SEED)] = 0
    preset: str | None = None
    kl_weight: InitVar[KLWeight] = ModelArgument()
    likelihood: InitVar[Annotated[str | None, optional(one_of(*LIKELIHOODS))]] = ModelArgument()

    def __post_init__(self, kl_weight: float | None, likelihood: str | None):
        check_fields(self, kl_weight=kl_weight, likelihood=likelihood)
        chosen = {
            "image_shape": tuple(self.image_shape),
            "samplers": tuple(self.samplers),
            "model": _with_arguments(self.model, kl_weight=kl_weight, likelihood=likelihood),
        }
        if self.network is None:
            chosen["network"] = default_network(self.image_shape)
        for name, value in chosen.items():
            object.__setattr__(self, name, value)
        if self.second_stage_noise and not self.has_second_stage:
            raise InputError(
                'second_stage_noise=True needs "second_stage" among the samplers, got '
                f"{self.samplers}; change one of them."
            )
        if self.lr_patience and self.lr_epochs > 0:
            raise InputError(
                f"lr_epochs={self.lr_epochs} and lr_patience={self.lr_patience} both decide when "
                "the learning rate falls; set one of them to 0."
            )

    @property
    def has_second_stage(self) -> bool:
        """Whether one of the samplers is a second stage."""
        return SECOND_STAGE in self.samplers

    @classmethod
    def for_images(cls, image_shape: tuple[int, int, int], count: int, **changes) -> "Config":
        """Make a config for your own images: sizes and epochs from their shape and number.

        Args:
            image_shape: Side, side, channels of the images; the side is even.
            count: Number of training images, at least 1.
            **changes: Fields to set differently.

        Returns:
            The config.

        Raises:
            ValueError: A field is unknown, or a value is out of range.

        Example:
            ```python
            config = Config.for_images(x_train.shape[1:], len(x_train), epochs=50)
            ```
        """
        if count < 1:
            raise InputError(f"There must be at least one image to train on, got {count}.")
        shape = tuple(image_shape)
        if len(shape) != 3:
            raise InputError(
                f"Images must have the shape [N, D, D, C], got {(count, *shape)}",
                "add the missing axis, for grey images x[..., None]",
                "store the array with four axes, grey images with one channel",
            )
        config = cls(shape, **default_sizes(shape, count)).replace(**changes)
        epochs = default_epochs(count, config.batch_size)
        config = config.replace(**{n: e for n, e in epochs.items() if n not in changes})
        if "balancing" not in changes:
            steps = config.epochs * (count // config.batch_size)
            config = config.replace(balancing=default_balancing(steps))
        # The learning rate is halved three times, unless `changes` set another rule or epochs.
        quarters = {"lr_epochs2": -(-config.epochs2 // 4)}
        if not config.lr_patience:
            quarters["lr_epochs"] = -(-config.epochs // 4)
        return config.replace(**{n: e for n, e in quarters.items() if n not in changes})

    def replace(self, **changes) -> "Config":
        """Return a copy with some fields changed.

        Args:
            **changes: New values by field name. A `network` without a name changes only the
                sizes of the current network. `kl_weight` and `likelihood` change the model's
                arguments; None removes them. A `balancing` with a beta replaces the
                `kl_weight` of the current model.

        Returns:
            The changed copy.

        Raises:
            ValueError: A field is unknown, or a value is out of range.

        Example:
            ```python
            config.replace(epochs=10, network={"base_dim": 16})
            ```
        """
        names = list(inspect.signature(Config).parameters)
        if unknown := sorted(set(changes) - set(names)):
            raise InputError(f"Unknown hyperparameters {unknown}; there are {names}.")
        network = changes.get("network")
        if isinstance(network, dict) and "name" not in network:
            changes["network"] = {**self.network, **network}
        if decides_kl_weight(changes.get("balancing")) and "model" not in changes:
            changes.setdefault("kl_weight", None)
        taken_out = [n for n in MODEL_ARGUMENTS if n in changes and changes[n] is None]
        fields = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        fields |= changes
        if taken_out and isinstance(fields["model"], dict):
            fields["model"] = {n: v for n, v in fields["model"].items() if n not in taken_out}
        return Config(**fields)

    def to_dict(self) -> dict:
        """Return the fields as a dict that can be written as JSON."""
        lists = {name: list(getattr(self, name)) for name in ("image_shape", "samplers")}
        return dataclasses.asdict(self) | lists

    @classmethod
    def from_dict(cls, fields: dict) -> "Config":
        """Make a config from the dict that `to_dict` returned.

        Args:
            fields: Values by field name.

        Returns:
            The config.

        Raises:
            ValueError: A field is unknown, missing or out of range.
        """
        fields_of(cls)(fields, "the config")
        return cls(**fields)


def _with_arguments(model: dict, **given: object) -> dict:
    """Return a model's name and arguments, updated with those given that are not None."""
    given = {name: value for name, value in given.items() if value is not None}
    others = {name: value for name, value in model.items() if name not in given}
    # "gaussian", the default, is left out: older configs name it for models without likelihood.
    return others | {name: value for name, value in given.items() if value != "gaussian"}


def decides_kl_weight(balancing: object) -> bool:
    """Return whether a strategy, named as in `Config.balancing`, sets the weight of KL."""
    return isinstance(balancing, dict) and balancing.get("name") in WITH_BETA


def original_kl_weight(image_shape: tuple[int, int, int], latent_dim: int) -> float:
    """Return the original program's weight of KL in stage 1, (2 D / L)^2.

    Args:
        image_shape: Side D, side, channels of the images.
        latent_dim: Number of latents L.

    Returns:
        The weight.

    Example:
        ```python
        Config((64, 64, 3), 64, kl_weight=original_kl_weight((64, 64, 3), 64))  # kl_weight 4
        ```
    """
    return (2 * image_shape[0] / latent_dim) ** 2


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
