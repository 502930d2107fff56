"""Files: atomic writes, saved folders, resume states, the original's checkpoints."""
