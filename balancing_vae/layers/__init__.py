"""Building blocks that Keras lacks."""
