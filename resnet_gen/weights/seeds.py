"""The seeds that weights are drawn from."""

from __future__ import annotations

from resnet_gen.problems import Bounds

SEEDS = Bounds(0, 2**63 - 1)
DEFAULT_SEED = 0
"""Where none is asked for."""
