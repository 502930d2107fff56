"""What the first stage of every system is: an encoder, a decoder, a loss of named terms."""

import copy
import inspect
import os
import time
import warnings
from collections.abc import Iterable

import keras
import numpy as np
from keras import ops

from balancing_vae.backend import check_compile_arguments
from balancing_vae.callbacks.stop_on_non_finite_loss import StopOnNonFiniteLoss
from balancing_vae.config import Config
from balancing_vae.distribution import replica_count
from balancing_vae.errors import InputError
from balancing_vae.inputs import as_intensities
from balancing_vae.inputs import check_intensities
from balancing_vae.inputs import check_sample_weight
from balancing_vae.inputs import is_arrays
from balancing_vae.inputs import look_at
from balancing_vae.networks.image_encoder import ImageEncoder
from balancing_vae.objectives import mean_squared_error
from balancing_vae.storage.atomic import atomic_file


@keras.saving.register_keras_serializable("balancing_vae")
class Autoencoder(keras.Model):
    """A deterministic autoencoder; what it minimises is the sum of its named terms.

    A system of your own is a subclass: it names its terms, gives their values, and has a
    line in `models.MODELS`. Its encoder has one output, the latents, unless the subclass
    says otherwise. It keeps each argument as an attribute of the same name: these are what
    a saved model is made of again. Register it with
    `keras.saving.register_keras_serializable`.

    Images go in as integers in 0..255 or as floats in [0, 1]. The logs hold `loss` and every
    term. There are no labels: the images are the targets. `sample_weight` weighs images,
    `compile(metrics=...)` compares reconstructions with them.

    Args:
        encoder: From images, float [B, D, D, C] in [0, 1], to latents, float [B, L]; a
            functional or Sequential model.
        decoder: From latents, float [B, L], to images, float [B, D, D, C] in [0, 1];
            likewise.
        seed: Seed of what the model draws, if anything.
        **kwargs: What every Keras model takes.

    Attributes:
        encoder: The encoder; it takes integer images, too.
        term_names: The terms that the logs hold.
        monitor: The log, in training and in validation, that tells how good the weights
            are; less is better.
        heads: The encoder's outputs by name.
        has_prior: Whether training draws the latents towards N(0, I), so that they can be
            sampled from it.
        has_images: Whether inputs and reconstructions are images.
        trained_epochs: How many epochs it was trained for.
        last_trained: When it was trained last in this process, by `time.monotonic_ns`.

    Raises:
        ValueError: Encoder and decoder do not fit each other or the model.

    Example:
        ```python
        class SparseAutoencoder(Autoencoder):
            term_names = ("mse", "sparsity")

            def loss_terms(self, outputs, sample_weight=None):
                sparsity = ops.mean(ops.abs(outputs["z"]), axis=-1)
                return super().loss_terms(outputs, sample_weight) | {
                    "sparsity": 1e-3 * mean_over_images(sparsity, sample_weight)
                }
        ```
    """

    term_names: tuple[str, ...] = ("mse",)
    monitor = "loss"
    heads: tuple[str, ...] = ("z",)
    has_prior = False
    has_images = True

    def __init__(
        self, encoder: keras.Model, decoder: keras.Model, seed: int | None = None, **kwargs
    ):
        # Under mixed precision the targets of the loss keep all their digits.
        super().__init__(autocast=False, **kwargs)
        self._check_networks(encoder, decoder)
        self.encoder = ImageEncoder.of(encoder) if self.has_images else encoder
        self.decoder = decoder
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.trained_epochs = 0
        self.decoder_was_checked = False
        self.last_trained = 0
        self.trackers = {name: keras.metrics.Mean(name=name) for name in self.term_names}
        self.built = True

    @classmethod
    def from_hyperparameters(
        cls, config: Config, encoder: keras.Model, decoder: keras.Model, **arguments
    ) -> "Autoencoder":
        """Make the first stage that a config describes.

        Args:
            config: The hyperparameters.
            encoder: The encoder.
            decoder: The decoder.
            **arguments: What `config.model` has beside the name.

        Returns:
            The model, not compiled.

        Raises:
            ValueError: The config sets what the model has no part for.
        """
        for name, usual in (("likelihood", "gaussian"), ("kl_weight", None)):
            if getattr(config, name) != usual:
                raise InputError(
                    f"The model {config.model['name']!r} has no {name}, got "
                    f"{getattr(config, name)!r}; leave it {usual!r}, or take the model 'vae'."
                )
        if "prior" in config.samplers and not cls.has_prior:
            raise InputError(
                f"The model {config.model['name']!r} has no prior to sample from, and the samplers "
                f"are {config.samplers}; take two of 'gaussian', 'mixture' and 'second_stage'."
            )
        return cls(encoder, decoder, seed=config.seed, name="stage1", **arguments)

    @property
    def latent_dim(self) -> int:
        """Number of latents."""
        return self.decoder.input_shape[-1]

    @property
    def is_trained(self) -> bool:
        """Whether it was trained or given trained weights: biases start at 0 and leave it."""
        biases = [w for w in self.trainable_weights if w.path.endswith("bias")]
        as_built = bool(biases) and not any(ops.convert_to_numpy(w).any() for w in biases)
        return self.trained_epochs > 0 or not as_built

    def describe(self) -> str:
        """Return what the model is and how its loss is weighed, in a few words."""
        return type(self).__name__

    def posterior(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Encode one batch.

        Args:
            images: Float32 [B, D, D, C] in [0, 1].

        Returns:
            Mean and standard deviation of the latents, float32 [B, L]; of a deterministic
            model the latents and 0.
        """
        z = self.encoder.predict_on_batch(images)
        return z, np.zeros_like(z)

    def call(self, inputs, training=None):
        """Encode and decode.

        Args:
            inputs: Images, integers in 0..255 or floats in [0, 1], [B, D, D, C].
            training: Whether batch normalisation uses the batch's statistics.

        Returns:
            A dict of `target`, `z` and `reconstruction`.
        """
        target = as_intensities(inputs)
        z = self.encoder(target, training=training)
        return {"target": target, "z": z, "reconstruction": self.decoder(z, training=training)}

    def loss_terms(self, outputs: dict, sample_weight=None) -> dict:
        """Return the terms of the loss of one batch, weighed as they are added up.

        Args:
            outputs: What `call` returned.
            sample_weight: Weights of the images, float [B], or None for none.

        Returns:
            Float32 scalar tensors, one for each of `term_names`.
        """
        mse = mean_squared_error(outputs["target"], outputs["reconstruction"], sample_weight)
        return {"mse": mse}

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Return the loss of one batch, the sum of its terms."""
        if sample_weight is None:
            terms = self.loss_terms(y_pred)
        elif "sample_weight" in inspect.signature(self.loss_terms).parameters:
            terms = self.loss_terms(y_pred, sample_weight)
        else:
            raise InputError(
                f"{type(self).__name__}.loss_terms takes no sample_weight, so the images cannot "
                "be weighed; give it that argument (see `Autoencoder`), or leave the weights out."
            )
        self.track(terms.items(), y_pred["target"])
        # Keras adds up the gradients of all replicas, and takes this back in the logs.
        return sum(terms.values()) / replica_count()

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Return the logs; the metrics of `compile` compare reconstructions with the images."""
        target, reconstruction = y_pred["target"], y_pred["reconstruction"]
        return super().compute_metrics(x, target, reconstruction, sample_weight)

    def track(self, terms: Iterable[tuple[str, object]], batch) -> None:
        """Put terms into the logs, as means over images.

        Args:
            terms: Pairs of a name and a float32 scalar tensor.
            batch: What the terms were taken over, [B, ...].
        """
        # Weighed by the batch, like Keras's own mean of the loss: an evaluation's last
        # batch may be smaller than the others.
        count = ops.shape(batch)[0]
        for name, value in terms:
            self.trackers[name].update_state(value, sample_weight=count)

    def compile(self, *args, **kwargs):
        """Configure training; takes what `keras.Model.compile` takes, the loss is fixed.

        Raises:
            ValueError: A loss is given; a metric has the name of a term; the optimizer was
                built for another model; the backend does not support
                `steps_per_execution` or `jit_compile` as given.
        """
        given = _bind(keras.Model.compile, self, args, kwargs)
        check_compile_arguments(**given)
        for name in ("loss", "loss_weights"):
            if given.get(name) is not None:
                raise InputError(
                    f"A {type(self).__name__} has a loss of its own, so compile takes no {name}; "
                    "leave it out, and give what is to be measured besides as metrics."
                )
        self._check_metrics(given.get("metrics"), given.get("weighted_metrics"))
        self._check_optimizer(given.get("optimizer"))
        super().compile(**given)
        if self.optimizer is not None:
            # One that is not built would lose its slots in a saved model.
            self.optimizer.build(self.trainable_variables)

    def get_compile_config(self) -> dict:
        """Return the arguments of `compile`, and the backend that they were resolved for."""
        config = super().get_compile_config()
        return config and {**config, "backend": keras.backend.backend()}

    def compile_from_config(self, config: dict) -> None:
        """Compile as the saved model was.

        On another backend Keras's own choice decides about just-in-time compilation, and
        PyTorch runs one step per execution.
        """
        config = keras.saving.deserialize_keras_object(config)
        backend = keras.backend.backend()
        if config.pop("backend", backend) != backend:
            config["jit_compile"] = "auto"
            if backend == "torch" and config["steps_per_execution"] > 1:
                warnings.warn(
                    f"The model was saved with steps_per_execution="
                    f"{config['steps_per_execution']}; the PyTorch backend runs 1.",
                    stacklevel=2,
                )
                config["steps_per_execution"] = 1
        self.compile(**config)

    def fit(self, *args, **kwargs):
        """Train; takes and returns what `keras.Model.fit` does.

        The data are looked at first: arrays as a whole, of batches the first. An epoch
        whose loss is NaN or infinite ends the training (see `StopOnNonFiniteLoss`).

        Raises:
            ValueError: The inputs are not what the model takes, or there are labels; the
                decoder leaves [0, 1]; a generator is to last for several epochs.
            FloatingPointError: The loss of an epoch became NaN or infinite.
        """
        given = _bind(keras.Model.fit, self, args, kwargs)
        epochs, first = given.get("epochs", 1), given.get("initial_epoch", 0)
        if epochs < first:
            raise InputError(
                f"epochs={epochs} is the number of the last epoch, and {first} are trained "
                f"already (initial_epoch); give more than {first}."
            )
        for name, steps in (("x", "steps_per_epoch"), ("validation_data", "validation_steps")):
            if inspect.isgenerator(given.get(name)) and epochs - first > 1 and steps not in given:
                raise InputError(
                    f"{name} is a generator, which ends with the first epoch; give epochs=1, "
                    f"{steps}, or a keras.utils.PyDataset."
                )
        self._check_decoder()
        self._look_at(given)
        self._look_at_validation(given)
        self._add_callbacks(given)
        self.last_trained = time.monotonic_ns()
        try:
            return super().fit(**given)
        finally:
            self.last_trained = time.monotonic_ns()

    def evaluate(self, *args, **kwargs):
        """Measure the loss and its terms; takes and returns what `keras.Model.evaluate` does.

        Raises:
            ValueError: The inputs are not what the model takes, or there are labels; the
                decoder leaves [0, 1].
        """
        if "_use_cached_eval_dataset" in kwargs:  # `fit` has looked at these data
            return super().evaluate(*args, **kwargs)
        given = _bind(keras.Model.evaluate, self, args, kwargs)
        self._check_decoder()
        self._look_at(given)
        return super().evaluate(**given)

    def predict(self, *args, **kwargs):
        """Encode, sample and decode a data set; takes what `keras.Model.predict` does.

        Labels in a data set are passed over, as by every Keras model.

        Returns:
            What `call` returns, as a dict of NumPy arrays: among them "reconstruction", the
            images in [0, 1].

        Raises:
            ValueError: The inputs are not what the model takes.

        Example:
            ```python
            x_hat = stage.predict(images)["reconstruction"]
            ```
        """
        given = _bind(keras.Model.predict, self, args, kwargs)
        inputs, _, _, given["x"] = look_at(given["x"])
        self.check_inputs(inputs)
        return super().predict(**given)

    def train_on_batch(self, *args, **kwargs):
        """Train on one batch; takes and returns what `keras.Model.train_on_batch` does.

        Raises:
            ValueError: As `fit`.
        """
        given = _bind(keras.Model.train_on_batch, self, args, kwargs)
        self._look_at(given)
        self.last_trained = time.monotonic_ns()
        return super().train_on_batch(**given)

    def test_on_batch(self, *args, **kwargs):
        """Measure one batch; takes and returns what `keras.Model.test_on_batch` does.

        Raises:
            ValueError: As `evaluate`.
        """
        given = _bind(keras.Model.test_on_batch, self, args, kwargs)
        self._look_at(given)
        return super().test_on_batch(**given)

    def check_inputs(self, inputs, name: str = "x") -> None:
        """Refuse inputs that the model does not take. A subclass with others overrides it.

        Args:
            inputs: NumPy arrays, in the structure that `call` takes.
            name: What the caller calls them, for the message.

        Raises:
            ValueError: The shape, dtype or values do not fit.
        """
        check_intensities(inputs, self.encoder.inputs[0].shape[1:], name)

    def save(self, filepath, overwrite: bool = True, zipped: bool | None = None, **kwargs):
        """Write the model into a file; takes what `keras.Model.save` does.

        A `.keras` file is written under another name and then renamed: where saving fails,
        a former file stays as it was.

        Raises:
            OSError: The disk is full or the place is not writable.

        Example:
            ```python
            stage.save("stage.keras")
            stage = keras.models.load_model("stage.keras")    # after `import balancing_vae`
            ```
        """
        local = isinstance(filepath, (str, os.PathLike)) and "://" not in os.fspath(filepath)
        named = local and os.fspath(filepath).endswith(".keras")
        asks = not overwrite and named and os.path.exists(filepath)
        if not named or asks or zipped is False:
            return super().save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)
        with atomic_file(filepath) as temporary:
            super().save(temporary, zipped=zipped, **kwargs)
        return None

    def export(self, filepath, *args, **kwargs):
        """Export the model for inference; takes what `keras.Model.export` does.

        The default `input_signature` is that of float32 inputs, as `call` takes them.
        """
        given = _bind(keras.Model.export, self, (filepath, *args), kwargs)
        if given.get("input_signature") is None:
            given["input_signature"] = [self._input_signature()]
        given |= given.pop("kwargs", {})
        return super().export(**given)

    def get_config(self) -> dict:
        """Return what makes the model again: every argument, from the attribute of its name.

        Raises:
            ValueError: A subclass does not keep an argument.
        """
        config = super().get_config()
        for name in constructor_arguments(type(self)):
            if not hasattr(self, name):
                raise InputError(
                    f"{type(self).__name__} takes {name!r} and has no attribute of that name, so "
                    f"that it cannot be saved; write `self.{name} = {name}` in its __init__, or "
                    "a get_config."
                )
            config[name] = keras.saving.serialize_keras_object(getattr(self, name))
        if shared := self._shared_layers():
            config["shared_layers"] = shared
        return config

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> "Autoencoder":
        """Make a model of what `get_config` returned, with new weights."""
        # Keras takes the configs of functional models apart.
        config = copy.deepcopy(config)
        shared = config.pop("shared_layers", [])
        config = keras.saving.deserialize_keras_object(config, custom_objects)
        if shared:
            encoder = config["encoder"]
            config["decoder"] = keras.models.clone_model(
                config["decoder"],
                clone_function=lambda layer: (
                    encoder.get_layer(layer.name) if layer.name in shared else layer
                ),
            )
        return cls(**config)

    def save_own_variables(self, store) -> None:
        """Save the state of a training beside the optimizer's: noise and count of epochs."""
        super().save_own_variables(store)
        if getattr(self, "optimizer", None) is not None:
            store["noise"] = ops.convert_to_numpy(self.seed_generator.state)
            store["trained_epochs"] = np.array(self.trained_epochs)

    def load_own_variables(self, store) -> None:
        """Load what `save_own_variables` saved; weights without an optimizer have none of it."""
        if "noise" in store:
            self.seed_generator.state.assign(np.array(store["noise"]))
            self.trained_epochs = int(np.array(store["trained_epochs"]))

    def _input_signature(self):
        return keras.InputSpec(shape=self.encoder.inputs[0].shape, dtype="float32")

    def _shared_layers(self) -> list[str]:
        layers = {id(layer) for layer in self.encoder.layers}
        return [layer.name for layer in self.decoder.layers if id(layer) in layers]

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
                    f"The logs hold {name!r} already; leave that metric out, or give it another "
                    "name."
                )

    def _check_decoder(self) -> None:
        """Refuse a decoder of images that leaves [0, 1], before it is first used as one."""
        if self.decoder_was_checked or not self.has_images:
            return
        z = np.random.default_rng(0).standard_normal((4, self.latent_dim), dtype=np.float32)
        # Without a trace in the weights: spectral norm's vectors move at each call.
        variables = (self.decoder.trainable_variables, self.decoder.non_trainable_variables)
        values = ([variable.value for variable in group] for group in variables)
        images, _ = self.decoder.stateless_call(*values, ops.convert_to_tensor(z))
        images = ops.convert_to_numpy(images)
        if images.min() < 0 or images.max() > 1:
            raise InputError(
                f"The decoder's images have values from {images.min():.4g} to "
                f"{images.max():.4g}, expected [0, 1]; end it with a sigmoid."
            )
        self.decoder_was_checked = True

    def _look_at(self, given: dict, name: str = "x") -> None:
        """Refuse what `fit` and `evaluate` do not take, among their arguments by name."""
        if given.get("class_weight") is not None:
            raise InputError(
                f"A {type(self).__name__} has no labels, so there is no class_weight; weigh the "
                "images by sample_weight."
            )
        inputs, labels, weights, x = look_at(given.get("x"))
        if given.get("y") is not None:
            labels = given["y"] if given["y"] is not given["x"] else inputs
        # An autoencoder's usual `fit(x, x)` asks for what happens anyway.
        if labels is not None and not _equal(labels, inputs):
            raise InputError(self._on_labels(name))
        # Keras drops weights that come without labels: they stand in for those, unused.
        given["x"], given["y"] = x, given.get("sample_weight")
        self.check_inputs(inputs, name if is_arrays(x) else f"The first batch of {name}")
        for weight in (weights, given.get("sample_weight")):
            if weight is not None:
                check_sample_weight(weight)

    def _look_at_validation(self, given: dict) -> None:
        if given.get("validation_data") is None:
            return
        names = ("x", "y", "sample_weight")
        data = keras.utils.unpack_x_y_sample_weight(given["validation_data"])
        validation = dict(zip(names, data, strict=True))
        self._look_at(validation, "validation_data")
        is_tuple = isinstance(given["validation_data"], (tuple, list))
        given["validation_data"] = (
            tuple(validation[name] for name in names) if is_tuple else validation["x"]
        )

    def _on_labels(self, name: str) -> str:
        return (
            f"{name} comes with labels, and a {type(self).__name__} reconstructs its inputs "
            "without any; leave them out (of a tf.data.Dataset by `.map(lambda x, y: x)`)."
        )

    def _add_callbacks(self, given: dict) -> None:
        count = keras.callbacks.LambdaCallback(on_epoch_end=self._count_epoch)
        own = [count, *self._own_callbacks()]
        callbacks = given.get("callbacks")
        if isinstance(callbacks, keras.callbacks.CallbackList):
            for callback in own:
                callbacks.append(callback)
            return
        callbacks = keras.tree.flatten(callbacks) if callbacks else []
        if not any(isinstance(callback, StopOnNonFiniteLoss) for callback in callbacks):
            own.insert(0, StopOnNonFiniteLoss())
        # First: no other may save the weights of a bad epoch, and what it saves has the count.
        given["callbacks"] = [*own, *callbacks]

    def _own_callbacks(self) -> list[keras.callbacks.Callback]:
        """Return what a subclass adds to each `fit`."""
        return []

    def _count_epoch(self, epoch: int, logs: dict) -> None:
        self.trained_epochs += 1

    def _check_networks(self, encoder: keras.Model, decoder: keras.Model) -> None:
        for part, network in (("encoder", encoder), ("decoder", decoder)):
            if not isinstance(network, keras.Model) or not getattr(network, "inputs", None):
                raise InputError(
                    f"The {part} must be a functional model, keras.Model(inputs, outputs), or a "
                    f"Sequential one that starts with keras.Input; got {type(network).__name__}, "
                    "whose shapes cannot be known beforehand."
                )
        outputs = encoder.output_shape
        shapes = list(outputs) if isinstance(outputs, list) else [outputs]
        if len(shapes) != len(self.heads) or len(set(shapes)) != 1:
            one = len(self.heads) == 1
            raise InputError(
                f"The encoder of a {type(self).__name__} must have "
                f"{'one output' if one else f'{len(self.heads)} outputs of one shape'}, "
                f"{' and '.join(self.heads)}; got outputs of shape {outputs}. Take another "
                f"network ('rae' has one output, the others have two), or another model."
            )
        if decoder.input_shape != shapes[0]:
            raise InputError(
                f"The decoder takes latents of shape {decoder.input_shape}, but the encoder "
                f"gives {shapes[0]}; make both of one latent size."
            )
        targets = tuple(encoder.inputs[0].shape)
        if decoder.output_shape != targets:
            raise InputError(
                f"The decoder gives {decoder.output_shape}, but the encoder takes {targets}; "
                "make both of one image shape."
            )


def constructor_arguments(model: type[Autoencoder]) -> list[str]:
    """Return the names of what a model's class takes, from all classes up to `Autoencoder`."""
    classes = [c for c in model.__mro__ if issubclass(c, Autoencoder) and "__init__" in vars(c)]
    names = [name for c in classes for name in inspect.signature(c.__init__).parameters]
    return [name for name in dict.fromkeys(names) if name not in ("self", "args", "kwargs")]


def _equal(labels, inputs) -> bool:
    if labels is inputs:
        return True
    return isinstance(inputs, np.ndarray) and np.array_equal(np.asarray(labels), inputs)


def _bind(method, model: keras.Model, args: tuple, kwargs: dict) -> dict:
    """Return the arguments of one of Keras's methods by name."""
    given = dict(inspect.signature(method).bind(model, *args, **kwargs).arguments)
    del given["self"]
    return given
