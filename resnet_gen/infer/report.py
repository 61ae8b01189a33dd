"""What is said beside a recovered specification: how it was proved, and what the file has that it does not carry."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from resnet_gen.graph import Graph, Node
from resnet_gen.infer.preprocessing import describe_preprocessing, list_unknown
from resnet_gen.infer.proof import RecoveredSpec
from resnet_gen.infer.search import UnexplainedGraph
from resnet_gen.infer.shipped_specs import EquivalentSpec, describe_equivalents
from resnet_gen.onnx.reading import OnnxModel, Opaque
from resnet_gen.ops import BatchNorm, Conv
from resnet_gen.problems import Problem, several, shorten

_NAMED = 3


def describe_recovery(
    found: RecoveredSpec,
    read: OnnxModel,
    same: Sequence[EquivalentSpec],
    *,
    weights: bool,
    serve: Mapping[str, Any] | None,
) -> list[str]:
    """Lines about a recovered specification, each of a word or two, a colon and a sentence.

    `serve` is what that says of what is around its network.
    """
    nodes = len(read.graph.nodes)
    lines = [f"proof: the spec is built to the same {several(nodes, 'operation')}, each with the same operands"]
    lines += [f"same: computes {words}" for one in same for words in describe_equivalents([one])]
    lines += [*_describe_norms(found), *_describe_names(found)]
    lines += describe_preprocessing(read.surroundings, served=serve is not None)
    if read.labels:
        word = "serve" if "labels" in (serve or {}) else "not carried"
        lines.append(f"{word}: {several(len(read.labels), 'label')} of classes")
    return [*lines, *(f"not carried: {what}" for what in _list_losses(found, read, weights))]


def _describe_norms(found: RecoveredSpec) -> Iterator[str]:
    """What was taken for norms that the file does not show."""
    there = {ours.path for ours, _ in found.match.pairs}
    folded = {n.inputs[0].name for n in found.graph.nodes if isinstance(n.op, BatchNorm) and n.path not in there}
    if not folded:
        return
    convs = {ours.path for ours, theirs in found.match.pairs if isinstance(theirs.op, Conv) and not theirs.op.bias}
    zero = sum(node.output.name in folded and node.path in convs for node in found.graph.nodes)
    text = (
        f"folded: {several(len(folded), 'batch norm')} taken for folded, as no file tells their biases from plain ones"
    )
    yield text + (f"; {zero:,} of them without a bias, which is zero" if zero else "")


def _describe_names(found: RecoveredSpec) -> Iterator[str]:
    renamed, kind = found.naming.renamed, found.naming.kind
    layers = sum(bool(theirs.tensors) for _, theirs in found.match.pairs)
    if not renamed:
        yield f"names: '{kind}' gives all {several(layers, 'layer')} with weights the names that they have"
        return
    shown = ", ".join(f"'{shorten(old, 40)}' -> '{new}'" for old, new in list(renamed.items())[:_NAMED])
    more = ", ..." if len(renamed) > _NAMED else ""
    yield f"names: '{kind}' renames {len(renamed):,} of {several(layers, 'layer')} with weights: {shown}{more}"


def _list_losses(found: RecoveredSpec, read: OnnxModel, weights: bool) -> Iterator[str]:
    """What the file has, or a user of it knows, that the specification does not hold."""
    if unknown := list_unknown(read.surroundings):
        yield unknown
    given = [] if read.surroundings.input else [(read.graph.input, found.graph.input)]
    values = [*given, *zip(read.graph.outputs, found.graph.outputs, strict=True)]
    new = [f"'{shorten(old.name, 40)}' -> '{ours.name}'" for old, ours in values if old.name != ours.name]
    if new:
        yield f"names of input and outputs: {', '.join(new)}"
    if read.precision != "fp32":
        yield f"the file's precision, {read.precision}: specs are of float32 networks, and --precision builds others"
    if read.batch is not None:
        yield f"the batch of {read.batch}: it is left open"
    if read.open_size:
        yield "height and width, which it leaves open: build --symbolic-size does"
    if read.unread:
        yield f"{several(read.unread, 'node')} of the file that no output depends on"
    if found.folded:
        yield "eps and statistics of the folded norms, which the file has no longer"
    yield "metadata of the file" + ("" if weights else ", and its weights without --weights")


def explain_refusal(found: UnexplainedGraph, given: Graph, file: str, why: str | None) -> Problem:
    """The finding of a network that no specification makes; `why` is what the reader says of its first strange node.

    That node is the one named: what is around it, no part makes because of it.
    """
    strange = next((node for node in given.nodes if isinstance(node.op, Opaque)), None)
    if strange and strange != found.node:
        found = found._replace(node=strange, together=False)
    node = found.node
    many = several(len(given.nodes), "operation")
    hint = f"{found.explained:,} of {many} are explained, up to {found.place}"
    if found.out_of_patience:
        hint += "; not all that might explain the rest was tried, which is more than a network of the family takes"
    if node is None:
        out = f"'{shorten(found.output.name, 80)}' there" if found.output else "these maps in this order"
        made = [node.output for node in given.nodes if node.output in given.outputs]
        if made != [*given.outputs] and len(made) == len(given.outputs):
            order = ", ".join(f"'{shorten(value.name, 40)}'" for value in made[:_NAMED])
            hint += (
                f"; a spec's outputs are in the order in which they are made: {order}{', ...' * (len(made) > _NAMED)}"
            )
        return Problem(f"no spec outputs {out}", file, hint)
    makers = {node.output.name: node.name for node in given.nodes}
    reads = ", ".join(f"'{shorten(makers.get(value.name, value.name), 60)}'" for value in node.inputs)
    operation, shape = _describe_operation(node), "x".join(map(str, node.shape))
    what = f"'{shorten(node.name, 80)}', {operation} to {shape}, which reads {reads}"
    if found.together:
        return Problem(f"no one spec makes what is before it and {what}", file, f"each alone is explained: {hint}")
    opaque = isinstance(node.op, Opaque) and why
    return Problem(f"no part makes {what}", file, f"{why}; {hint}" if opaque else hint)


def _describe_operation(node: Node) -> str:
    """An operation with the settings that are not its usual ones."""
    if isinstance(node.op, Opaque):
        return node.op.foreign_name
    settings = [(f, getattr(node.op, f.name)) for f in fields(node.op)]
    shown = ", ".join(f"{f.name}={value!r}" for f, value in settings if value != f.default)
    return f"{type(node.op).__name__}({shown})"


def as_json(found: RecoveredSpec, given: Graph, same: Sequence[EquivalentSpec]) -> dict[str, Any]:
    """A recovered specification and what is said of it, as one object."""
    return {
        "spec": found.data,
        "operations": len(given.nodes),
        "same_as": [one.name for one in same if not one.standardized],
        "same_as_standardized": [one.name for one in same if one.standardized],
        "folded": found.folded,
        "naming": found.naming.kind,
        "renamed": found.naming.renamed,
        "outputs": {old.name: ours.name for old, ours in zip(given.outputs, found.graph.outputs, strict=True)},
    }
