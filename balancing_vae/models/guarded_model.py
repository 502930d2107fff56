"""A Keras model that checks the arguments of its methods first."""

import inspect
import time

import keras
import numpy as np

from balancing_vae.backend.compilation import check_compile_arguments
from balancing_vae.backend.fused import FusedModel
from balancing_vae.backend.lazy_logs import UnhurriedCallbacks
from balancing_vae.errors import InputError
from balancing_vae.models.stop_on_non_finite_loss import StopOnNonFiniteLoss
from balancing_vae.networks.inputs import arguments_by_name
from balancing_vae.networks.inputs import check_sample_weight
from balancing_vae.networks.inputs import is_arrays
from balancing_vae.networks.inputs import is_numpy
from balancing_vae.networks.inputs import look_at


class GuardedModel(FusedModel):
    """A model that reconstructs its inputs, and refuses arguments that it would misuse.

    A subclass defines which inputs it takes (`check_inputs`), whether it is ready for them
    (`check_ready`), and which callbacks it adds to each training (`own_callbacks`).

    Attributes:
        trained_epochs: Number of epochs that the model was trained for.
        last_trained: Time of its last training in this process, by `time.monotonic_ns`.
    """

    trained_epochs = 0
    last_trained = 0

    def check_inputs(self, inputs, name: str = "x") -> None:
        """Raise if the model does not take these inputs.

        Args:
            inputs: NumPy arrays, in the structure that `call` takes.
            name: The caller's name for them, used in the message.

        Raises:
            ValueError: The shape, dtype or values are wrong.
        """

    def check_ready(self) -> None:
        """Raise if the networks cannot be trained or measured.

        Raises:
            ValueError: The model cannot use the output of a network.
        """

    def own_callbacks(self) -> list[keras.callbacks.Callback]:
        """Return the callbacks that the model itself adds to each training."""
        return []

    def labels_refusal(self, name: str) -> str:
        """Return the message that refuses the labels of `name`."""
        return (
            f"{name} comes with labels, but a {type(self).__name__} reconstructs its inputs and "
            "uses none; remove them (from a tf.data.Dataset by `.map(lambda x, y: x)`)."
        )

    def __call__(self, inputs, *args, **kwargs):
        """Apply the model to one batch; arguments and result are those of a Keras model's call.

        NumPy arrays are checked first. Tensors are not checked, because they may belong to a
        compiled step, in which their values are not known.

        Raises:
            ValueError: The model does not take these arrays.
        """
        if is_numpy(inputs):
            self.check_inputs(inputs)
        return super().__call__(inputs, *args, **kwargs)

    def compile(self, *args, **kwargs):
        """Configure training; takes the arguments of `keras.Model.compile` except a loss.

        Raises:
            ValueError: A loss is given; a metric has the name of a term; the optimizer was
                built for another model; the backend does not support the given
                `steps_per_execution` or `jit_compile`.
        """
        given = arguments_by_name(keras.Model.compile, self, args, kwargs)
        check_compile_arguments(**given)
        for name in ("loss", "loss_weights"):
            if given.get(name) is not None:
                raise InputError(
                    f"A {type(self).__name__} has its own loss, so compile takes no {name}; "
                    "omit it, and pass other quantities to measure as metrics."
                )
        self._check_metrics(given.get("metrics"), given.get("weighted_metrics"))
        self._check_optimizer(given.get("optimizer"))
        super().compile(**given)
        if self.optimizer is not None:
            # Otherwise an optimizer that is not built would lose its state in a saved model.
            self.optimizer.build(self.trainable_variables)

    def fit(self, *args, **kwargs):
        """Train the model; arguments and result are those of `keras.Model.fit`.

        The data are checked first: all values of an array, but only the first of several batches.
        An epoch whose loss is NaN or infinite ends the training (see `StopOnNonFiniteLoss`).

        Raises:
            ValueError: The model does not take these inputs, or they have labels; the decoder
                returns values outside [0, 1]; a generator is given for several epochs.
            FloatingPointError: The loss of an epoch became NaN or infinite.
        """
        given = arguments_by_name(keras.Model.fit, self, args, kwargs)
        _check_epochs(given)
        self._check_compiled()
        self.check_ready()
        given = self._checked(given)
        if given.get("validation_data") is not None:
            given["validation_data"] = self._checked_validation(given["validation_data"])
        given["callbacks"] = self._unhurried(self._with_own(given.get("callbacks")), given)
        self.last_trained = time.monotonic_ns()
        try:
            return super().fit(**given)
        finally:
            self.last_trained = time.monotonic_ns()

    def evaluate(self, *args, **kwargs):
        """Measure the loss and its terms; arguments and result as in `keras.Model.evaluate`.

        Raises:
            ValueError: The model does not take these inputs, or they have labels; the decoder
                returns values outside [0, 1].
        """
        if "_use_cached_eval_dataset" in kwargs:  # `fit` has checked these data
            return super().evaluate(*args, **kwargs)
        given = arguments_by_name(keras.Model.evaluate, self, args, kwargs)
        self.check_ready()
        return super().evaluate(**self._checked(given))

    def predict(self, *args, **kwargs):
        """Encode, sample and decode a data set; takes the arguments of `keras.Model.predict`.

        Labels in a data set are ignored, as in every Keras model.

        Returns:
            The outputs of `call`, as a dict of NumPy arrays; "reconstruction" holds the images
            in [0, 1].

        Raises:
            ValueError: The model does not take these inputs.

        Example:
            ```python
            x_hat = stage.predict(images)["reconstruction"]
            ```
        """
        given = arguments_by_name(keras.Model.predict, self, args, kwargs)
        inputs, _, _, given["x"] = look_at(given["x"])
        self.check_inputs(inputs)
        return super().predict(**given)

    def predict_on_batch(self, x):
        """Encode, sample and decode one batch; the result is that of `predict`.

        Raises:
            ValueError: The model does not take these inputs.
        """
        inputs, _, _, x = look_at(x)
        self.check_inputs(inputs)
        return super().predict_on_batch(x)

    def train_on_batch(self, *args, **kwargs):
        """Train on one batch; arguments and result as in `keras.Model.train_on_batch`.

        Raises:
            ValueError: As in `fit`.
        """
        given = arguments_by_name(keras.Model.train_on_batch, self, args, kwargs)
        self._check_compiled()
        given = self._checked(given)
        self.last_trained = time.monotonic_ns()
        return super().train_on_batch(**given)

    def test_on_batch(self, *args, **kwargs):
        """Measure one batch; arguments and result are those of `keras.Model.test_on_batch`.

        Raises:
            ValueError: As in `evaluate`.
        """
        given = arguments_by_name(keras.Model.test_on_batch, self, args, kwargs)
        return super().test_on_batch(**self._checked(given))

    def _checked(self, given: dict, name: str = "x") -> dict:
        """Return the arguments of a method with checked data and without labels."""
        if given.get("class_weight") is not None:
            raise InputError(
                f"A {type(self).__name__} has no labels, so it takes no class_weight; weight the "
                "images by sample_weight."
            )
        if isinstance(given.get("sample_weight"), (list, tuple)):
            given = given | {"sample_weight": np.asarray(given["sample_weight"])}
        inputs, labels, weights, x = look_at(given.get("x"))
        if given.get("y") is not None:
            labels = given["y"] if given["y"] is not given["x"] else inputs
        # `fit(x, x)`, usual for autoencoders, is accepted: the targets are the inputs anyway.
        if labels is not None and not _are_equal(labels, inputs):
            raise InputError(self.labels_refusal(name))
        self.check_inputs(inputs, name if is_arrays(x) else f"The first batch of {name}")
        for weight in (weights, given.get("sample_weight")):
            if weight is not None:
                check_sample_weight(weight)
        count = len(keras.tree.flatten(inputs)[0])
        own = given.get("sample_weight")
        shape: tuple[int, ...] = () if own is None else np.shape(own)
        if is_arrays(x) and shape not in ((), (count,), (count, 1)):
            raise InputError(
                f"{name} has {count} images and {shape[0]} weights; give one sample_weight per "
                "image."
            )
        # Keras drops weights without labels, so the weights are passed as unused labels, too.
        return given | {"x": x, "y": given.get("sample_weight")}

    def _checked_validation(self, data):
        names = ("x", "y", "sample_weight")
        given = dict(zip(names, keras.utils.unpack_x_y_sample_weight(data), strict=True))
        checked = self._checked(given, "validation_data")
        is_tuple = isinstance(data, (tuple, list))
        return tuple(checked[name] for name in names) if is_tuple else checked["x"]

    def _with_own(self, callbacks):
        """Return the callbacks of a training: guard, epoch count, the model's own, the given."""
        count = keras.callbacks.LambdaCallback(on_epoch_end=self._count_epoch)
        own = [count, *self.own_callbacks()]
        if isinstance(callbacks, keras.callbacks.CallbackList):
            for callback in own:
                callbacks.append(callback)
            return callbacks
        callbacks = keras.tree.flatten(callbacks) if callbacks else []
        if not any(isinstance(callback, StopOnNonFiniteLoss) for callback in callbacks):
            own.insert(0, StopOnNonFiniteLoss())
        # The guard and the count come first, so that no other callback saves the weights of a
        # bad epoch, or a wrong count.
        return [*own, *callbacks]

    def _unhurried(self, callbacks, given: dict):
        """Return callbacks that do not wait for the device, if an epoch's length is known."""
        batches = given["x"]
        if (
            isinstance(callbacks, keras.callbacks.CallbackList)
            or not isinstance(batches, keras.utils.PyDataset)
            or not batches.num_batches
            or given.get("steps_per_epoch") is not None
        ):
            return callbacks
        return UnhurriedCallbacks(
            callbacks,
            self,
            given.get("epochs", 1),
            batches.num_batches,
            given.get("verbose", "auto"),
        )

    def _count_epoch(self, epoch: int, logs: dict) -> None:
        self.trained_epochs += 1

    def _check_compiled(self) -> None:
        """Raise if there is no optimizer."""
        if getattr(self, "optimizer", None) is None:
            raise InputError(
                f"The {type(self).__name__} has no optimizer; call compile with one, such as "
                "compile(keras.optimizers.Adam(1e-3))."
            )

    def _check_optimizer(self, optimizer) -> None:
        inner = getattr(optimizer, "inner_optimizer", optimizer)
        known = {id(variable) for variable in getattr(inner, "_trainable_variables", ())}
        if known and not known >= {id(variable) for variable in self.trainable_variables}:
            raise InputError(
                f"The optimizer {optimizer.name!r} was built for another model; make a new one."
            )

    def _check_metrics(self, *metrics) -> None:
        taken = {"loss", *(metric.name for metric in self._metrics)}
        for metric in filter(None, keras.tree.flatten(metrics)):
            name = metric if isinstance(metric, str) else getattr(metric, "name", None)
            if name in taken:
                raise InputError(
                    f"The logs already hold {name!r}; remove that metric, or give it another name."
                )


def _check_epochs(given: dict) -> None:
    """Raise if the last epoch precedes the first, or if a generator is given for several epochs."""
    epochs, first = given.get("epochs", 1), given.get("initial_epoch", 0)
    if epochs < first:
        raise InputError(
            f"epochs={epochs} is the number of the last epoch, and {first} are already trained "
            f"(initial_epoch); give more than {first}."
        )
    for name, steps in (("x", "steps_per_epoch"), ("validation_data", "validation_steps")):
        if inspect.isgenerator(given.get(name)) and epochs - first > 1 and steps not in given:
            raise InputError(
                f"{name} is a generator, which ends with the first epoch; give epochs=1, "
                f"{steps}, or a keras.utils.PyDataset."
            )


def _are_equal(labels, inputs) -> bool:
    if labels is inputs:
        return True
    return isinstance(inputs, np.ndarray) and np.array_equal(np.asarray(labels), inputs)
