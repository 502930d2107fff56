"""What backends, devices and precision differ in; Keras's registry of our classes."""
