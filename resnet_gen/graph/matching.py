"""Whether two graphs compute the same, whatever their layers are called and in which order they stand.

What a file of another tool cannot show (what a bias starts from, how a weight is
stored, names, roles) is left out; folding and types are the callers' to settle.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import fields, replace
from typing import NamedTuple

from resnet_gen.graph import Graph, Node
from resnet_gen.ops import Activation, Add, AvgPool, Conv, GlobalAvgPool, Linear, MaxPool, Mul, Op, Shape


class Match(NamedTuple):
    """What of one graph is what of the other.

    `pairs` are nodes of the first with the node of the second that computes the same from the same inputs, in the
    second's order. `missing` are the first's nodes without one, `unexplained` the second's.
    """

    pairs: tuple[tuple[Node, Node], ...]
    missing: tuple[Node, ...]
    unexplained: tuple[Node, ...]
    same: bool
    """Whether both output the same, in the same order."""


def match(first: Graph, second: Graph) -> Match:
    """Pair the nodes of two graphs that compute the same from the network's input on."""
    makes, made = hash_values(first), hash_values(second)
    same = _list_output_keys(first, makes) == _list_output_keys(second, made)
    pairs = _pair_nodes(first, second, _refine_keys(first, makes, same), _refine_keys(second, made, same))
    left, right = ({id(pair[i]) for pair in pairs} for i in (0, 1))
    return Match(
        tuple(pairs),
        tuple(n for n in first.nodes if id(n) not in left),
        tuple(n for n in second.nodes if id(n) not in right),
        same and len(pairs) == len(first.nodes) == len(second.nodes),
    )


def drop_invisible(op: Op) -> Op:
    """The operation without what no file shows of it."""
    if isinstance(op, Activation) and not op.sloped:
        return Activation(op.function)
    if isinstance(op, Conv) and (op.bias_fill, op.standardize, op.stored) != (0.0, None, None):
        return replace(op, bias_fill=0.0, standardize=None, stored=None)
    return replace(op, stored=None) if isinstance(op, Linear) and op.stored else op


def hash_values(graph: Graph) -> dict[str, str]:
    """A hash of how each value comes from the network's input, by the value's name."""
    found = {graph.input.name: _hash("input", graph.input.shape)}
    for node in graph.nodes:
        inputs = [found[value.name] for value in node.inputs]
        if is_commutative(node):
            inputs.sort()
        found[node.output.name] = _hash(signature(simplify_op(node.op, *node.input_shapes)), inputs)
    return found


def simplify_op(op: Op, *inputs: Shape) -> Op:
    """What a file shows of an operation on these shapes, without what makes no difference there.

    Averages of a whole map are its mean; windows that could hang over a map's end may not.
    """
    if isinstance(op, (AvgPool, MaxPool)):
        shape = op.shape(*inputs)
        if isinstance(op, AvgPool) and inputs[0][1:] == (op.kernel, op.kernel) and shape[1:] == (1, 1):
            return op if op.padding else GlobalAvgPool()
        if op.ceil and replace(op, ceil=False).shape(*inputs) == shape:
            return replace(op, ceil=False)
    return drop_invisible(op)


def signature(op: Op) -> str:
    """An operation and its settings as text, as far as files show them."""
    shown = drop_invisible(op)
    listed = fields(shown) if hasattr(shown, "__match_args__") else ()
    settings = [f"{f.name}={getattr(shown, f.name)!r}" for f in listed]
    return f"{type(op).__name__}({', '.join(settings)})"


def commutes(op: Op, *shapes: Shape) -> bool:
    """Whether operands of these shapes may be exchanged: those of a product where none is spread over the other."""
    return isinstance(op, Add) or (isinstance(op, Mul) and len(set(shapes)) == 1)


def is_commutative(node: Node) -> bool:
    """Whether a node's operands may be exchanged."""
    return commutes(node.op, *node.input_shapes)


def _list_output_keys(graph: Graph, found: dict[str, str]) -> list[str]:
    return [found[value.name] for value in graph.outputs]


def _refine_keys(graph: Graph, found: dict[str, str], same: bool) -> dict[str, str]:
    """Each value's hash, and where the graphs are alike also how it is used: what tells equal branches apart."""
    if not same:
        return found
    used: dict[str, list[str]] = defaultdict(list)
    for place, value in enumerate(graph.outputs):
        used[value.name].append(f"output {place}")
    for node in reversed(graph.nodes):
        whole = _hash(found[node.output.name], sorted(used[node.output.name]))
        for place, value in enumerate(node.inputs):
            used[value.name].append(_hash(whole, "" if is_commutative(node) else place))
    return {name: _hash(key, sorted(used[name])) for name, key in found.items()}


def _pair_nodes(first: Graph, second: Graph, ours: dict[str, str], theirs: dict[str, str]) -> list[tuple[Node, Node]]:
    """Nodes of equal hashes whose operands are paired too; equal branches in the order in which they stand."""
    free: dict[str, list[Node]] = defaultdict(list)
    for node in first.nodes:
        free[ours[node.output.name]].append(node)
    known = {second.input.name: first.input.name}
    pairs = []
    for node in second.nodes:
        wanted = _order_operands(node, (known.get(value.name) for value in node.inputs))
        candidates = free[theirs[node.output.name]]
        found = next((n for n in candidates if _order_operands(n, (v.name for v in n.inputs)) == wanted), None)
        if found:
            candidates.remove(found)
            known[node.output.name] = found.output.name
            pairs.append((found, node))
    return pairs


def _order_operands(node: Node, names: Iterable[str | None]) -> list[str]:
    found = [name or "" for name in names]
    return sorted(found) if is_commutative(node) else found


def _hash(*parts: object) -> str:
    return hashlib.blake2b(repr(parts).encode(), digest_size=16).hexdigest()
