"""The shortcuts that a block might have; which it has is seen by building it with each.

A new shortcut needs a place in `propose_shortcuts`; tests/house/test_infer.py asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator

from resnet_gen.infer.flow import Flow
from resnet_gen.infer.part_settings import Choice, allowed_parts
from resnet_gen.infer.paths import find_convolutions
from resnet_gen.ops import Activation, Conv
from resnet_gen.parts.base import Shortcut

_PLAIN = ("projection", "zero_pad", "avg_projection", "projection_all", "same_shape")
"""Shortcuts without settings, those that the fewest words ask for first."""


def propose_shortcuts(flow: Flow, x: int) -> Iterator[Shortcut]:
    """Every shortcut that a block beginning at `x` might have, in order of preference."""
    settings: list[Choice] = [(kind, {}) for kind in _PLAIN]
    layers = list(find_convolutions(flow, x))
    settings += [("wide_projection", {"kernel": k}) for k in sorted({layer.op.kernel for layer in layers} - {1})]
    settings += [
        ("gated", {"kernel": kernel, "carry": carry})
        for kernel in sorted({layer.op.kernel for layer in layers if _is_gate(flow, layer.number)})
        for carry in ("coupled", "independent")
    ]
    return allowed_parts(Shortcut, settings)


def _is_gate(flow: Flow, number: int) -> bool:
    op = flow.ops[number]
    return isinstance(op, Conv) and any(op.function == "sigmoid" for _, op in flow.find_readers(number, Activation))
