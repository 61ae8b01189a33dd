"""From the nodes of an ONNX file to ours, in the file's order, one rule an operator."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from resnet_gen import ops
from resnet_gen.graph import Net, Value
from resnet_gen.onnx.reading import activations
from resnet_gen.onnx.reading.constants import FileConstant
from resnet_gen.onnx.reading.elementwise_forms import COMPARISONS
from resnet_gen.onnx.reading.naming import NodeNames
from resnet_gen.onnx.reading.signals import (
    ActivationTerm,
    AxisMean,
    BroadcastGate,
    Elementwise,
    NormalizedGroups,
    PaddedMap,
    PendingNode,
    PermutedMap,
    QuantizedSignal,
    RearrangedTerm,
    Signal,
    StackedMaps,
    StridedMap,
    TooLarge,
    Transposed,
    UnexplainedOperator,
    ValueSignal,
)
from resnet_gen.onnx.reading.sums_of_products import ExpressionTree
from resnet_gen.ops.base import format_shape
from resnet_gen.problems import Refused, shorten

_OF_ANY_TYPE = (*COMPARISONS, "Where")
"""Functions of activations whose results may be truth."""
_LARGEST_FUNCTION = 40
"""Operators that one elementwise function may take."""
_LARGEST_ACTIVATION = 20
"""Operators that an activation is spelled out in at most, where it is of another function."""
_APART: dict[str, Callable[[], ops.Op]] = {"Add": ops.Add, "Mul": ops.Mul, "Sub": ops.OneMinus}
"""What the last operator of a function may be by itself."""


class FunctionStep(NamedTuple):
    """The last operators of a function as an activation of a term, and as a tree over that."""

    op: ops.Activation
    tree: ExpressionTree
    of: ActivationTerm


class GraphWalk:
    """Our graph as far as it has been read: nodes, and the constants that are their weights.

    `reach` is the magnitude up to which every activation that is spelled out is computed as ours is;
    `quantized_signals` are the activations that are quantized; `types` are the element types that the input has and
    that activations are cast to, and None where some may have any; `implied_relus` are the values that a ReLU makes
    which stands in no node of the file.
    """

    def __init__(self, input: Value, names: NodeNames, batch: int | None, images: np.dtype[Any]) -> None:
        self.net = Net(input)
        self.batch = batch
        self.types: set[np.dtype[Any] | None] = {images}
        self.weights: dict[str, FileConstant] = {}
        self.stacks: dict[tuple[int, ops.Shape], StackedMaps] = {}
        self.reach = math.inf
        self.quantized_signals: list[QuantizedSignal] = []
        self.implied_relus: set[str] = set()
        self._images = images
        self._names = names
        self._nonnegative: set[str] = set()
        self._values: dict[int, tuple[ActivationTerm, Value]] = {}
        self._steps: dict[int, tuple[Elementwise, FunctionStep | None]] = {}
        self._views: dict[tuple[int, ops.Shape], ActivationTerm] = {}

    def add(self, op: ops.Op, inputs: Sequence[Value], constants: Mapping[str, FileConstant], origin: int) -> Value:
        """One more node of ours; raises `UnexplainedOperator` where shapes or weights do not fit, and `TooLarge`."""
        shapes = [value.shape for value in inputs]
        tensors = self.match_weights(op, shapes, constants, origin)
        weight = constants.get("weight")
        name = self._names.name(origin, weight.names if weight else ("",) if constants else ())
        try:
            value = self.net.add(name, op, *inputs)
        except Refused as refused:
            raise TooLarge(refused.problems[0].message, origin) from None
        if op.nonnegative(*(before.name in self._nonnegative for before in inputs)):
            self._nonnegative.add(value.name)
        for tensor in tensors:
            self.weights[f"{name}.{tensor.role}"] = constants[tensor.role]
        return value

    def match_weights(
        self, op: ops.Op, shapes: Sequence[ops.Shape], constants: Mapping[str, FileConstant], origin: int | None
    ) -> tuple[ops.Tensor, ...]:
        """The weights of an operation, which the constants are; raises `UnexplainedOperator` where they are not."""
        try:
            op.shape(*shapes)
            tensors = op.weights(*shapes)
        except ops.ShapeError as error:
            raise UnexplainedOperator(str(error), origin) from None
        if {tensor.role for tensor in tensors} != constants.keys():
            raise UnexplainedOperator("it lacks a weight", origin)
        for tensor in tensors:
            found, wanted = constants[tensor.role].dims, tensor.shape
            if found != wanted:
                raise UnexplainedOperator(
                    f"its {tensor.role} is {format_shape(found)}, where {format_shape(wanted)} goes", origin
                )
        return tensors

    def type_of(self, wire: Signal | StackedMaps | QuantizedSignal) -> np.dtype[Any] | None:
        """The element type of an activation: the input's, or the one that all have; None where it does not follow."""
        term = wire.term if isinstance(wire, Signal) else None
        if isinstance(term, ValueSignal) and term.value == self.net.input:
            return self._images
        alike = term is not None and not _may_be_truth(term) and self.types == {self._images}
        return self._images if alike else None

    def value(self, term: ActivationTerm) -> Value:
        """A term as a value of our graph; nodes are added for what waited. Raises `UnexplainedOperator`."""
        if isinstance(term, ValueSignal):
            return term.value
        if id(term) not in self._values:
            self._values[id(term)] = term, self._add_term(term)
        return self._values[id(term)][1]

    def _add_term(self, term: ActivationTerm) -> Value:
        if isinstance(term, PendingNode):
            return self.add(term.op, [self.value(t) for t in term.inputs], term.constants, term.origin)
        if isinstance(term, Elementwise):
            return self._add_function(term)
        if isinstance(term, PaddedMap):
            return self._add_padding(term)
        if isinstance(term, StridedMap) and term.steps[0] == term.steps[1]:
            return self.add(ops.Subsample(term.steps[0]), [self.value(term.inner)], {}, term.origin)
        if isinstance(term, Transposed):
            raise UnexplainedOperator(f"perm {list(term.order)}: dimensions in another order", term.origin)
        raise UnexplainedOperator(_ALONE.get(type(term), "it is none of our operations"), term.origin)

    def _add_padding(self, term: PaddedMap) -> Value:
        (more, *before), (out, *after) = term.before, term.after
        if term.mode == "constant" and not any((more, *before, *after)):
            return self.add(ops.PadChannels(term.shape[0]), [self.value(term.inner)], {}, term.origin)
        if term.mode == "constant" and not more + out and before[0] == before[1] and after[0] == after[1]:
            return self.add(ops.PadMap(before[0], after[0]), [self.value(term.inner)], {}, term.origin)
        raise UnexplainedOperator(
            f"{list(term.before)} channels, rows and columns before, {list(term.after)} behind, by mode '{term.mode}'",
            term.origin,
        )

    def _add_function(self, term: Elementwise) -> Value:
        """The last operators as an activation, or the last as a sum or a product."""
        step = self._find_step(term) or next(_list_steps(term), None)
        if step is None:
            return self._add_last_operator(term)
        return self._add_activation(step.op, step.tree, step.of, term.origin)

    def _find_step(self, term: Elementwise) -> FunctionStep | None:
        """The activation that the last operators of a function are, of what can be explained in turn."""
        if id(term) not in self._steps:
            found = next((step for step in _list_steps(term) if self._is_explained(step.of)), None)
            self._steps[id(term)] = term, found
        return self._steps[id(term)][1]

    def _is_explained(self, term: ActivationTerm) -> bool:
        """Whether a function is one of ours; what is no function of another activation is not looked at."""
        if not isinstance(term, Elementwise) or self._find_step(term):
            return True
        return _is_own_node(term) and all(self._is_explained(t) for t in term.operands if isinstance(t, ActivationTerm))

    def is_never_negative(self, term: ActivationTerm) -> bool:
        """Whether an activation is never below zero."""
        if isinstance(term, ValueSignal):
            return term.value.name in self._nonnegative
        if isinstance(term, PendingNode):
            return term.op.nonnegative(*map(self.is_never_negative, term.inputs))
        if isinstance(term, Elementwise):
            return activations.is_never_negative(term.tree, only_above=self.is_never_negative(term.leaf))
        return isinstance(term, RearrangedTerm) and self.is_never_negative(term.inner)

    def find_value(self, term: ActivationTerm) -> Value | None:
        """The value of our graph that a term has become, if it has."""
        return term.value if isinstance(term, ValueSignal) else self._values.get(id(term), (None, None))[1]

    def _add_activation(self, op: ops.Activation, tree: ExpressionTree, of: ActivationTerm, origin: int) -> Value:
        value = self.value(of)
        if op.function == "relu" and value.name in self.implied_relus:
            return value
        value = self.add(op, [value], {}, origin)
        self.reach = min(self.reach, activations.measure_reach(tree, op))
        return value

    def _add_last_operator(self, term: Elementwise) -> Value:
        """The last operator of a function as a node of its own."""
        values = [self.value(t) for t in term.operands if isinstance(t, ActivationTerm)]
        if not _is_own_node(term):
            text = shorten(activations.as_text(term.tree), 200)
            raise UnexplainedOperator(f"{text} is none of our activations", term.origin)
        return self.add(_APART[term.op_type](), values, {}, term.origin)

    def resolve_dims(self, signal: Signal) -> ActivationTerm:
        """What computes a signal as it stands: changes of dimensions become operations of ours."""
        term, dims = signal.term, signal.dims
        if dims == term.shape:
            return term
        key = id(term), dims
        if key not in self._views:
            op: ops.Op
            if len(dims) == 1 and len(term.shape) == 3:
                op = ops.Flatten()
            elif len(term.shape) == 1 and dims == (*term.shape, 1, 1):
                op = ops.AsMap()
            else:
                raise UnexplainedOperator(f"{format_shape(term.shape)} is read as {format_shape(dims)}", signal.origin)
            self._views[key] = PendingNode(dims, signal.origin, op, (term,))
        return self._views[key]


