"""Bounds of sides, channels, classes, batches and images; specs, the command line and the API refuse others."""

from __future__ import annotations

from resnet_gen.problems import Bounds

SIDES = Bounds(1, 16_384)
"""Pixels of a side of the input."""
CHANNELS = Bounds(1, 65_536)
"""Of an image, and of a map."""
CLASSES = Bounds(1, 10_000_000)
"""Scores of a head."""
BATCHES = Bounds(1, 65_536)
"""Images at once: of a model that is built, and where times are predicted."""
EVALUATED_IMAGES = Bounds(1, 10_000_000)
"""Of labelled images, as many as are looked at."""
OPSETS = Bounds(1, 1_000)
"""What is a number of an ONNX opset; the writer says which of them it writes."""

LEAST_CROP = 0.1
"""The least part of a side that a file's graph crops a picture to: nearly all of it would be resized for nothing."""
