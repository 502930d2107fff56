"""The two resize methods of the protocols: TensorFlow 1's and Pillow's."""

import numpy as np
from PIL import Image


def resize_bilinear_tf1(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize as `tf.compat.v1.image.resize_bilinear` does by default.

    Output row i lies at the input position `i * input height / output height`, without
    half-pixel centres and without antialiasing. The same holds for columns:

        y = top + (bottom - top) * (position - floor(position))

    in float32 and in the order of TensorFlow's own kernel (`resize_bilinear_op.cc`),
    columns first.

    Args:
        images: Array [n, h, w, channels] of any real dtype and range.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        float32 array [n, height, width, channels] in the range of the input.

    Example:
        ```python
        resize_bilinear_tf1(np.zeros((1, 32, 32, 3)), 299, 299).shape  # (1, 299, 299, 3)
        ```
    """
    images = np.asarray(images, dtype=np.float32)
    left, right, weight = _neighbors(images.shape[2], width)
    images = _mix(images[:, :, left], images[:, :, right], weight[:, None])
    top, bottom, weight = _neighbors(images.shape[1], height)
    return _mix(images[:, top], images[:, bottom], weight[:, None, None])


def _neighbors(size: int, new_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return, for each output position, the inputs before and after it, and the weight."""
    # The scale is rounded to float32 before it is used, as in the kernel.
    scale = np.float32(size) / np.float32(new_size)
    position = np.arange(new_size, dtype=np.float32) * scale
    before = np.floor(position).astype(np.intp)
    after = np.minimum(before + 1, size - 1)
    return before, after, position - before.astype(np.float32)


def _mix(first: np.ndarray, second: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return `first + (second - first) * weight`, in the memory of `second`."""
    second -= first
    second *= weight
    second += first
    return second


def resize_bicubic_pil(images: np.ndarray, height: int, width: int) -> np.ndarray:
    """Resize as clean-fid's default mode does: Pillow, bicubic, antialiased, in float32.

    Each channel is resized separately in Pillow's mode `F`, which does not round. The result is
    clipped, because bicubic interpolation overshoots.

    Args:
        images: Array [n, h, w, channels], values 0..255.
        height: Rows of the result.
        width: Columns of the result.

    Returns:
        float32 array [n, height, width, channels], values 0..255.

    Example:
        ```python
        resize_bicubic_pil(np.zeros((1, 32, 32, 3)), 299, 299).shape  # (1, 299, 299, 3)
        ```
    """
    count, _, _, channels = images.shape
    result = np.empty((count, height, width, channels), dtype=np.float32)
    for image, resized in zip(images, result, strict=True):
        for channel in range(channels):
            plane = Image.fromarray(np.ascontiguousarray(image[..., channel], dtype=np.float32))
            resized[..., channel] = np.asarray(
                plane.resize((width, height), Image.Resampling.BICUBIC)
            )
    return result.clip(0.0, 255.0, out=result)
