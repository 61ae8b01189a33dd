"""Signal to noise of what a network outputs, against what another outputs for the same images."""

from __future__ import annotations

import math

import numpy as np

from resnet_gen.weights.base import Array

CEILING = 200.0
"""Decibels that stand for no noise at all."""


class SignalPower:
    """Powers of a signal and of the noise on it."""

    def __init__(self) -> None:
        self.signal = self.noise = 0.0

    def add(self, exact: Array, found: Array) -> None:
        """Take in what was wanted and what was found; numbers that are not finite are noise without end."""
        wanted = exact.astype(np.float64).ravel()
        self.signal += float(wanted @ wanted)
        with np.errstate(invalid="ignore"):
            wanted -= found.ravel()
        self.noise += float(wanted @ wanted) if np.isfinite(wanted).all() else math.inf

    @property
    def decibels(self) -> float:
        """The ratio, within plus and minus `CEILING`."""
        if math.isinf(self.noise):
            return -CEILING
        if not self.signal or not self.noise:
            return CEILING if not self.noise else -CEILING
        return min(CEILING, 10 * math.log10(self.signal / self.noise))
