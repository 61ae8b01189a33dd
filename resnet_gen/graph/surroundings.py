"""What a file puts around a network: from pixels to what the network takes, and from its outputs to labels."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias, TypeVar

from resnet_gen.ops import DType
from resnet_gen.ops.serving_words import ChannelOrder, Layout

_Named = TypeVar("_Named")
ServedKind: TypeAlias = Literal["logits", "probabilities", "top_k", "best_indices", "best_scores", "embedding", "map"]
SCORES: tuple[ServedKind, ...] = ("logits", "probabilities")
"""Outputs with a score for each class; a network calls its own so, too."""
RANKED: tuple[ServedKind, ...] = ("top_k", "best_indices")
"""Outputs that say which classes are the best: with their scores, as `serve` puts them, or alone."""
OF_BEST: tuple[ServedKind, ...] = (*RANKED, "best_scores")
"""Outputs of the best classes, those too that say their scores alone."""


@dataclass(frozen=True)
class PixelInput:
    """What a file takes, and how its graph makes of it what the network takes: (pixel / scale - mean) / std, NCHW.

    `order` is that of what is handed in; the network takes its own. `scale` is the greatest pixel: 255, or 1.
    `mean` and `std` are those of each channel in the network's order, of values in 0..1; empty where the graph does not
    normalize. With `crop` it takes any height and width, and is resized so that the central crop keeps that part of it.
    """

    dtype: DType = "uint8"
    layout: Layout = "NHWC"
    order: ChannelOrder = "RGB"
    scale: float = 255.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    crop: float | None = None


@dataclass(frozen=True)
class ServedOutput:
    """What a file outputs, `names` (of the k best their values and indices), made of the network's output `source`.

    With `normalized` an embedding has length 1. With `raw` the best are those of the logits, not of probabilities.
    With `rounding` it is rounded to codes of eight bits on its way, from the least to the greatest value that has one.
    """

    kind: ServedKind
    source: str
    names: tuple[str, ...]
    k: int | None = None
    normalized: bool = False
    raw: bool = False
    rounding: tuple[float, float] | None = None

    @property
    def is_plain(self) -> bool:
        """Whether it is what the network outputs, as it is."""
        return self.kind in ("logits", "map") or (self.kind == "embedding" and not self.normalized)


@dataclass(frozen=True)
class Surroundings:
    """All that a file puts around a network; `input` is None where it takes what the network takes.

    Where there is anything, `outputs` are all of the file's, those too that the network makes itself.
    """

    input: PixelInput | None = None
    outputs: tuple[ServedOutput, ...] = ()

    @property
    def sources(self) -> tuple[str, ...]:
        """The outputs of the network of which those of the file are made, once each, in order."""
        return tuple(dict.fromkeys(output.source for output in self.outputs))

    @property
    def keeps_outputs(self) -> bool:
        """Whether all outputs are the network's, as they are."""
        return all(output.is_plain for output in self.outputs)

    @property
    def ends_in_softmax(self) -> bool:
        """Whether the outputs are one softmax alone, which no file tells from one that a network ends in."""
        return [output.kind for output in self.outputs] == ["probabilities"]

    def name_values(self, values: Iterable[_Named]) -> dict[str, _Named]:
        """What a reader made of the network's outputs, in their order, by what the file calls these."""
        return dict(zip(self.sources, values, strict=False))


NOTHING_AROUND = Surroundings()
"""Of a file that takes and outputs what its network does."""
