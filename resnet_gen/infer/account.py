"""What is said beside a recovered specification: how it was proved, and what the file has that it does not carry."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from resnet_gen.graph import Graph, Node
from resnet_gen.infer.infer import Inferred, Unexplained
from resnet_gen.matching import signature
from resnet_gen.ops import BatchNorm
from resnet_gen.problems import Problem, several, shortened
from resnet_gen.reading import Opaque

_NAMED = 3


def account(found: Inferred, given: Graph, same: Sequence[str], *, weights: bool) -> list[str]:
    """Lines about a recovered specification, each of a word, a colon and a sentence."""
    nodes = len(given.nodes)
    lines = [f"proof: the spec is built to the same {several(nodes, 'operation')}, each with the same operands"]
    lines += [f"same: computes what the shipped '{name}' does" for name in same]
    lines += [*_norms(found), *_names(found)]
    return [*lines, *(f"not carried: {what}" for what in _left(found, given, weights))]


def _norms(found: Inferred) -> Iterator[str]:
    folded = sum(isinstance(node.op, BatchNorm) for node in found.graph.nodes) - sum(
        isinstance(ours.op, BatchNorm) for ours, _ in found.match.pairs
    )
    if found.folded:
        yield (
            f"folded: {several(folded, 'bias')[:-2] if folded == 1 else f'{folded:,} biases'} of convolutions "
            "taken for batch norms that were folded, which no file tells from plain ones"
        )


def _names(found: Inferred) -> Iterator[str]:
    renamed, kind = found.naming.renamed, found.naming.kind
    layers = sum(bool(theirs.tensors) for _, theirs in found.match.pairs)
    if not renamed:
        yield f"names: '{kind}' gives all {several(layers, 'layer')} with weights the names that they have"
        return
    shown = ", ".join(f"'{shortened(old, 40)}' -> '{new}'" for old, new in list(renamed.items())[:_NAMED])
    more = ", ..." if len(renamed) > _NAMED else ""
    yield f"names: '{kind}' renames {len(renamed):,} of {several(layers, 'layer')} with weights: {shown}{more}"


def _left(found: Inferred, given: Graph, weights: bool) -> Iterator[str]:
    """What the file may have that the specification does not."""
    yield "how a picture becomes the input (resizing, crop, mean, std), which no graph shows"
    spec = found.loaded.spec
    pairs = zip(given.outputs, found.graph.outputs, strict=True)
    new = [f"'{shortened(old.name, 40)}' -> '{ours.name}'" for old, ours in pairs if old.name != ours.name]
    if given.input.name != found.graph.input.name:
        new.insert(0, f"'{shortened(given.input.name, 40)}' -> '{found.graph.input.name}'")
    if new:
        yield f"names of input and outputs: {', '.join(new)}"
    yield "metadata, layout and opset of the file"
    if spec.norm.kind == "batch" and found.folded:
        yield "the norms' own statistics; eps is the default"
    if not weights:
        yield "weights, without --weights"


def refusal(found: Unexplained, given: Graph, file: str, why: str | None) -> Problem:
    """The finding of a network that no specification makes; `why` is what the reader says of its first strange node."""
    node = found.node
    many = several(len(given.nodes), "operation")
    hint = f"{found.explained:,} of {many} are explained, up to {found.place}"
    if found.given_up:
        hint += "; not all that might explain the rest was tried, which is more than a network of the family takes"
    if node is None:
        out = f"'{shortened(found.output.name, 80)}' there" if found.output else "these maps in this order"
        return Problem(f"no spec puts out {out}", file, hint)
    reads = ", ".join(f"'{shortened(name, 60)}'" for name in found.operands)
    opaque = isinstance(node.op, Opaque) and why
    what = f"{_what(node)} to {'x'.join(map(str, node.shape))}, which reads {reads}"
    return Problem(f"no part makes '{shortened(node.name, 80)}', {what}", file, f"{why}; {hint}" if opaque else hint)


def _what(node: Node) -> str:
    return f"ONNX's {node.op.op_type}" if isinstance(node.op, Opaque) else signature(node.op)


def as_json(found: Inferred, given: Graph, same: Sequence[str]) -> dict[str, Any]:
    """A recovered specification and what is said of it, as one object."""
    return {
        "spec": found.data,
        "operations": len(given.nodes),
        "same_as": list(same),
        "folded": found.folded,
        "naming": found.naming.kind,
        "renamed": found.naming.renamed,
        "outputs": {old.name: ours.name for old, ours in zip(given.outputs, found.graph.outputs, strict=True)},
    }
