"""What the codes of quantized activations cover."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from resnet_gen.onnx.reading.graph_builder import GraphWalk
from resnet_gen.onnx.reading.operator_call import numbers
from resnet_gen.onnx.reading.rounding_error import largest_number
from resnet_gen.onnx.reading.signals import (
    Elementwise,
    QuantizedSignal,
    RearrangedTerm,
    Signal,
    Transposed,
    UnexplainedOperator,
)
from resnet_gen.onnx.reading.sums_of_products import ExpressionTree

_STEP = {"float8_e4m3fn": 32.0, "float8_e5m2": 8192.0}
"""Between the two largest numbers; integers are 1 apart."""


class CodeRange(NamedTuple):
    """The least and the greatest number that the codes of an activation stand for, and what 1 stands for."""

    value: str
    """The value of the graph that the activation is or, with `function`, is computed of; empty where it is neither."""
    least: float
    most: float
    scale: float
    step: float
    """The largest there is between two codes."""
    function: ExpressionTree = None


def find_code_ranges(rounded: Sequence[QuantizedSignal], walk: GraphWalk) -> Iterator[CodeRange]:
    """The ranges of quantized activations; of several scales, the widest and the narrowest."""
    for one in rounded:
        for part in (one.inner,) if isinstance(one.inner, Signal) else one.inner.parts:
            value, function = _source(part, walk)
            yield from (CodeRange(value, *numbers, function) for numbers in _ranges(one))


def _source(signal: Signal, walk: GraphWalk) -> tuple[str, ExpressionTree]:
    """The value of the graph that has an activation's numbers, whatever their order and shape, and a function of it."""
    with suppress(UnexplainedOperator):
        value = walk.find_value(walk.resolve_dims(signal))
        if value:
            return value.name, None
    term, function = signal.term, None
    while not (made := walk.find_value(term)):
        if isinstance(term, RearrangedTerm):
            term = term.inner
        elif isinstance(term, Transposed):
            term = term.inner.term
        elif isinstance(term, Elementwise) and function is None:
            function, term = term.tree, term.leaf
        else:
            return "", None
    return made.name, function


def _ranges(one: QuantizedSignal) -> Iterator[tuple[float, float, float, float]]:
    scale = numbers(one.scale).astype(np.float64).reshape(-1)
    zero = numbers(one.zero).astype(np.float64).reshape(-1) if one.zero else np.zeros(1)
    least, most = ((limit - zero) * scale for limit in _limits(one.dtype))
    step = _STEP.get(one.dtype.name, 1.0)
    wide, narrow = (float(least.min()), float(most.max())), (float(least.max()), float(most.min()))
    yield *wide, float(scale.max()), float(scale.max()) * step
    if narrow != wide:
        yield *narrow, float(scale.min()), float(scale.min()) * step


def _limits(dtype: np.dtype[Any]) -> tuple[float, float]:
    """The least and the greatest number that a type of codes holds."""
    if dtype.kind not in "iu":
        return -largest_number(dtype), largest_number(dtype)
    return float(np.iinfo(dtype).min), float(np.iinfo(dtype).max)
