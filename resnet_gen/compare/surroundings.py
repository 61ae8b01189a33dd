"""What stands around two networks, compared: pixels and classes of a file with those of a spec, or of another file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from resnet_gen.compare.difference.key_changes import KeyChange
from resnet_gen.compare.difference.sides import Side
from resnet_gen.graph import Graph, Node, Value
from resnet_gen.graph.inner_outputs import keep_stated_outputs, order_outputs
from resnet_gen.graph.rewiring import rewire_graph
from resnet_gen.graph.surrounding_terms import (
    Normalization,
    SurroundingDifference,
    describe_surroundings,
    find_normalization,
    list_differences,
    simplify_surroundings,
)
from resnet_gen.graph.surroundings import NOTHING_AROUND, Surroundings
from resnet_gen.language.spec import Input
from resnet_gen.ops import Softmax
from resnet_gen.ops.serving import round_part
from resnet_gen.problems import Loc, several, visible


class SurroundingFault(NamedTuple):
    """How what is around a file's network is not what a spec says, and where that says it."""

    loc: Loc
    words: str


def outputs_alike(around: Surroundings, other: Surroundings) -> bool:
    """Whether two networks have the same made of their outputs, so that these can be compared one by one."""
    pair = [simplify_surroundings(each) for each in (around, other)]
    if NOTHING_AROUND in pair:
        return pair == [NOTHING_AROUND, NOTHING_AROUND]
    return [each.kind for each in around.outputs] == [each.kind for each in other.outputs]


def list_faults(around: Surroundings, stated: Input, wanted: Surroundings | None = None) -> Iterator[SurroundingFault]:
    """How a file's surroundings are not what a spec says: of pictures, and of all of them where it states them."""
    pixels = around.input
    found = find_normalization(pixels, stated.channels)
    own = Normalization(*stated.normalization)
    normal = found is None or found.is_close(own)
    if found and not normal:
        words = f"normalizes by {found.describe()}, the spec by {own.describe()}"
        swapped = ", which is that of colours in the other order" * found.is_close(own.reverse())
        yield SurroundingFault(("input", "mean"), words + swapped)
    cropped = pixels.crop if pixels else None
    otherwise = cropped and cropped != round_part(stated.crop)
    if otherwise:
        words = f"crops to {cropped:g} of a picture, the spec to {stated.crop:g}"
        yield SurroundingFault(("input", "crop"), words)
    said = [*([] if normal else ["normalization"]), *(["size"] if otherwise else [])]
    yield from (_contrast_stated(d) for d in list_differences(wanted or around, around) if d.key not in said)


def _contrast_stated(each: SurroundingDifference) -> SurroundingFault:
    verb = {"outputs": "outputs", "size": "takes pictures of size", "normalization": "normalizes"}.get(
        each.key, "takes"
    )
    loc = ("input", "mean") if each.key == "normalization" else ("serve", each.key)
    return SurroundingFault(loc, f"{verb} {each.after}, where the spec has {each.before}")


def compare_surroundings(before: Side, after: Side) -> tuple[KeyChange, ...]:
    """What two sides, of which one at least is a file, have around one network differently."""
    if before.what == after.what == "onnx" or before.inside or after.inside:
        differences = list_differences(before.surroundings, after.surroundings)
        changes = (KeyChange(("around", d.key), d.before, d.after) for d in differences)
        return (*changes, *compare_labels(("around", "labels"), before.labels, after.labels))
    file, other = (after, before) if after.what == "onnx" else (before, after)
    found = find_normalization(file.surroundings.input, file.graph.input.shape[0])
    stated = (other.stated or {}).get("input", {})
    if found is None or len(stated.get("mean", ())) != len(found.mean):
        return ()
    own = Normalization(tuple(stated["mean"]), tuple(stated["std"]))
    if found.is_close(own):
        return ()
    former, latter = (own, found) if file is after else (found, own)
    keys = zip(Normalization._fields, former, latter, strict=True)
    return tuple(KeyChange(("input", name), list(a), list(b)) for name, a, b in keys if a != b)


