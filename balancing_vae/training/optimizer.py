"""The optimizer of both stages: the original program's Adam, or any of Keras's optimizers."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from balancing_vae.errors import InputError
from balancing_vae.registry import check_arguments
from balancing_vae.registry import make

# The config sets these in other fields.
NOT_OPTIONS = ("name", "learning_rate")
# Keras's Adam keeps its slots under these private names, which may differ in other versions.
SLOTS = ("_momentums", "_velocities")


@keras.saving.register_keras_serializable("balancing_vae")
class Adam(keras.optimizers.Adam):
    """Adam as in the original program, with one operation per weight under TensorFlow.

        m += (1 - beta_1) (g - m);  v += (1 - beta_2) (g^2 - v)
        w -= lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)

    On JAX and PyTorch this is Keras's Adam. Under TensorFlow, Keras passes over each weight a
    dozen times, but TensorFlow's own operation for the same formula needs one pass and is used
    instead. If a version of Keras keeps its slots elsewhere, Keras's update is used there, too.
    Source: Kingma and Ba 2015, section 2, the "epsilon hat" form.

    Args:
        learning_rate: Learning rate, positive.
        epsilon: Epsilon hat, positive.
        **kwargs: Further arguments of `keras.optimizers.Adam`.

    Example:
        ```python
        vae.compile(Adam(1e-4))
        ```
    """

    def __init__(self, learning_rate: float = 1e-4, epsilon: float = 1e-8, **kwargs):
        super().__init__(learning_rate, epsilon=epsilon, **kwargs)

    def update_step(self, gradient, variable, learning_rate):
        """Update one weight and its two slots."""
        handles = self._handles(variable)
        if handles is None:
            return super().update_step(gradient, variable, learning_rate)
        import tensorflow as tf

        step = tf.cast(self.iterations + 1, variable.dtype)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            **handles,
            beta1_power=tf.pow(tf.cast(self.beta_1, variable.dtype), step),
            beta2_power=tf.pow(tf.cast(self.beta_2, variable.dtype), step),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=tf.cast(gradient, variable.dtype),
        )
        return None

    def _handles(self, variable) -> dict | None:
        """Return TensorFlow's handles of a weight's slots; None if Keras must update the weight."""
        if keras.backend.backend() != "tensorflow" or self.amsgrad:
            return None
        try:
            index = self._get_variable_index(variable)
            m, v = (getattr(self, name)[index].value.handle for name in SLOTS)
        except AttributeError:
            return None
        return {"m": m, "v": v}


def build_optimizer(
    lr: float, adam_epsilon: float, /, name: str = "adam", **options
) -> keras.optimizers.Optimizer:
    """Build the optimizer that a config names.

    Args:
        lr: Learning rate, positive.
        adam_epsilon: Epsilon hat of "adam" if the options have no `epsilon`.
        name: "adam", the name of another of Keras's optimizers such as "adamw" or "sgd", or the
            name of one that is registered with Keras.
        **options: Its further arguments, such as `clipnorm=1.0` or `use_ema=True`: numbers,
            booleans and None.

    Returns:
        A new optimizer.

    Raises:
        ValueError: The optimizer is unknown, or it does not accept the options.

    Example:
        ```python
        build_optimizer(1e-4, 1e-8, "adam", global_clipnorm=1.0, use_ema=True, ema_momentum=0.999)
        ```
    """
    check_optimizer(name, **options)
    kind = _optimizer_class(name)
    if kind is Adam:
        options = {"epsilon": adam_epsilon, **options}
    return make(kind, f"optimizer {name!r}", options, {"learning_rate": float(lr)})


def check_optimizer(name: str, **options) -> None:
    """Refuse an unknown name, and an option whose name or type `build_optimizer` would refuse.

    Args:
        name: As in `build_optimizer`.
        **options: As in `build_optimizer`.

    Raises:
        ValueError: The optimizer is unknown, or it does not accept an option.
    """
    for option, value in options.items():
        if option in NOT_OPTIONS or not isinstance(value, (bool, int, float, str, type(None))):
            raise InputError(
                f"The optimizer's {option} cannot be set to {value!r} here; set the learning rate "
                "with the config's lr and lr2, and other options to numbers, booleans or null."
            )
    check_arguments(_optimizer_class(name), f"optimizer {name!r}", options, ("learning_rate",))


def describe_optimizer(optimizer: keras.optimizers.Optimizer | str) -> tuple[dict, float | None]:
    """Describe an optimizer, so that `build_optimizer` can build equal ones.

    Args:
        optimizer: A Keras optimizer that is not in use yet, or the name of one.

    Returns:
        The value of `Config.optimizer`, and the learning rate, which is None for a name.

    Raises:
        ValueError: It was built for a model, Keras does not know its name, or its learning rate
            is not a number.

    Example:
        ```python
        description, lr = describe_optimizer(keras.optimizers.AdamW(3e-4, clipnorm=1.0))
        ```
    """
    if isinstance(optimizer, str):
        _optimizer_class(optimizer)
        return {"name": optimizer}, None
    kind = type(optimizer).__name__
    if not isinstance(optimizer, keras.optimizers.Optimizer):
        raise InputError(f"optimizer must be a Keras optimizer or the name of one, got {kind}.")
    if optimizer.built:
        raise InputError(
            f"The {kind} was already built for another model; make a new one with "
            f"{kind}.from_config(optimizer.get_config())."
        )
    own_class = _named_class(type(optimizer))
    name = keras.saving.get_registered_name(own_class)
    options = optimizer.get_config()
    rate = options.get("learning_rate")
    if not isinstance(rate, (int, float)):
        raise InputError(
            f"The learning rate of the {kind} is a schedule, or set elsewhere; set it to a number, "
            "and change it by the config's lr_epochs or lr_patience, or by a callback."
        )
    if own_class not in (_optimizer_class(name), keras.optimizers.Adam):
        raise InputError(f"{kind} has the name of another optimizer; rename the class.")
    options = {key: value for key, value in options.items() if key not in NOT_OPTIONS}
    # Return the number as it was given, without float32's rounding.
    return {"name": name, **options}, float(f"{rate:.7g}")


@contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Give a model the moving average of its weights inside the context, if there is one.

    Args:
        model: A compiled model.

    Example:
        ```python
        with averaged_weights(model):
            model.save_weights("average.weights.h5")
        ```
    """
    if not keeps_average(model):
        yield
        return
    variables = model.trainable_variables
    own = [keras.ops.convert_to_numpy(variable) for variable in variables]
    finish_with_average(model)
    try:
        yield
    finally:
        for variable, value in zip(variables, own, strict=True):
            variable.assign(value)


