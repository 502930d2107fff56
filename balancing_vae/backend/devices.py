"""Name the device in use, and say why a GPU is not used."""

import glob
import importlib.util
import os
from importlib.metadata import distributions

import keras

# Device files of the drivers of NVIDIA and AMD.
DRIVER_FILES = {"NVIDIA": "/dev/nvidia[0-9]*", "AMD": "/dev/kfd"}
HIDING = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


def describe_device() -> str:
    """Describe in one line the device that the backend uses, and why it does not use a GPU.

    Example:
        ```python
        print(describe_device())  # device: CPU, on JAX
        ```
    """
    names = {"tensorflow": "TensorFlow", "jax": "JAX", "torch": "PyTorch"}
    backend = keras.backend.backend()
    name = names[backend]
    used = find_accelerator(backend)
    if used is not None:
        return f"device: {used}, on {name}"
    makers = [maker for maker, pattern in DRIVER_FILES.items() if glob.glob(pattern)]
    if not makers:
        return f"device: CPU, on {name}"
    return f"device: CPU, on {name}. There is a GPU ({makers[0]}), but {_why_not(backend, name)}"


def find_accelerator(backend: str) -> str | None:
    """Return the name of the GPU or TPU that a backend uses; None for a CPU.

    Args:
        backend: "tensorflow", "jax" or "torch".

    Example:
        ```python
        find_accelerator(keras.backend.backend())
        ```
    """
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return None if device.platform == "cpu" else f"{device.device_kind} ({device.platform})"
    if backend == "tensorflow":
        import tensorflow as tf

        found = tf.config.list_physical_devices("GPU")
        if not found:
            return None
        details = tf.config.experimental.get_device_details(found[0])
        return details.get("device_name", found[0].name)
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None


def _why_not(backend: str, name: str) -> str:
    for variable in HIDING:
        if os.environ.get(variable) in ("", "-1"):
            return f"{variable} hides it."
    if backend == "jax":
        platforms = os.environ.get("JAX_PLATFORMS", "")
        if platforms and not {"cuda", "gpu", "rocm"} & set(platforms.split(",")):
            return f"JAX_PLATFORMS={platforms} excludes it."
        plugins = (d.metadata["Name"] or "" for d in distributions())
        if not any(plugin.startswith(("jax-cuda", "jax-rocm")) for plugin in plugins):
            return 'this JAX is built for CPUs: pip install "jax[cuda12]" for NVIDIA.'
    if backend == "tensorflow":
        import tensorflow as tf

        if not tf.test.is_built_with_gpu_support():
            return "this TensorFlow is built for CPUs: install tensorflow[and-cuda]."
        if importlib.util.find_spec("nvidia") is None:
            return "TensorFlow finds no CUDA libraries: install tensorflow[and-cuda]."
    if backend == "torch":
        import torch

        if torch.version.cuda is None and torch.version.hip is None:
            return "this PyTorch is built for CPUs: install one for CUDA."
    return f"{name} cannot use it: check that its driver is compatible (nvidia-smi)."