def compare_labels(path: tuple[str, ...], before: Sequence[str], after: Sequence[str]) -> tuple[KeyChange, ...]:
    """What classes are called differently: the first of them, of lists as long as each other."""
    if tuple(before) == tuple(after):
        return ()
    if len(before) != len(after):
        former, latter = (f"of {len(each):,} classes" if each else None for each in (before, after))
        return (KeyChange(path, former, latter),)
    index, more = _find_other_label(before, after)
    return (KeyChange(path, f"class {index}: {before[index]}", f"class {index}: {after[index]}{more}"),)


def _find_other_label(one: Sequence[str], other: Sequence[str]) -> tuple[int, str]:
    """The first class that is called otherwise, and how many more there are."""
    found = [index for index, pair in enumerate(zip(one, other, strict=True)) if len({*pair}) > 1]
    return found[0], f", and {len(found) - 1:,} more" if len(found) > 1 else ""


def list_label_faults(labels: Sequence[str], stated: Sequence[str]) -> Iterator[SurroundingFault]:
    """How a file calls its classes otherwise than a spec does, where both say it."""
    if not labels or not stated or tuple(labels) == tuple(stated):
        return
    words = f"has {several(len(labels), 'label')}, the spec {len(stated):,}"
    if len(labels) == len(stated):
        index, more = _find_other_label(stated, labels)
        words = f"calls class {index} '{visible(labels[index])}', the spec '{visible(stated[index])}'{more}"
    yield SurroundingFault(("serve", "labels"), words)


def note_surroundings(before: Side, after: Side) -> list[str]:
    """What one side has around its network, of which the other says nothing, and what its metadata say wrongly."""
    files = [side for side in (before, after) if side.what == "onnx"]
    lines = describe_surroundings(files[0].surroundings) if len(files) == 1 else []
    found = [f"around the network, {files[0].given} {line}" for line in lines]
    return [*found, *(f"{side.given}: {side.contradiction}" for side in files if side.contradiction)]


# --- what makes two graphs comparable -------------------------------------------


def settle_side(side: Side, other: Side) -> Graph:
    """The network of one side as it is to be compared with that of another one."""
    alike = outputs_alike(side.surroundings, other.surroundings)
    if side.what != "onnx":
        return side.inside if side.inside and alike else side.graph
    graph = side.graph if other.inside and alike else settle_graph(side.graph, side.surroundings, other.graph)
    return _call_input(graph, other.graph.input.name) if side.surroundings.input else graph


def _call_input(graph: Graph, name: str) -> Graph:
    """A network inside of a file with an input of that name: its own is that of a step before it."""
    if any(node.output.name == name for node in graph.nodes):
        return graph
    new = graph.input._replace(name=name)
    return replace(rewire_graph(graph, graph.nodes, {graph.input.name: new}), input=new)


def _restore_softmax(graph: Graph, around: Surroundings, other: Graph) -> Graph:
    """The network of a file with the softmax that was told apart from it, where the other network ends in one."""
    ends = {node.output.name for node in other.nodes if isinstance(node.op, Softmax)}
    if not ends.intersection(value.name for value in other.outputs):
        return graph
    wanted = {output.source: output.names[0] for output in around.outputs if output.kind == "probabilities"}
    called = around.name_values(graph.outputs)
    added = {called[source]: _make_softmax(called[source], name) for source, name in wanted.items() if source in called}
    outputs = tuple(added[value].output if value in added else value for value in graph.outputs)
    return replace(graph, nodes=(*graph.nodes, *added.values()), outputs=outputs)


def settle_graph(graph: Graph, around: Surroundings, other: Graph) -> Graph:
    """A file's network as it is to be compared with another one."""
    found = _restore_softmax(graph, around, other)
    if [value.shape for value in found.outputs] == [value.shape for value in other.outputs]:
        return found
    return keep_stated_outputs(order_outputs(found, around), around, other)


def _make_softmax(scores: Value, name: str) -> Node:
    return Node("softmax", "head.softmax", Softmax(), (scores,), Value(name, scores.shape))
