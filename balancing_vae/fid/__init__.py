"""FID: images, features, statistics, distance; each step usable alone.

Apart from the rest of the package; TensorFlow is imported only where a TensorFlow
graph is run.
"""
