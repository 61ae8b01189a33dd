"""resnet-gen: the architecture of a convolutional network as a checked contract."""

__version__ = "0.1.0"