def finish_with_average(model: keras.Model) -> None:
    """Give a model the moving average of its weights, if there is one, like `fit` at its end."""
    if keeps_average(model):
        model.optimizer.finalize_variable_values(model.trainable_variables)


def keeps_average(model: keras.Model) -> bool:
    """Return whether a model's optimizer keeps a moving average of the weights (`use_ema`)."""
    optimizer = model.optimizer
    return bool(getattr(getattr(optimizer, "inner_optimizer", optimizer), "use_ema", False))


def _named_class(kind: type) -> type:
    """Return the class that the user named, from which PyTorch's backend derives its own."""
    return next(c for c in kind.__mro__ if not c.__module__.startswith("keras.src.backend."))


def _optimizer_class(name: str) -> type[keras.optimizers.Optimizer]:
    if name.lower() == "adam":
        return Adam
    found = keras.saving.get_registered_object(name)
    kinds = {key.lower(): kind for key, kind in vars(keras.optimizers).items()}
    found = kinds.get(name.lower()) if found is None else found
    if not isinstance(found, type) or not issubclass(found, keras.optimizers.Optimizer):
        raise InputError(
            f"There is no optimizer {name!r}; choose one of Keras's, such as 'adam', 'adamw' or "
            "'sgd', or register yours with keras.saving.register_keras_serializable."
        )
    return found
