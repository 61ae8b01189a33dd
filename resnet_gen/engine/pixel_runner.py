"""A model with more around its network than the network, run as one that takes what the network takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from resnet_gen.engine.base import Runner
from resnet_gen.engine.file_serving import FileServing
from resnet_gen.graph.surroundings import PixelInput
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Array


class PixelArray(np.ndarray):
    """Pixels as a file takes them, which are not prepared again."""


@dataclass(frozen=True, kw_only=True)
class PixelRunner(Runner):
    """A model that takes pixels, given what its network takes: normalized values, channels first.

    `inner` is the model as it is; `pixels` is what that makes of its input.
    """

    inner: Runner
    pixels: PixelInput

    def run(self, x: Array) -> dict[str, Array]:
        return self.inner.run(np.asarray(self.prepare_input(x)))

    def prepare_input(self, x: Array) -> Array:
        """The pixels of which the file's graph makes `x`: rounded where they are of eight bits, in the file's order."""
        if isinstance(x, PixelArray):
            return x
        arranged = FileServing(self.pixels).arrange(self._find_pixels(x).transpose(0, 2, 3, 1))
        return np.ascontiguousarray(arranged, self.inner.dtype).view(PixelArray)

    def represent(self, x: Array) -> Array:
        """What the file's graph makes of the pixels that are nearest to `x`."""
        if self.pixels.dtype != "uint8":
            return x
        mean, std = self._spread_numbers()
        return np.ascontiguousarray((self._find_pixels(x) / self.pixels.scale - mean) / std, np.float32)

    def _spread_numbers(self) -> tuple[Any, Any]:
        """Mean and deviation, to be broadcast over (N, C, H, W); 0 and 1 where the graph does not normalize."""
        mean, std = self.pixels.mean or (0.0,), self.pixels.std or (1.0,)
        return np.reshape(mean, (-1, 1, 1)), np.reshape(std, (-1, 1, 1))

    def _find_pixels(self, x: Array) -> npt.NDArray[np.float64]:
        """The same in float64, in the network's order, channels first."""
        mean, std = self._spread_numbers()
        found: npt.NDArray[np.float64] = (np.asarray(x, np.float64) * std + mean) * self.pixels.scale
        if self.pixels.dtype == "uint8":
            found = np.rint(np.nan_to_num(found)).clip(0, 255)
        return found


def take_network_input(runner: Runner, pixels: PixelInput, shape: Sequence[int | None]) -> Runner:
    """A model that takes pixels as one that takes what its network takes, (C, H, W) in `shape`.

    Raises `Refused` for one that crops pictures: of no picture does it make just that input.
    """
    if pixels.crop not in (None, 1.0):
        hint = "build it for pictures of the network's size, or compare it with one that takes pictures too"
        raise refuse(f"it keeps {pixels.crop:g} of a picture, and is compared with a network alone", runner.where, hint)
    known = {field.name: getattr(runner, field.name) for field in fields(Runner)}
    batch, *sides = runner.shape
    own = [sides[-1], *sides[:-1]] if pixels.layout == "NHWC" else sides
    known["shape"] = (batch, *(one or other for one, other in zip(own, shape, strict=True)))
    known["dtype"] = np.dtype(np.float32)
    return PixelRunner(**known, inner=runner, pixels=pixels)
