"""Feature networks, one per file: Inception, a classifier, pixels, a SavedModel."""
