"""How many images are used for calibration, and how much of what they show is covered."""

from __future__ import annotations

from resnet_gen.problems import Bounds

CALIBRATION_IMAGES = Bounds(1, 1_000_000)
ENOUGH_IMAGES = 100
"""Fewer images than these are reported as few."""
PERCENTILES = (50, 100)
"""The least and the largest part of the magnitudes of an activation that a range covers."""
