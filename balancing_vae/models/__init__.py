"""The Keras models of a stage, one a file; their objectives, metrics and registry."""
