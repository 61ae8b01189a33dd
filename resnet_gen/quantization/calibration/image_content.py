"""What the images to calibrate with hold: ranges that follow from them have to be those of real pictures."""

from __future__ import annotations

import warnings

import numpy as np

from resnet_gen.language.spec import Input
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Array

_FAR = 16.0
"""By how many times images reach farther than pictures, or less far, before it is reported."""


class ImageContent:
    """Sees images, batch by batch, and says of them all whether ranges can follow from them."""

    def __init__(self) -> None:
        self._reach = 0.0
        self._even = True

    def see(self, batch: Array) -> None:
        """Take in images; raises `Refused` for numbers that are not finite."""
        if not np.isfinite(batch).all():
            raise refuse("the images to calibrate with hold numbers that are not finite")
        self._reach = max(self._reach, float(np.abs(batch).max()))
        self._even = self._even and bool((batch == batch[..., :1, :1]).all())

    def check(self, to: Input) -> None:
        """Refuse images that show nothing; warn of those that are no pictures as `to` normalizes them."""
        if not self._reach:
            raise refuse("the images to calibrate with are all zero", hint=_NOTHING)
        if self._even and to.size != (1, 1):
            raise refuse("each of the images to calibrate with is of one colour", hint=_NOTHING)
        widest = _find_widest(to)
        if not widest / _FAR <= self._reach <= widest * _FAR:
            text = f"the images to calibrate with reach {self._reach:.3g}, and pictures reach {widest:.3g}"
            warnings.warn(f"{text} as the spec's input normalizes them", stacklevel=2)


_NOTHING = "scales for real ones cannot follow from them"


def _find_widest(to: Input) -> float:
    """The largest magnitude that a picture can have once it is normalized."""
    mean, std = (np.asarray(values) for values in to.normalization)
    return float((np.maximum(mean, 1 - mean) / std).max())