_ALONE = {
    AxisMean: "means of rows or of columns alone",
    NormalizedGroups: "a normalization without a scale and a shift of each channel",
    BroadcastGate: "values repeated",
    StridedMap: "rows and columns at unequal steps",
    PermutedMap: "channels in another order",
}


def make_elementwise(
    op_type: str, settings: dict[str, Any], operands: Sequence[ActivationTerm | float], origin: int
) -> Elementwise:
    """A function of one activation; raises `UnexplainedOperator` where it is of two."""
    terms = [t for t in operands if isinstance(t, ActivationTerm)]
    leaves = {id(_leaf_of(t)): _leaf_of(t) for t in terms}
    size = 1 + sum(t.size for t in terms if isinstance(t, Elementwise))
    if len(leaves) != 1:
        raise UnexplainedOperator("a function of more than one activation", origin)
    if size > _LARGEST_FUNCTION:
        raise UnexplainedOperator("an elementwise function of too many operators", origin)
    (leaf,) = leaves.values()
    flat = tuple(sorted(settings.items()))
    trees: list[ExpressionTree] = [_tree_of(t) for t in operands]
    return Elementwise(leaf.shape, origin, op_type, flat, tuple(operands), leaf, (op_type, flat, *trees), size)


def _is_own_node(term: Elementwise) -> bool:
    """Whether the last operator of a function is a sum, a product or a difference of ours by itself."""
    terms = sum(isinstance(t, ActivationTerm) for t in term.operands)
    return (term.op_type in ("Add", "Mul") and terms == 2) or (
        term.op_type == "Sub" and terms == 1 and term.operands[0] == 1.0
    )


