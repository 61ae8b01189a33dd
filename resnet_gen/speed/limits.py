"""How long models are measured, and what is predicted, where nothing else is asked for; and how much may be."""

from __future__ import annotations

from resnet_gen.ops.precision import Precision
from resnet_gen.problems import Bounds

MEASURED_BATCHES = Bounds(1, 4096)
"""Images at once of a model that is run."""
REPEATS = Bounds(1, 1_000_000)
"""Timed runs of a model."""
SECONDS = (0.001, 86_400)
"""The shortest and the longest time that a model is measured for."""
DEFAULT_SECONDS = 3.0
PREDICTED_PRECISION: Precision = "fp16"
PREDICTED_BATCH = 1
