"""Comparison of this port with recorded runs of the original programs."""
