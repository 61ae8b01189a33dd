"""Ways through a flow: the convolutions behind a value, and what follows one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from resnet_gen.infer.flow import FAR, Flow
from resnet_gen.ops import Activation, AvgPool, BatchNorm, BlurPool, Conv, GroupNorm, Mul, Op

NORMS = (BatchNorm, GroupNorm)
_TRUNK = (*NORMS, Activation, AvgPool, BlurPool, Mul)


class Layer(NamedTuple):
    """A convolution, its number in the flow, and by how much pooling shrank the map on the way to it."""

    number: int
    op: Conv
    pooled: int


def convs(flow: Flow, start: int, kernel: int | None = None, more: tuple[type[Op], ...] = ()) -> Iterator[Layer]:
    """The next convolutions behind a value, through norms, activations, pooling, an attention's product, and `more`.

    With `kernel`, only those of this side.
    """
    passed, left = (*_TRUNK, *more), FAR
    queue, met = [(start, 1)], {start}
    while queue:
        here, pooled = queue.pop(0)
        for number in flow.readers[here][:left]:
            op = flow.ops[number]
            left -= 1
            flow.spend(1)
            if isinstance(op, Conv):
                if kernel in (None, op.kernel):
                    yield Layer(number, op, pooled)
            elif isinstance(op, passed) and number not in met and _carries(flow, number, here):
                met.add(number)
                queue.append((number, pooled * getattr(op, "stride", 1)))


def _carries(flow: Flow, number: int, here: int) -> bool:
    """Whether `here` is what a product weighs rather than its weight; other operations make no such difference."""
    return not isinstance(flow.ops[number], Mul) or flow.inputs[number][0] == here


def only(flow: Flow, number: int, *kinds: type[Op]) -> int | None:
    """What is made of a value by operations of these kinds, if just one is."""
    found = [reader for reader in flow.readers[number][:FAR] if isinstance(flow.ops[reader], kinds)]
    return found[0] if len(found) == 1 else None


def active(flow: Flow, number: int) -> int:
    """A convolution's value behind its norm and activation."""
    for kinds in (NORMS, (Activation,)):
        after = only(flow, number, *kinds)
        number = number if after is None else after
    return number
