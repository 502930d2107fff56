"""The optimizer of both stages: the original's Adam or another of Keras's, with its options."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras

from balancing_vae.errors import InputError
from balancing_vae.registry import check_arguments
from balancing_vae.registry import make

# What a config describes by itself, and what two stages cannot share.
NOT_OPTIONS = ("name", "learning_rate")
# Where Keras's Adam has its slots. The names are private: another Keras may have others.
SLOTS = ("_momentums", "_velocities")


@keras.saving.register_keras_serializable("balancing_vae")
class Adam(keras.optimizers.Adam):
    """Adam as the original program has it, one operation a weight under TensorFlow.

        m += (1 - beta_1) (g - m);  v += (1 - beta_2) (g^2 - v)
        w -= lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)

    This is Keras's Adam with its slots, and on JAX and PyTorch nothing else. Under
    TensorFlow Keras takes a dozen passes over each weight; TensorFlow's own operation for
    the same formula takes one. Where a version of Keras keeps its slots elsewhere, its own
    update is taken there too. Source: Kingma and Ba 2015, section 2, the "epsilon hat" form.

    Args:
        learning_rate: Learning rate, positive.
        epsilon: Epsilon hat, positive.
        **kwargs: What `keras.optimizers.Adam` takes.

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
        """Return TensorFlow's handles of a weight's slots; None where Keras must update it."""
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
        adam_epsilon: Epsilon hat, for "adam" without an `epsilon` of its own.
        name: "adam", or any of Keras's optimizers such as "adamw" or "sgd", or one that is
            registered with Keras.
        **options: What it takes besides, such as `clipnorm=1.0` or `use_ema=True`: numbers,
            truths and None.

    Returns:
        A new optimizer.

    Raises:
        ValueError: There is no such optimizer, or it does not take the options.

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
    """Refuse what `build_optimizer` would refuse for its name, or an option's name or type.

    Args:
        name: As in `build_optimizer`.
        **options: As in `build_optimizer`.

    Raises:
        ValueError: There is no such optimizer, or it takes no such option.
    """
    for option, value in options.items():
        if option in NOT_OPTIONS or not isinstance(value, (bool, int, float, str, type(None))):
            raise InputError(
                f"The optimizer's {option} cannot be set to {value!r} here; the learning rate is "
                "the config's lr and lr2, and other options are numbers, truths or null."
            )
    check_arguments(_optimizer_class(name), f"optimizer {name!r}", options, ("learning_rate",))


def describe_optimizer(optimizer: keras.optimizers.Optimizer | str) -> tuple[dict, float | None]:
    """Describe an optimizer, so that `build_optimizer` makes others like it.

    Args:
        optimizer: A Keras optimizer that is not in use yet, or the name of one.

    Returns:
        What goes into `Config.optimizer`, and the learning rate; None for a name.

    Raises:
        ValueError: It was built for a model, is not known by its name, or has a learning rate
            that is not a number.

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
            f"The {kind} was built for another model already; make a new one, "
            f"{kind}.from_config(optimizer.get_config())."
        )
    own_class = _named_class(type(optimizer))
    name = keras.saving.get_registered_name(own_class)
    options = optimizer.get_config()
    rate = options.get("learning_rate")
    if not isinstance(rate, (int, float)):
        raise InputError(
            f"The learning rate of the {kind} is a schedule or not its own; give it a number, and "
            "let the config's lr_epochs or lr_patience, or a callback, change it."
        )
    if own_class not in (_optimizer_class(name), keras.optimizers.Adam):
        raise InputError(f"{kind} has the name of another optimizer; rename the class.")
    options = {key: value for key, value in options.items() if key not in NOT_OPTIONS}
    # As it was given, not as float32 has it.
    return {"name": name, **options}, float(f"{rate:.7g}")


@contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Give a model the moving average of its weights meanwhile, if its optimizer keeps one.

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
    """Give a model the moving average of its weights, if there is one, as `fit` does at its end."""
    if keeps_average(model):
        model.optimizer.finalize_variable_values(model.trainable_variables)


def keeps_average(model: keras.Model) -> bool:
    """Tell whether a model's optimizer keeps a moving average of the weights (`use_ema`)."""
    optimizer = model.optimizer
    return bool(getattr(getattr(optimizer, "inner_optimizer", optimizer), "use_ema", False))


def _named_class(kind: type) -> type:
    """Return the optimizer that a user named: PyTorch's backend makes one of its own of it."""
    return next(c for c in kind.__mro__ if not c.__module__.startswith("keras.src.backend."))


def _optimizer_class(name: str) -> type[keras.optimizers.Optimizer]:
    if name.lower() == "adam":
        return Adam
    found = keras.saving.get_registered_object(name)
    kinds = {key.lower(): kind for key, kind in vars(keras.optimizers).items()}
    found = kinds.get(name.lower()) if found is None else found
    if not isinstance(found, type) or not issubclass(found, keras.optimizers.Optimizer):
        raise InputError(
            f"There is no optimizer {name!r}; take one of Keras's, such as 'adam', 'adamw' or "
            "'sgd', or register yours with keras.saving.register_keras_serializable."
        )
    return found
