"""Differences between backends, devices and precisions; registration of our classes with Keras."""
