"""A whole file, node by node: each by its rule, or kept as it stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from onnx import NodeProto

from resnet_gen.graph import Graph, Node, Value, live
from resnet_gen.graph.surroundings import NOTHING_AROUND, Surroundings
from resnet_gen.onnx.metadata_contradictions import find_contradiction
from resnet_gen.onnx.reading.constants import DTYPES, FileConstant, tensor_constant
from resnet_gen.onnx.reading.custom_domains import FileFunctions
from resnet_gen.onnx.reading.graph_builder import GraphWalk
from resnet_gen.onnx.reading.header import FileHeader
from resnet_gen.onnx.reading.model import FileWeights, OnnxModel
from resnet_gen.onnx.reading.model_outline import Outline
from resnet_gen.onnx.reading.naming import NodeNames
from resnet_gen.onnx.reading.opaque import InferredShapes, make_opaque
from resnet_gen.onnx.reading.operator_call import OperatorCall
from resnet_gen.onnx.reading.quantized_ranges import find_code_ranges
from resnet_gen.onnx.reading.roles import with_roles
from resnet_gen.onnx.reading.rules import RULES, rule_for
from resnet_gen.onnx.reading.signals import (
    QuantizedSignal,
    ShapeSizes,
    Signal,
    StackedMaps,
    TooLarge,
    UnexplainedOperator,
    ValueSignal,
    Wire,
)
from resnet_gen.onnx.reading.surroundings import see_through, settle_kinds
from resnet_gen.ops import Conv, Flatten, Linear
from resnet_gen.problems import Refused, shorten

_ACTIVATIONS = (Signal, StackedMaps, QuantizedSignal)


class NotExplained(Refused):
    """A file that may be whole, with a node that is none of our operations."""


class ModelReader:
    """Reads one file by its outline; with `partial`, nodes that are none of our operations are kept as they stand.

    What stands around the network is told apart from it, unless `look_inside` is not set.
    """

    def __init__(self, path: Path, outline: Outline, *, partial: bool, look_inside: bool = True) -> None:
        self._path, self._outline, self._partial = path, outline, partial
        whole = FileHeader(outline, path)
        self._opset, constants = whole.opset(), whole.initializers()
        inner = see_through(outline.model, constants, self._opset) if look_inside else None
        self._around = inner.surroundings if inner else NOTHING_AROUND
        self._file = outline._replace(model=inner.model) if inner else outline
        self._nodes = list(self._file.model.graph.node)
        self._header = FileHeader(self._file, path, inner.places if inner else ())
        self._functions = FileFunctions(self._file.model.functions)
        self._wires: dict[str, Wire] = dict(constants)
        given, self._batch, self._images = self._header.input(self._wires, inner.strange if inner else None)
        self._types = {self._images}
        self._wires[given.name] = Signal(ValueSignal(given.shape, -1, given), given.shape, -1)
        self._names = NodeNames(self._nodes, {given.name})
        images = next(dtype for dtype in DTYPES.values() if dtype.name == self._images)
        self._walk = GraphWalk(given, self._names, self._batch, images)
        self._shapes = InferredShapes(self._file.model)
        self._opaque_results: dict[int, list[Signal]] = {}

    def read(self) -> OnnxModel:
        """The file as a graph; raises `Refused`."""
        try:
            found = self._read_model()
        except TooLarge as error:
            raise self._header.make_node_refusal(error.at, str(error)) from None
        around = self._settle_surroundings(found.graph)
        if around is None:
            return ModelReader(self._path, self._outline, partial=self._partial, look_inside=False).read()
        wrong = find_contradiction(self._header.metadata(), self._around)
        size = self._header.leaves_size_open(self._walk.net.input.name)
        return replace(found, surroundings=around, labels=self._header.labels(), contradiction=wrong, open_size=size)

    def _settle_surroundings(self, graph: Graph) -> Surroundings | None:
        """What is around the graph, once its outputs are known; None for what is of other outputs than they are."""
        named = self._around.name_values(graph.outputs)
        ranks = {name: len(value.shape) for name, value in named.items()}
        makers = {node.output: node for node in graph.nodes}
        scores = {name for name, value in named.items() if _is_of_layer(value, makers)}
        return settle_kinds(self._around, ranks, frozenset(scores))

    def _read_model(self) -> OnnxModel:
        outputs = self._header.outputs(self._walk.net.input.name)
        wanted = self._header.order_nodes(outputs, self._wires.keys())
        for index in wanted:
            self._read_node(index)
        graph, called = self._finish_graph(outputs)
        covered = (
            c._replace(value=called.get(c.value, c.value))
            for c in find_code_ranges(self._walk.quantized_signals, self._walk)
        )
        state = graph.state()
        weights = {name: constant for name, constant in self._walk.weights.items() if name in state}
        read = FileWeights(weights, self._path)
        types = self._types.union(read.types.values(), (dtype.name for dtype in self._walk.types if dtype))
        return OnnxModel(
            self._path, graph, read, self._opset, self._header.producer(), self._batch,
            frozenset(types), dict(self._names.origins), len(self._nodes) - len(wanted),
            self._walk.reach, tuple(covered), self._header.count_replaceable(), self._images,
        )  # fmt: skip

    def _read_node(self, index: int) -> None:
        node = self._nodes[index]
        dispute = self._functions.explain_dispute(node)
        if dispute:
            raise self._header.make_node_refusal(index, dispute)
        wires = [self._find_wire(index, name) for name in node.input]
        try:
            results = self._apply_rule(index, wires)
        except UnexplainedOperator as unexplained:
            results = self._handle_unexplained(index, wires, unexplained)
        except Refused as refused:  # of a constant
            raise self._header.make_node_refusal(index, refused.problems[0].message) from None
        for name, wire in zip(node.output, results, strict=False):
            if name:
                self._wires[name] = wire.with_name(name) if isinstance(wire, FileConstant) else wire

    def _find_wire(self, index: int, name: str) -> Wire | None:
        if not name:
            return None
        found = self._wires.get(name)
        if found is None:
            raise self._header.make_node_refusal(index, f"it reads '{shorten(name)}', which nothing makes")
        return found

    def _apply_rule(self, index: int, wires: list[Wire | None]) -> Sequence[Wire]:
        """What a node's results are by its rule; raises `UnexplainedOperator`."""
        node = self._nodes[index]
        foreign = self._functions.explain_foreign(node)
        if foreign:
            raise UnexplainedOperator(foreign)
        of_attribute = partial(tensor_constant, place=None, file=self._file, path=self._path)
        call = OperatorCall(self._walk, node, index, self._opset, wires, of_attribute)
        rule = rule_for(call)
        if rule is None:
            raise UnexplainedOperator("it is none of our operations")
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            self._record_types(node, wires)
        found = rule(call)
        return found if isinstance(found, list) else [found]

    def _record_types(self, node: NodeProto, wires: Sequence[Wire | None]) -> None:
        """Remember the types that Q/DQ round to."""
        zero = wires[2] if len(wires) > 2 else None
        rounded = zero if isinstance(zero, FileConstant) else wires[0]
        if isinstance(rounded, FileConstant):
            self._types.add(rounded.dtype.name)
        elif node.op_type == "QuantizeLinear":
            self._types.add("uint8")

    def _handle_unexplained(
        self, index: int, wires: list[Wire | None], unexplained: UnexplainedOperator
    ) -> Sequence[Wire]:
        """A node's results where it, or one before that waits for it, is kept as it stands; else a refusal."""
        at = index if unexplained.at is None else unexplained.at
        if not self._partial:
            raise NotExplained(self._header.make_node_refusal(at, str(unexplained)).problems) from None
        if at != index:
            settled: list[Wire | None] = [self._settle_signal(w) if isinstance(w, _ACTIVATIONS) else w for w in wires]
            try:
                return self._apply_rule(index, settled)
            except UnexplainedOperator:
                pass
        return self._keep_node(index, unexplained if unexplained.at in (None, index) else None)

    def _settle_signal(self, wire: Signal | StackedMaps | QuantizedSignal) -> Signal:
        """An activation that is a value of our graph; where it is none yet, what makes it is kept as it stands."""
        at = wire.origin
        if isinstance(wire, QuantizedSignal) and not self._partial:
            raise NotExplained(self._header.make_node_refusal(at, "no DequantizeLinear is behind it").problems)
        if isinstance(wire, Signal):
            try:
                value = self._walk.value(self._walk.resolve_dims(wire))
                return Signal(ValueSignal(value.shape, wire.origin, value), value.shape, wire.origin)
            except UnexplainedOperator as unexplained:
                if not self._partial:
                    at = at if unexplained.at is None else unexplained.at
                    raise NotExplained(self._header.make_node_refusal(at, str(unexplained)).problems) from None
        made, names = self._keep_node(at), list(filter(None, self._nodes[at].output))
        return next((s for s, name in zip(made, names, strict=True) if self._wires.get(name) is wire), made[0])

    def _keep_node(self, index: int, why: UnexplainedOperator | None = None) -> list[Signal]:
        """A node's results with the shapes that follow; where none does, what its rule says explains it better."""
        if index not in self._opaque_results:
            node = self._nodes[index]
            wires = [self._find_wire(index, name) for name in node.input]
            terms = {place: self._settle_signal(w).term for place, w in enumerate(wires) if isinstance(w, _ACTIVATIONS)}
            values = {place: term.value for place, term in terms.items() if isinstance(term, ValueSignal)}
            fixed = {place: wire for place, wire in enumerate(wires) if isinstance(wire, (FileConstant, ShapeSizes))}
            try:
                if not values:
                    raise UnexplainedOperator("it is none of our operations, and reads no activation")
                self._walk.types.add(None)
                self._opaque_results[index] = make_opaque(
                    self._walk, node, index, values, fixed, self._shapes, self._functions
                )
            except UnexplainedOperator as unexplained:
                known = why and self._nodes[index].op_type in RULES
                raise self._header.make_node_refusal(index, str(why if known else unexplained)) from None
        return self._opaque_results[index]

    def _finish_graph(self, outputs: Sequence[str]) -> tuple[Graph, dict[str, str]]:
        """The graph of all that the outputs depend on, and by their names before which values are called otherwise."""
        values = []
        for name in outputs:
            wire = self._wires.get(name)
            if not isinstance(wire, _ACTIVATIONS):
                raise self._header.make_refusal(f"output '{shorten(name)}' is no activation")
            term = self._settle_signal(wire).term
            assert isinstance(term, ValueSignal)
            values.append(term.value)
        if len({*values, self._walk.net.input}) != len(values) + 1:
            raise self._header.make_refusal("its outputs are one activation twice, or the input itself")
        name = shorten(self._file.model.graph.name or self._path.stem)
        graph = live(self._walk.net.graph(name, values))
        called = _output_names(graph, outputs)
        return with_roles(_rename_values(graph, called)), called


def _is_of_layer(value: Value, makers: Mapping[Value, Node]) -> bool:
    """Whether a layer with weights makes a value, of which nothing but the dimensions is changed."""
    while value in makers and isinstance(makers[value].op, Flatten):
        value = makers[value].inputs[0]
    return value in makers and isinstance(makers[value].op, (Linear, Conv))


def _output_names(graph: Graph, outputs: Sequence[str]) -> dict[str, str]:
    """What the file calls the outputs, by their names, where no other value has the name."""
    values = {node.output.name for node in graph.nodes} | {graph.input.name}
    return {v.name: name for v, name in zip(graph.outputs, outputs, strict=True) if name not in values}


def _rename_values(graph: Graph, new: Mapping[str, str]) -> Graph:
    """The graph with other names for some of its values."""

    def value(old: Value) -> Value:
        return old._replace(name=new.get(old.name, old.name))

    nodes = (n.called(n.name, tuple(map(value, n.inputs)), value(n.output)) for n in graph.nodes)
    return replace(graph, nodes=tuple(nodes), outputs=tuple(map(value, graph.outputs)))
