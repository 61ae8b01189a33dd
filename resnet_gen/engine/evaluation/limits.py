"""How many images are evaluated, how many at once, and how much of what they show is listed."""

from __future__ import annotations

from resnet_gen.problems import Bounds

EVALUATED_IMAGES = Bounds(1, 10_000_000)
"""Images of a data set that are evaluated."""
EVALUATED_BATCH = 8
"""Images at once, of a model that takes any number."""
CHANGES = Bounds(0, 100_000)
"""Images for which two models say otherwise, and that are listed."""
DEFAULT_CHANGES = 10
MOST_CLASSES = 100_000
"""Classes that labelled images may have."""
