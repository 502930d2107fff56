"""Two-stage variational autoencoders with computed gamma, in Keras 3."""
