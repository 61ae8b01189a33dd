"""How many labelled images are run at once, how many classes they may have, and how much is listed of them."""

from __future__ import annotations

from resnet_gen.problems import Bounds

EVALUATED_BATCH = 8
"""Images at once, of a model that takes any number."""
CHANGES = Bounds(0, 100_000)
"""Images for which two models say otherwise, and that are listed."""
DEFAULT_CHANGES = 10
MOST_CLASSES = 100_000
"""Classes that labelled images may have."""
