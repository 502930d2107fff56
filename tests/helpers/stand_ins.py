"""Stand-ins for the two forms of the Inception network, built when a test needs them."""

import functools

import numpy as np

from benchmarks.inception_stand_in import frozen_graph

# One sixteenth of the channels: 128 features.
WIDTH = 16
FEATURES = 2048 // WIDTH


@functools.cache
def graph():
    """Return a frozen graph with the real layers, tensor names and old operations."""
    return frozen_graph(width=WIDTH)


def save_tfgan_model(folder, outputs=("pool_3", "logits"), width=2048):
    """Write a SavedModel with the interface of tensorflow/tfgan/eval/inception/1."""
    import tensorflow as tf

    rng = np.random.default_rng(0)

    class Model(tf.Module):
        def __init__(self):
            super().__init__()
            self.kernel = tf.Variable(rng.normal(size=(13 * 13 * 3, width)), dtype=tf.float32)
            self.head = tf.Variable(rng.normal(size=(width, 1008)), dtype=tf.float32)

        @tf.function(input_signature=[tf.TensorSpec([None, 299, 299, 3], tf.float32)])
        def __call__(self, images):
            pooled = tf.reshape(tf.nn.avg_pool2d(images, 23, 23, "VALID"), [-1, 13 * 13 * 3])
            features = tf.nn.relu(pooled @ self.kernel)
            answers = {"pool_3": features, "logits": features @ self.head}
            return {name: answers[name] for name in outputs}

    tf.saved_model.save(Model(), str(folder))
