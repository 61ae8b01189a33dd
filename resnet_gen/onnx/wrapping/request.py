"""What `wrap` can be asked for; it imports nothing heavy, as the command line states its options by it."""

from __future__ import annotations

import re
from typing import Literal, NamedTuple, TypeAlias, get_args

from resnet_gen.ops.limits import LEAST_CROP
from resnet_gen.problems import refuse, shorten

WrapInputType: TypeAlias = Literal["uint8", "float32"]
"""What a wrapped file takes."""
INPUT_TYPES: tuple[WrapInputType, ...] = get_args(WrapInputType)
PixelScale: TypeAlias = Literal["1", "255"]
"""The greatest pixel."""
SCALES: tuple[PixelScale, ...] = get_args(PixelScale)
LayerStart: TypeAlias = Literal["zeros", "seeded"]
"""What a new last layer starts from."""
STARTS: tuple[LayerStart, ...] = get_args(LayerStart)
DEFAULT_START: LayerStart = "seeded"
OPEN = "open"
IMAGENET = "imagenet"
"""What may stand for the numbers of a mean and a deviation."""
NONE = "none"

_NUMBER = re.compile(r"[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,2})?")
_OUTPUT = re.compile(r"logits|probabilities|embedding|unit_embedding|top([1-9][0-9]{0,4})")
OUTPUT_WORDS = "logits, probabilities, topK as in top5, embedding, unit_embedding"
_MOST_OUTPUTS = 16


class WrapRequest(NamedTuple):
    """What is to be done to a file; None and empty texts leave it as it is.

    `mean` and `std` are numbers, or what stands for them; `batch` and `size` are numbers, or "open". With `any_size`
    pictures are resized so that their central crop is the network's, and keeps the part `crop` of one side. `labels`
    are what classes are called. `renames` are pairs of old and new names of inputs and outputs.
    """

    input_type: WrapInputType | None = None
    layout: str | None = None
    order: str | None = None
    mean: tuple[float, ...] | str | None = None
    std: tuple[float, ...] | str | None = None
    scale: PixelScale | None = None
    any_size: bool = False
    crop: float | None = None
    outputs: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    cuts: tuple[str, ...] = ()
    cut_input: str | None = None
    renames: tuple[tuple[str, str], ...] = ()
    batch: int | str | None = None
    size: tuple[int, int] | str | None = None
    classes: int | None = None
    start: LayerStart = DEFAULT_START
    seed: int = 0

    @property
    def takes_pixels(self) -> bool:
        """Whether anything is to stand before the network."""
        return any((self.input_type, self.layout, self.order, self.mean, self.std, self.scale, self.any_size))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is asked for."""
        return self == WrapRequest(start=self.start, seed=self.seed)


def check_outputs(words: tuple[str, ...]) -> None:
    """Refuse words for outputs that mean nothing, or stand there twice."""
    for word in words:
        if not _OUTPUT.fullmatch(word):
            raise refuse(f"outputs: there is no '{shorten(word)}'", hint=f"known: {OUTPUT_WORDS}")
    if len({*words}) != len(words) or len(words) > _MOST_OUTPUTS:
        raise refuse(f"outputs: one is named twice, or there are more than {_MOST_OUTPUTS}")


def count_best(word: str) -> int | None:
    """How many classes `top5` means; None for another word."""
    found = _OUTPUT.fullmatch(word)
    return int(found[1]) if found and found[1] else None


def check_request(asked: WrapRequest) -> None:
    """Refuse what does not go together, or means nothing."""
    check_outputs(asked.outputs)
    if asked.is_empty:
        raise refuse("nothing is to be done", hint="say what, as in --input-type uint8 --outputs probabilities,top5")
    if (asked.mean is None) != (asked.std is None) and asked.mean not in (IMAGENET, NONE):
        raise refuse("--mean and --std belong together", hint="give both, or --mean imagenet")
    if asked.mean in (IMAGENET, NONE) and asked.std is not None:
        raise refuse(f"--std means nothing beside --mean {asked.mean}")
    if asked.input_type == "uint8" and asked.scale == "1" and asked.mean != NONE:
        hint = "leave it away, as mean and std are of values from 0 to 1; or give --mean none, for pixels as they are"
        raise refuse("--scale 1 is of values from 0 to 1, which uint8 has not", hint=hint)
    if asked.crop is not None and not asked.any_size:
        raise refuse("--crop means nothing without --any-size", hint="pictures of one size are taken whole")
    if asked.crop is not None and not LEAST_CROP <= asked.crop <= 1:
        raise refuse(f"--crop: the part of a side that is kept is from {LEAST_CROP} to 1", hint="--crop 0.875")
    if asked.any_size and asked.size == OPEN:
        raise refuse("--size open means nothing beside --any-size", hint="the network has one size: it can be fixed")
    if asked.cuts and asked.classes is not None:
        raise refuse("--classes means nothing beside --cut", hint="the last layer is cut off, or replaced")
    old = [name for name, _ in asked.renames]
    new = [name for _, name in asked.renames]
    if len({*old}) < len(old) or len({*new}) < len(new):
        raise refuse("--rename: one name is given twice")


def parse_numbers(option: str, text: str) -> tuple[float, ...]:
    """Finite numbers with commas between them; raises `Refused`."""
    parts = [part.strip() for part in text.split(",")]
    if len(text) > 10_000 or not all(map(_NUMBER.fullmatch, parts)):
        raise refuse(f"{option}: '{shorten(text)}' is no list of numbers", hint=f"write {option} 0.485,0.456,0.406")
    return tuple(map(float, parts))
