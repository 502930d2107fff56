"""From a finished run to a set of weights that others can use and trust."""
