"""Saved folders, resume states, and the original programs' checkpoints."""
