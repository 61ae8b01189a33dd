"""The heads that a network might end in, read off what follows its last block.

A new head needs a place in `propose_heads`; tests/house/test_infer.py asks for it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

from resnet_gen.infer.flow import Flow
from resnet_gen.infer.part_settings import Choice, activation_part, allowed_parts
from resnet_gen.ops import Activation, Conv, Flatten, Linear, Op, Shape, Softmax
from resnet_gen.parts.base import Head

MOST = 64
"""Operations that a head has at most; the longest, of seventeen hidden layers, has fewer."""


def propose_heads(flow: Flow, x: int) -> Iterator[Head]:
    """Every head that might follow a value."""
    ops = [flow.ops[number] for number in _list_operations(flow, x)]
    maps = [flow.shapes[flow.inputs[n][0]] for n in _list_operations(flow, x) if isinstance(flow.ops[n], Flatten)]
    more = {"softmax": True} if any(isinstance(op, Softmax) for op in ops) else {}
    scores = ((kind, {**chosen, **more}) for kind, chosen in (*_propose_linear(ops), *_propose_mlp(ops, maps)))
    return allowed_parts(Head, [*scores, *_propose_policy_value(ops), ("none", {})])


def _list_operations(flow: Flow, x: int) -> list[int]:
    """What follows a value, if it is little enough for a head."""
    found, queue = [x], [x]
    while queue and len(found) < MOST:
        new = [number for number in flow.readers[queue.pop(0)][:MOST] if number not in found]
        found += new
        queue += new
    return found[1:] if len(found) < MOST else []


def _propose_linear(ops: Sequence[Op]) -> Iterator[Choice]:
    """Classes from the last layer, features from a convolution before the pooling."""
    layers = [op for op in ops if isinstance(op, (Conv, Linear))]
    if not 1 <= len(layers) <= 2:
        return
    chosen: dict[str, Any] = {"classes": layers[-1].out, "conv": isinstance(layers[-1], Conv)}
    if len(layers) == 2:
        chosen["features"] = layers[0].out
    yield from (("linear", {**chosen, "activation": activation}) for activation in (False, True))


def _propose_mlp(ops: Sequence[Op], maps: Sequence[Shape]) -> Iterator[Choice]:
    """Classes from the last layer, the others hidden; the map that the first sees from its window or its shape."""
    layers = [op for op in ops if isinstance(op, (Conv, Linear))]
    if not layers or not maps or len(layers) > 17:
        return
    first, chosen = layers[0], {"classes": layers[-1].out, "hidden": [layer.out for layer in layers[:-1]]}
    pools = [{"pool": first.kernel, "conv": True}] if isinstance(first, Conv) else [{"pool": maps[0][-1]}, _UNPOOLED]
    for activation, pool in product(_own_activations(ops), pools):
        yield "mlp", {**chosen, **pool, **activation}


_UNPOOLED = {"pool": "none"}


def _own_activations(ops: Sequence[Op]) -> Iterator[dict[str, Any]]:
    """The network's activation, and then the first of the head's own."""
    yield {}
    own = next((op for op in ops if isinstance(op, Activation)), None)
    if own and (found := activation_part(own)):
        yield {"activation": found.model_dump(mode="json")}


def _propose_policy_value(ops: Sequence[Op]) -> Iterator[Choice]:
    filters = list(dict.fromkeys(op.out for op in ops if isinstance(op, Conv)))
    sizes = list(dict.fromkeys(op.out for op in ops if isinstance(op, Linear)))
    if not 1 <= len(filters) <= 2 or not 2 <= len(sizes) <= 3:
        return
    for policy, value, moves, hidden in product(filters, filters, sizes, sizes):
        settings = {"policy_filters": policy, "value_filters": value, "moves": moves, "hidden": hidden}
        yield "policy_value", settings
