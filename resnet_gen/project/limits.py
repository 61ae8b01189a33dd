"""How much of a project is done at once; it imports nothing heavy, as the command line states its options by it."""

from __future__ import annotations

from resnet_gen.problems import Bounds

JOBS = Bounds(1, 64)
"""Processes that build at once."""
