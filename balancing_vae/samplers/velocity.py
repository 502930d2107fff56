"""The network of a flow: the velocity of a point at a time, and its divergence."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

BLOCKS = 4
# The network gets the time t as the cosines and sines of pi t, 2 pi t, ..., 8 pi t.
FREQUENCIES = 8
# Layers that start at 0, so that the network starts as the flow of a Gaussian.
ZERO = ("stretch", "second", "leave")


class Velocity(keras.Model):
    """A residual network that learns how a flow differs from that of a standard normal.

    Straight paths from standard normal noise to standard normal data have the mean velocity
    `(2 t - 1) z / s^2` at the point z, with `s^2 = t^2 + (1 - t)^2`. The velocity of a single path
    differs from this mean by `1 / s` times a standard normal. The network `f` predicts the mean of
    this difference, multiplied by s:

        v(z, t) = ((2 t - 1) a + f(a, t)) / s,  a = z / s

    Its input and its target therefore have variance 1 at any time. It starts at 0, so latents that
    are already normal need no training. Source of such a scaling: Karras et al. 2022, section 5.

    Args:
        latent_dim: Number of latents, L.
        width: Units of each hidden layer.

    Example:
        ```python
        v = Velocity(16, width=512)((z, t))
        ```
    """

    def __init__(self, latent_dim: int, width: int):
        super().__init__()
        self.dense = {}
        for name, (inputs, units) in layer_sizes(latent_dim, width).items():
            kernel = "zeros" if name.startswith(ZERO) else "glorot_uniform"
            self.dense[name] = keras.layers.Dense(units, kernel_initializer=kernel, name=name)
            self.dense[name].build((None, inputs))
        self.built = True

    def call(self, inputs):
        """Return the velocity.

        Args:
            inputs: Points, float [B, L], and times in [0, 1], float [B, 1].

        Returns:
            Float32 [B, L].
        """
        return self._velocity(*inputs)[0]

    def with_divergence(self, inputs):
        """Return the velocity and its divergence, computed with one tangent for each latent.

        Args:
            inputs: As for `call`.

        Returns:
            Float32 [B, L] and [B, 1].
        """
        z, t = inputs
        velocity, jacobian = self._velocity(z, t, ops.eye(z.shape[1])[None])
        return velocity, ops.trace(jacobian, axis1=1, axis2=2)[:, None]

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the weights by the names of `weight_shapes`."""
        return {
            f"{name}_{weight.name}": ops.convert_to_numpy(weight)
            for name, layer in self.dense.items()
            for weight in layer.weights
        }

    def assign(self, arrays: dict[str, np.ndarray]) -> None:
        """Set the weights to the arrays that `to_arrays` returned."""
        for name, layer in self.dense.items():
            for weight in layer.weights:
                weight.assign(arrays[f"{name}_{weight.name}"])

    def _velocity(self, z, t, dz=None):
        """Return the velocity and its derivatives in the directions `dz` (None if not given)."""
        s = ops.sqrt(t**2 + (1 - t) ** 2)
        a, da = _scale(z, dz, 1 / s)
        angles = math.pi * t * ops.arange(1, FREQUENCIES + 1, dtype="float32")
        time = ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=1)
        h, dh = self._apply("enter", a, da)
        for i in range(BLOCKS):
            u, du = self._apply(f"first_{i}", *_silu(h, dh))
            u, du = _scale(u, du, 1 + self.dense[f"stretch_{i}"](time))
            u, du = self._apply(f"second_{i}", *_silu(u + self.dense[f"shift_{i}"](time), du))
            h, dh = _add(h, dh, u, du)
        f, df = self._apply("leave", *_silu(h, dh))
        return _scale(*_add(*_scale(a, da, 2 * t - 1), f, df), 1 / s)

    def _apply(self, name, h, dh):
        layer = self.dense[name]
        return layer(h), None if dh is None else ops.matmul(dh, layer.kernel)


class VelocityAndDivergence(keras.Model):
    """`Velocity.with_divergence` as a model, so that Keras compiles it.

    Args:
        velocity: The network.

    Example:
        ```python
        v, divergence = VelocityAndDivergence(velocity).predict_on_batch((z, t))
        ```
    """

    def __init__(self, velocity: Velocity):
        super().__init__()
        self.velocity = velocity
        self.built = True

    def call(self, inputs):
        """Return velocity and divergence; see `Velocity.with_divergence`."""
        return self.velocity.with_divergence(inputs)


def layer_sizes(latent_dim: int, width: int) -> dict[str, tuple[int, int]]:
    """Return inputs and units of each dense layer, by its name."""
    sizes = {"enter": (latent_dim, width)}
    for i in range(BLOCKS):
        sizes |= {
            f"first_{i}": (width, width),
            f"shift_{i}": (2 * FREQUENCIES, width),
            f"stretch_{i}": (2 * FREQUENCIES, width),
            f"second_{i}": (width, width),
        }
    return sizes | {"leave": (width, latent_dim)}


def weight_shapes(latent_dim: int, width: int) -> dict[str, tuple[int, ...]]:
    """Return the shape of each weight, by its name."""
    shapes: dict[str, tuple[int, ...]] = {}
    for name, (inputs, units) in layer_sizes(latent_dim, width).items():
        shapes |= {f"{name}_kernel": (inputs, units), f"{name}_bias": (units,)}
    return shapes


# Values [B, n] pass through the layers together with their tangents [B, L, n], or with None.


def _silu(h, dh):
    s = ops.sigmoid(h)
    return h * s, None if dh is None else dh * (s * (1 + h * (1 - s)))[:, None]


def _scale(h, dh, factor) -> tuple[Any, Any]:
    return h * factor, None if dh is None else dh * factor[:, None]


def _add(h, dh, u, du) -> tuple[Any, Any]:
    return h + u, None if dh is None else dh + du
