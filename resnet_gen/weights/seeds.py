"""The least and the greatest seed, and the default; the command line and the API refuse others."""

from __future__ import annotations

from resnet_gen.problems import Bounds

SEEDS = Bounds(0, 2**63 - 1)
DEFAULT_SEED = 0
"""Where none is asked for."""
