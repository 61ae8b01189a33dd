"""The stems that a network might begin with, read off its first convolutions.

A new stem needs a place in `propose_stems`; tests/house/test_infer.py asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from resnet_gen.infer.flow import INPUT, Flow
from resnet_gen.infer.part_settings import Choice, allowed_parts
from resnet_gen.infer.paths import find_convolutions
from resnet_gen.ops import Conv
from resnet_gen.parts.base import Stem
from resnet_gen.parts.stems.pooled import Pooling

_POOLS = sorted(get_args(Pooling), key=lambda pool: pool == "none")
_DEEPEST = 16


def propose_stems(flow: Flow, *, chained: bool) -> Iterator[Stem]:
    """Every stem that might stand at the network's input: those that take most of it first.

    Before `chained` blocks, each of which is one convolution, first none: the first convolution is a block too.
    """
    settings: list[Choice] = []
    for _, op in flow.find_readers(INPUT, Conv):
        settings += [("conv7x7", {"width": op.out, "pool": pool}) for pool in _POOLS if op.kernel == 7]
    widths = _chain_widths(flow)
    for last in range(len(widths), 0, -1):
        settings += [("deep", {"widths": widths[:last], "pool": pool}) for pool in _POOLS[: -1 if last == 1 else None]]
    for _, op in flow.find_readers(INPUT, Conv):
        settings += [("conv3x3", {"width": op.out, "stride": op.stride}) for _ in range(op.kernel == 3)]
    none: Choice = ("none", {})
    return allowed_parts(Stem, [none, *settings] if chained else [*settings, none])


def _chain_widths(flow: Flow) -> list[int]:
    """Filters of the 3x3 convolutions that follow each other from the input on, the first at stride 2."""
    widths: list[int] = []
    here, stride = INPUT, 2
    while len(widths) < _DEEPEST:
        layers = list(find_convolutions(flow, here, 3))
        if len(layers) != 1 or layers[0].op.stride != stride:
            break
        here, stride = layers[0].number, 1
        widths.append(layers[0].op.out)
    return widths
