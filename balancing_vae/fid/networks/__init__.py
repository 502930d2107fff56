"""Feature networks, one a file: Inception, a classifier, pixels, a SavedModel."""
