"""Saving of a stage: a config of its arguments, a complete file, and its backend."""

import copy
import inspect
import os
import warnings

import keras
import numpy as np
from keras import ops

from balancing_vae.errors import InputError
from balancing_vae.files.atomic import atomic_file
from balancing_vae.networks.inputs import arguments_by_name


class SaveableModel(keras.Model):
    """An encoder and a decoder that Keras can save, load, clone, copy and export.

    A subclass stores each argument as an attribute of the same name, because a saved model is
    rebuilt from these attributes. They include `encoder` and `decoder`, which are functional
    models. A subclass also has a `seed_generator` and a count of `trained_epochs`, which are saved
    with the optimizer.
    """

    def save(self, filepath, overwrite: bool = True, zipped: bool | None = None, **kwargs):
        """Write the model to a file; takes the arguments of `keras.Model.save`.

        A `.keras` file is written under another name and then renamed. If saving fails, the old
        file is left unchanged.

        Raises:
            ValueError: The file is HDF5, from which Keras cannot load the model.
            OSError: The disk is full or not writable.

        Example:
            ```python
            stage.save("stage.keras")
            stage = keras.models.load_model("stage.keras")    # after `import balancing_vae`
            ```
        """
        local = isinstance(filepath, (str, os.PathLike)) and "://" not in os.fspath(filepath)
        if local and os.fspath(filepath).endswith((".h5", ".hdf5")):
            # Keras would write this file without the model's optimizer, and could not load it.
            raise InputError(
                f"{os.fspath(filepath)!r} would be in Keras's older format HDF5, which cannot hold "
                f"a {type(self).__name__}; save to a file such as x.keras, or save_weights to "
                "x.weights.h5."
            )
        named = local and os.fspath(filepath).endswith(".keras")
        asks = not overwrite and named and os.path.exists(filepath)
        if not named or asks or zipped is False:
            return super().save(filepath, overwrite=overwrite, zipped=zipped, **kwargs)
        with atomic_file(filepath) as temporary:
            super().save(temporary, zipped=zipped, **kwargs)
        return None

    def export(self, filepath, *args, **kwargs):
        """Export the model for inference; takes the arguments of `keras.Model.export`.

        By default the exported model takes float32 inputs.
        """
        given = arguments_by_name(keras.Model.export, self, (filepath, *args), kwargs)
        if given.get("input_signature") is None:
            given["input_signature"] = [self.input_signature()]
        given |= given.pop("kwargs", {})
        return super().export(**given)

    def input_signature(self):
        """Return shape and dtype of the inputs of `call`, in the same structure."""
        return keras.InputSpec(shape=self.encoder.inputs[0].shape, dtype="float32")

    def get_config(self) -> dict:
        """Return the arguments from which the model can be rebuilt, read from its attributes.

        Raises:
            ValueError: A subclass does not store an argument.
        """
        config = super().get_config()
        for name in constructor_arguments(type(self)):
            if not hasattr(self, name):
                raise InputError(
                    f"{type(self).__name__} takes {name!r} but has no attribute of that name, so "
                    f"it cannot be saved; write `self.{name} = {name}` in its __init__, or define "
                    "get_config."
                )
            config[name] = keras.saving.serialize_keras_object(getattr(self, name))
        layers = {id(layer) for layer in self.encoder.layers}
        if shared := [layer.name for layer in self.decoder.layers if id(layer) in layers]:
            config["shared_layers"] = shared
        return config

    @classmethod
    def from_config(cls, config: dict, custom_objects: dict | None = None) -> "SaveableModel":
        """Build a model with new weights from the result of `get_config`."""
        # Keras modifies the configs of functional models.
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

    def get_compile_config(self) -> dict:
        """Return the arguments of `compile`, and the backend for which they were resolved."""
        config = super().get_compile_config()
        return config and {**config, "backend": keras.backend.backend()}

    def compile_from_config(self, config: dict) -> None:
        """Compile the model as it was compiled when it was saved.

        On another backend, Keras decides about just-in-time compilation, and PyTorch always
        runs one step per execution.
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

    def save_own_variables(self, store) -> None:
        """Save the training state other than the optimizer's: random seed and epoch count."""
        super().save_own_variables(store)
        if getattr(self, "optimizer", None) is not None:
            store["noise"] = ops.convert_to_numpy(self.seed_generator.state)
            store["trained_epochs"] = np.array(self.trained_epochs)

    def load_own_variables(self, store) -> None:
        """Load what `save_own_variables` saved, if the file has an optimizer."""
        if "noise" in store:
            self.seed_generator.state.assign(np.array(store["noise"]))
            self.trained_epochs = int(np.array(store["trained_epochs"]))


def constructor_arguments(model: type[SaveableModel]) -> list[str]:
    """Return the names of a model class's constructor arguments, including its parents'."""
    classes = [c for c in model.__mro__ if issubclass(c, SaveableModel) and "__init__" in vars(c)]
    names = [name for c in classes for name in inspect.signature(c.__init__).parameters]
    return [name for name in dict.fromkeys(names) if name not in ("self", "args", "kwargs")]