def _list_steps(term: Elementwise) -> Iterator[FunctionStep]:
    """What the last operators of a function may be: the last alone, all of them, or those behind an inner function."""
    last = _find_last_activation(term)
    if last:
        yield FunctionStep(
            last, isolate_last_operator(term), next(t for t in term.operands if isinstance(t, ActivationTerm))
        )
    whole = activations.identify_activation(term.tree)
    if whole:
        yield FunctionStep(whole, term.tree, term.leaf)
    for one in _find_waists(term):
        tree = activations.replace_inner(term.tree, one.tree)
        op = activations.identify_activation(tree)
        if op:
            yield FunctionStep(op, tree, one)


def _find_waists(term: Elementwise) -> Iterator[Elementwise]:
    """The functions through which alone a function reads its activation, the outermost first."""
    reached: dict[ExpressionTree, Elementwise] = {term.tree: term}
    for _ in range(_LARGEST_ACTIVATION):
        outer = max(reached.values(), key=lambda t: t.size)
        del reached[outer.tree]
        inner = [t for t in outer.operands if isinstance(t, ActivationTerm)]
        if term.leaf in inner:
            return
        reached |= {t.tree: t for t in inner if isinstance(t, Elementwise)}
        if len(reached) == 1:
            yield from reached.values()


def _find_last_activation(term: Elementwise) -> ops.Activation | None:
    """The activation that the last operator of a function is by itself."""
    settings = dict(term.settings)
    if term.op_type in activations.SLOPED and settings["alpha"]:  # without a slope, both are ReLU
        return ops.Activation(activations.SLOPED[term.op_type], activations.shorten_number(settings["alpha"]))
    if sum(isinstance(t, ActivationTerm) for t in term.operands) != 1:
        return None
    return activations.identify_activation(isolate_last_operator(term))


def isolate_last_operator(term: Elementwise) -> ExpressionTree:
    """The last operator of a function, as a function of what it reads."""
    return (term.op_type, term.settings, *(t if isinstance(t, float) else None for t in term.operands))


def _leaf_of(term: ActivationTerm) -> ActivationTerm:
    return term.leaf if isinstance(term, Elementwise) else term


def _tree_of(operand: ActivationTerm | float) -> ExpressionTree:
    if isinstance(operand, float):
        return operand
    return operand.tree if isinstance(operand, Elementwise) else None


def have_same_leaf(first: ActivationTerm, second: ActivationTerm) -> bool:
    """Whether two terms are functions of one activation."""
    return _leaf_of(first) is _leaf_of(second)


def _may_be_truth(term: ActivationTerm) -> bool:
    """Whether an activation may be of true and false, and not of numbers."""
    if isinstance(term, Elementwise):
        return term.op_type in _OF_ANY_TYPE
    if isinstance(term, Transposed):
        return _may_be_truth(term.inner.term)
    return isinstance(term, RearrangedTerm) and _may_be_truth(term.inner)
