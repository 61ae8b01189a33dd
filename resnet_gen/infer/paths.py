"""Ways through a flow: the convolutions behind a value, and what follows one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from resnet_gen.infer.flow import FAR, Flow
from resnet_gen.ops import Activation, AvgPool, BatchNorm, BlurPool, Conv, GlobalAvgPool, GroupNorm, Mul, Op

NORMS = (BatchNorm, GroupNorm)
_TRUNK = (*NORMS, Activation, AvgPool, BlurPool, GlobalAvgPool, Mul)
_WINDOWS = tuple((side, side) for side in range(1, 9))
"""Maps that are one window of average pooling at a stride that stages can have."""


class ConvolutionStep(NamedTuple):
    """A convolution, its number in the flow, and by how much pooling shrank the map on the way to it."""

    number: int
    op: Conv
    pooled: int


def find_convolutions(
    flow: Flow, start: int, kernel: int | None = None, more: tuple[type[Op], ...] = ()
) -> Iterator[ConvolutionStep]:
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
            flow.patience.take()
            if isinstance(op, Conv):
                if kernel in (None, op.kernel):
                    yield ConvolutionStep(number, op, pooled)
            elif number not in met and isinstance(op, passed) and _stays_in_branch(flow, number, here):
                met.add(number)
                queue.append((number, pooled * _stride(flow, op, here)))


def _stride(flow: Flow, op: Op, here: int) -> int:
    """By how much an operation shrinks the map that it reads; the mean of a small one may be that of one window."""
    return flow.shapes[here][1] if isinstance(op, GlobalAvgPool) else int(getattr(op, "stride", 1))


def _stays_in_branch(flow: Flow, number: int, here: int) -> bool:
    """Whether what is made of `here` is still the branch: not where it weighs another, or a map becomes its mean."""
    op = flow.ops[number]
    if isinstance(op, GlobalAvgPool):
        return flow.shapes[here][1:] in _WINDOWS
    return not isinstance(op, Mul) or flow.inputs[number][0] == here


def skip_activation(flow: Flow, number: int) -> int:
    """A convolution's value behind its norm and activation, where just one of each reads it."""
    for kinds in (NORMS, (Activation,)):
        found = [reader for reader in flow.readers[number][:FAR] if isinstance(flow.ops[reader], kinds)]
        number = found[0] if len(found) == 1 else number
    return number
