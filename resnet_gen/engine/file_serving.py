"""What is put around the network of a file: how it takes a picture, and what its outputs mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from resnet_gen.engine.base import draw_input
from resnet_gen.engine.image import normalize_pixels, read_image, read_pixels
from resnet_gen.graph.serving import pixel_shape
from resnet_gen.graph.surroundings import RANKED, SCORES, PixelInput, ServedKind, ServedOutput
from resnet_gen.language.spec import Input
from resnet_gen.weights.base import Array


@dataclass(frozen=True)
class FileServing:
    """What is put around the network of a file, and the names of its classes; nothing by default.

    `classes` is how many the network has, where that is stated. `size` is the height and width that its graph makes of
    pictures of any size, where it was read.
    """

    input: PixelInput | None = None
    outputs: tuple[ServedOutput, ...] = ()
    labels: tuple[str, ...] = ()
    classes: int | None = None
    size: tuple[int, int] | None = None

    @property
    def takes_any_size(self) -> bool:
        """Whether pictures of any height and width are taken, which only as a batch of one go together."""
        return self.input is not None and self.input.crop is not None

    def shape(self, taken: Input) -> tuple[int | None, ...]:
        """The shape of one picture as the file takes it, None for a side of any length."""
        shape = pixel_shape(self.input, taken.shape) if self.input else taken.shape
        return tuple(side or None for side in shape)

    def fits(self, sides: Sequence[int | None], taken: Input) -> bool:
        """Whether a model whose image has these sides, None where any does, takes such pictures."""
        return all(side in (None, own) for side, own in zip(sides, self.shape(taken), strict=True))

    def read(self, path: Path, taken: Input) -> Array:
        """A picture as the file takes it, a batch of one; raises `Refused` for what is none."""
        if self.input is None:
            return read_image(path, taken)
        if self.input.dtype != "uint8" and not self.input.mean:
            return self.arrange(np.ascontiguousarray(read_image(path, taken).transpose(0, 2, 3, 1)))
        return self.arrange(self.scale(read_pixels(path, taken, whole=self.input.crop is not None)))

    def draw(self, taken: Input, batch: int, seed: int) -> Array:
        """A batch of noise in place of pictures: normally distributed for a network itself, else random pixels."""
        if self.input is None:
            return draw_input((batch, *taken.shape), seed)
        part = self.input.crop or 1.0
        height, width = (min(math.ceil(side / part), 2 * side) for side in taken.size)
        pixels = draw_input((batch, height, width, taken.channels), seed, of_bytes=True)
        return self.arrange(self.scale(pixels))

    def scale(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[Any]:
        """Bytes as values of the file's type."""
        assert self.input
        if self.input.dtype == "uint8":
            return pixels
        return pixels.astype(np.float32) / np.float32(255 / self.input.scale)

    def arrange(self, x: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Pixels (N, H, W, C) in the network's order, as the file takes them."""
        assert self.input
        ordered = x[..., ::-1] if self.input.order == "BGR" else x
        return np.ascontiguousarray(ordered if self.input.layout == "NHWC" else ordered.transpose(0, 3, 1, 2))

    @property
    def has_scores(self) -> bool:
        """Whether it outputs a score for each class."""
        return any(output.kind in SCORES for output in self.outputs)

    def find_best(self) -> ServedOutput | None:
        """Of the outputs that name the best classes, the one that names the most; None without one."""
        return max((output for output in self.outputs if output.kind in RANKED), key=_count_best, default=None)

    def list_names(self, *kinds: ServedKind) -> set[str]:
        """What the outputs of some kinds are called."""
        return {name for output in self.outputs if output.kind in kinds for name in output.names}


def _count_best(output: ServedOutput) -> int:
    return output.k or 0


NETWORK_ALONE = FileServing()
"""Nothing around it."""


class ImageForm(NamedTuple):
    """What a model takes of an image: as its network does, but for what its file puts around that."""

    taken: Input
    serving: FileServing = NETWORK_ALONE

    def read(self, path: Path) -> Array:
        """A picture as one image of a batch; raises `Refused` for what is none."""
        image: Array = self.serving.read(path, self.taken)[0]
        return image

    def convert(self, pixels: npt.NDArray[np.uint8]) -> Array:
        """Pixels (H, W, C), or (H, W) of one channel, of the network's size as one image of a batch."""
        if self.serving.input is None:
            image: Array = normalize_pixels(pixels, self.taken)[0]
        else:
            image = self.serving.arrange(self.serving.scale(pixels.reshape(1, *pixels.shape[:2], -1)))[0]
        return image
