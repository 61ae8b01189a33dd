"""An ONNX file compared with a spec, operation by operation."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path

from resnet_gen.compare.against.matching import FileMatch, match_file
from resnet_gen.compare.against.ranges import compare_ranges
from resnet_gen.compare.against.weight_values import WeightComparison, compare_weights
from resnet_gen.compare.surroundings import list_faults, list_label_faults, outputs_alike, settle_graph
from resnet_gen.graph import Graph, Node
from resnet_gen.graph.counts import count
from resnet_gen.graph.matching import drop_invisible
from resnet_gen.graph.surrounding_terms import describe_surroundings
from resnet_gen.graph.tables import describe, sides
from resnet_gen.infer.checkpoints.spec_weights import weights_from
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower, with_input_size
from resnet_gen.language.spec import Input
from resnet_gen.language.stated_network import read_stated_network
from resnet_gen.onnx.reading import NotExplained, OnnxModel, read
from resnet_gen.onnx.reading.process import NoAnswerError
from resnet_gen.onnx.reading.validity import find_fault
from resnet_gen.problems import Refused, several
from resnet_gen.verify.rules.against import MOST_REPORTED, FileFindings
from resnet_gen.verify.subject import Subject
from resnet_gen.weights.base import Weights
from resnet_gen.weights.downloads.location import locate_weights
from resnet_gen.weights.downloads.names import WeightsSource
from resnet_gen.weights.initialization import SeededWeights

_HALF = 65504.0
"""The largest number of float16."""


def read_model(path: Path) -> OnnxModel | NotExplained:
    """The file; one with an operation of no spec is still one that can be compared with a spec."""
    try:
        return read(path)
    except NotExplained as unexplained:
        return unexplained


def compare_model(
    path: Path, file: OnnxModel | NotExplained, weights: WeightsSource | None, subject: Subject
) -> FileFindings:
    """A file as it was read, compared with a spec."""
    if isinstance(file, NotExplained):
        return FileFindings(str(path), layers=(f"{path}: {file.problems[0].message}",), behind=("shapes", "weights"))
    served = read_stated_network(subject.loaded)
    faults = list_faults(file.surroundings, subject.loaded.spec.input, served.surroundings if served else None)
    every = (*faults, *list_label_faults(file.labels, subject.loaded.spec.labels))
    around = tuple((fault.loc, f"{path}: {fault.words}") for fault in every)
    if file.contradiction and not around:  # of two findings about one thing the other says more
        around = ((("serve",), f"{path}: {file.contradiction}"),)
    inside = served and outputs_alike(served.surroundings, file.surroundings)
    if not inside:  # a spec's network may end in a softmax itself
        file = replace(file, graph=settle_graph(file.graph, file.surroundings, subject.graph))
    wanted = served.graph if served and inside else subject.graph
    shapes = tuple(_compare_shapes(path, file.graph, wanted))
    graph = _lower_at_their_size(subject.loaded, wanted, file.graph, inside=bool(inside))
    if graph is None:
        return FileFindings(str(path), shapes=shapes, behind=("layers", "weights"), surroundings=around)
    given = locate_weights(weights, subject.loaded) if weights else None
    theirs: Weights = weights_from(given, subject.loaded, graph) if given else SeededWeights(graph)
    found = match_file(graph, theirs, file)
    if not found.same:
        layers = tuple(_describe_differences(path, found, file.graph))
        return FileFindings(str(path), layers=layers, shapes=shapes, behind=("weights",), surroundings=around)
    words = f"all {_count_layers(file.graph)} of {path} ({_describe_match(found, file)})"
    comparison = compare_weights(path, given.path, found, file) if given else WeightComparison("", ())
    ranges = compare_ranges(path, found, file, _resize_images(subject, graph) if weights else None)
    valid, unknown = _check_validity(path)
    unknown += ["labels"] if subject.loaded.spec.labels and not file.labels else []
    return FileFindings(
        str(path),
        words,
        comparison.words,
        ranges.words,
        (*(() if weights else ("weights",)), *filter(None, [ranges.left]), *unknown),
        layers=(*valid, *ranges.faults),
        shapes=shapes,
        weights=comparison.faults,
        surroundings=around,
    )


def _check_validity(path: Path) -> tuple[list[str], list[str]]:
    """That a file is no valid ONNX, if so; and that this could not be told."""
    try:
        why = find_fault(path)
    except NoAnswerError:
        return [], ["whether it is valid ONNX"]
    return [f"{path}: no valid ONNX: {why}"] if why else [], []


def _resize_images(subject: Subject, graph: Graph) -> Input:
    """What the spec says of images, at the size at which its graph was made."""
    return subject.loaded.spec.input.model_copy(update={"size": graph.input.shape[1:]})


def _lower_at_their_size(loaded: Loaded, ours: Graph, theirs: Graph, *, inside: bool) -> Graph | None:
    """The spec's graph, `ours`, for images of the file's size; None where the two cannot be compared."""
    shape = theirs.input.shape
    if shape == ours.input.shape:
        return ours
    if shape[0] != ours.input.shape[0]:
        return None
    try:
        other = with_input_size(loaded, shape[1:])
        served = read_stated_network(other) if inside else None
        return served.graph if served else lower(other)
    except Refused:
        return None


def _compare_shapes(path: Path, theirs: Graph, ours: Graph) -> Iterator[str]:
    if theirs.input.shape != ours.input.shape:
        yield f"{path} takes {sides(theirs.input.shape)}, the spec {sides(ours.input.shape)}"
    made, wanted = ([value.shape for value in graph.outputs] for graph in (theirs, ours))
    headless = theirs.input.shape != ours.input.shape and any(len(shape) == 3 for shape in made)
    if made != wanted and not headless:
        yield f"{path} outputs {_format_shapes(made)}, the spec {_format_shapes(wanted)}"


def _format_shapes(shapes: list[tuple[int, ...]]) -> str:
    return " and ".join(map(sides, shapes))


def _count_layers(graph: Graph) -> str:
    return several(sum(node.op.is_layer for node in graph.nodes), "layer")


def _describe_match(found: FileMatch, file: OnnxModel) -> str:
    """How the file has it: names, norms, types."""
    layers = [(ours, theirs) for ours, theirs in found.match.pairs if ours.op.is_layer]
    other = sum(ours.name != theirs.name for ours, theirs in layers)
    names = "named as in the spec" if not other else f"{other} of {len(layers)} named otherwise"
    norms = any(type(node.op).__name__ == "BatchNorm" for node in file.graph.nodes)
    kept = "batch norm folded" if found.variant.folded else "batch norm kept" if norms else ""
    zero = f"{found.unbiased:,} bias{'es' if found.unbiased > 1 else ''} left out as zero" if found.unbiased else ""
    return ", ".join(filter(None, [names, kept, zero, file.precision, *_list_limits(file)]))


def _list_limits(file: OnnxModel) -> Iterator[str]:
    """In what a file is not for every input what it is said to be."""
    if file.batch is not None:
        yield f"for batches of {file.batch} alone"
    if file.images != "float32" and not file.surroundings.input:
        yield f"images given as {file.images}"
    if file.reach < (_HALF if "float16" in file.types else math.inf):
        yield f"activations as in the spec up to {file.reach:.2g} and other ones beyond"
    yield from describe_surroundings(file.surroundings)
    if file.replaceable:
        yield f"{several(file.replaceable, 'initializer')} among the inputs, for which a caller may give others"


def _describe_differences(path: Path, found: FileMatch, theirs: Graph) -> Iterator[str]:
    """The first differences in words, and the counts of both sides."""
    graph = found.variant.graph
    known = {b.output.name: a.output.name for a, b in found.match.pairs} | {theirs.input.name: graph.input.name}
    ours, others = (
        _find_roots(found.match.missing, set(known.values())),
        _find_roots(found.match.unexplained, set(known)),
    )
    for b in others[:MOST_REPORTED]:
        a = _find_counterpart(b, ours, known)
        if a:
            ours.remove(a)
            yield f"{path}: '{b.name}' is {_describe_node(b, a)}, where the spec has '{a.name}', {_describe_node(a, b)}"
        else:
            yield f"{path}: '{b.name}', {describe(b)}, is not in the spec"
    yield from (f"{path}: '{node.name}', {describe(node)}, is missing" for node in ours[:MOST_REPORTED])
    if not (found.match.missing or found.match.unexplained):
        yield f"{path}: all operations are there, but the outputs are others"
    operations = several(len(graph.nodes), "operation")
    pairs = f"from the input on, {len(found.match.pairs):,} of the spec's {operations} match"
    yield f"{path}: {pairs}; {_describe_counts(theirs)} there, {_describe_counts(graph)} in the spec"


def _find_roots(nodes: tuple[Node, ...], explained: set[str]) -> list[Node]:
    """The nodes that are unlike and whose operands are alike."""
    return [node for node in nodes if all(value.name in explained for value in node.inputs)]


def _find_counterpart(node: Node, ours: list[Node], known: dict[str, str]) -> Node | None:
    """What the spec reads the same values with: a node of that name, or else of that kind, or any."""
    operands = sorted(known[value.name] for value in node.inputs)
    there = [other for other in ours if sorted(value.name for value in other.inputs) == operands]
    there.sort(key=lambda other: (other.name != node.name, type(other.op) is not type(node.op)))
    return there[0] if there else None


def _describe_node(node: Node, other: Node) -> str:
    """A node in words, with the settings in which it differs from another that reads the same."""
    words = describe(node)
    if words != describe(other) or type(node.op) is not type(other.op):
        return words
    ours, theirs = drop_invisible(node.op), drop_invisible(other.op)
    settings = [f.name for f in fields(ours)] if hasattr(ours, "__match_args__") else []
    apart = [f"{name} {getattr(ours, name):g}" for name in settings if getattr(ours, name) != getattr(theirs, name)]
    return ", ".join([words, *apart])


def _describe_counts(graph: Graph) -> str:
    counts = count(graph)
    return f"{counts.params:,} parameters and {counts.macs:,} MACs"
