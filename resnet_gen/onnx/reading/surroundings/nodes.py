"""The nodes of a file as what makes and reads its tensors, and its constants as exact numbers."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Mapping, Sequence
from fractions import Fraction
from operator import contains
from typing import Any, TypeAlias

import numpy as np
from onnx import AttributeProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from resnet_gen.onnx.reading.constants import FileConstant
from resnet_gen.onnx.reading.custom_domains import FileFunctions
from resnet_gen.onnx.reading.operator_call import read_attributes
from resnet_gen.onnx.reading.rounding_error import MissingNumbersError
from resnet_gen.onnx.reading.signals import UnexplainedOperator
from resnet_gen.problems import Refused

ExactNumbers: TypeAlias = tuple[Fraction, ...]
"""One number for all channels, or one for each, without rounding."""

_MOST_NUMBERS = 4096
"""Numbers of a constant that has to do with pixels: no image has as many channels."""
_GRAPHS = (AttributeProto.GRAPH, AttributeProto.GRAPHS)
_COMPUTED = (
    "Add", "Cast", "Concat", "Div", "Gather", "Identity", "Mul", "Neg", "Reciprocal", "Reshape", "Slice", "Sqrt",
    "Squeeze", "Sub", "Transpose", "Unsqueeze",
)  # fmt: skip
"""What may make a constant of others: exporters leave arithmetic of a mean and a deviation where it stands."""
_DEEPEST = 16
_MOST_NAMES = 4096
"""Tensors that a node may read and make: around a network none has so many."""
_MOST_PRODUCTS = 1 << 20
"""Numbers that may come of two constants."""
_ALONG: tuple[tuple[list[int] | None, ...], ...] = ((None, [0], [-1]), (None, [1]))
"""Axes and steps of a slice of a list."""


class TensorFlow:
    """Who makes and who reads each tensor of a model; `whole` says that this is all there is to know.

    It is not where names are made twice, where nodes stand before what they read, or have graphs inside, which read
    what they like.
    """

    def __init__(self, model: ModelProto, constants: Mapping[str, FileConstant], opset: int) -> None:
        self.nodes, self._constants, self._opset = list(model.graph.node), constants, opset
        self.outputs = [value.name for value in model.graph.output]
        self._functions = FileFunctions(model.functions)
        self.makers: dict[str, int] = {}
        self.readers: dict[str, list[int]] = {}
        self.whole = len({*self.outputs}) == len(self.outputs)
        self._attributes: dict[int, dict[str, Any] | None] = {}
        self._arrays: dict[str, Any] = {}
        given = {value.name for value in model.graph.input}
        for index, node in enumerate(self.nodes):
            self._note_node(index, node, given)
        live = self.list_needed(self.outputs, ())
        self.readers = {name: [each for each in found if each in live] for name, found in self.readers.items()}

    def _note_node(self, index: int, node: NodeProto, given: Container[str]) -> None:
        if len(node.input) + len(node.output) > _MOST_NAMES:
            self.whole = False
            return
        for name in filter(None, node.input):
            self.readers.setdefault(name, []).append(index)
        for name in filter(None, node.output):
            self.whole &= name not in self.makers and name not in self.readers
            self.whole &= name not in self._constants and name not in given
            self.makers[name] = index
        self.whole &= not any(attribute.type in _GRAPHS for attribute in node.attribute)

    def attributes(self, index: int) -> dict[str, Any] | None:
        """A node's attributes with ONNX's defaults; None for what is no operator of ONNX's own, or stated wrongly."""
        if index not in self._attributes:
            self._attributes[index] = self._read_attributes(self.nodes[index])
        return self._attributes[index]

    def _read_attributes(self, node: NodeProto) -> dict[str, Any] | None:
        if self._functions.explain_dispute(node) or self._functions.explain_foreign(node):
            return None
        try:
            return read_attributes(node, self._opset, len(node.input))
        except UnexplainedOperator:
            return None

    def find_maker(self, name: str, *kinds: str) -> int | None:
        """The node that makes a tensor, if it is of one of these operators."""
        index = self.makers.get(name)
        return index if index is not None and self.is_of(index, *kinds) else None

    def is_of(self, index: int, *kinds: str) -> bool:
        """Whether a node is of one of these operators, and of ONNX's own."""
        return self.nodes[index].op_type in kinds and self.attributes(index) is not None

    def find_only_reader(self, name: str) -> int | None:
        """The one node that reads a tensor, once, and no output is; whoever asks for the batch's size reads nothing."""
        readers = [index for index in self.readers.get(name, []) if not self.asks_for_batch(index)]
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def asks_for_batch(self, index: int) -> bool:
        """Whether a node asks how many images there are, and no more: before a network nothing changes that."""
        attributes, made = self.attributes(index) or {}, list(self.nodes[index].output)
        if not self.is_of(index, "Shape") or len(made) != 1 or attributes.get("start"):
            return False
        if attributes.get("end") == 1:
            return True
        readers = self.readers.get(made[0], ())
        return made[0] not in self.outputs and all(self._takes_first(each, made[0]) for each in readers)

    def _takes_first(self, index: int, sizes: str) -> bool:
        """Whether a node takes the first of a tensor's sizes alone."""
        node, attributes = self.nodes[index], self.attributes(index) or {}
        numbers = [find_integers(self, name) if name else None for name in node.input[1:]]
        if node.input[0] != sizes or not self.is_of(index, "Gather", "Slice"):
            return False
        if node.op_type == "Gather":
            return numbers == [[0]] and attributes.get("axis", 0) in (0, -1)
        return numbers[:2] == [[0], [1]] and all(map(contains, _ALONG, numbers[2:]))

    def list_readers(self, nodes: Iterable[int], names: Container[str]) -> list[int]:
        """Those of some nodes that read any of these tensors."""
        return [index for index in nodes if any(name in names for name in self.nodes[index].input)]

    def list_needed(self, outputs: Sequence[str], given: Container[str]) -> set[int]:
        """The nodes that tensors depend on, but for those behind any of `given`."""
        needed: set[int] = set()
        waiting = [name for name in outputs if name not in given]
        while waiting:
            index = self.makers.get(waiting.pop())
            if index is not None and index not in needed:
                needed.add(index)
                waiting += [name for name in self.nodes[index].input if name and name not in given]
        return needed

    def find_array(self, name: str, depth: int = 0) -> Any:
        """The numbers of a small constant, which nodes may have computed from others; None where it is none."""
        if name not in self._arrays:
            made = self.find_maker(name, *_COMPUTED) if depth < _DEEPEST else None
            self._arrays[name] = self._find_initializer(name) if made is None else self._compute_array(made, depth + 1)
        return self._arrays[name]

    def _compute_array(self, index: int, depth: int) -> Any:
        """What a node makes of constants; ONNX's own code says it."""
        node, arrays = self.nodes[index], {}
        for name in filter(None, node.input):
            arrays[name] = self.find_array(name, depth)
            if arrays[name] is None:
                return None
        if math.prod(max(each.size, 1) for each in [*arrays.values()][:2]) > _MOST_PRODUCTS:
            return None
        from onnx.reference import ReferenceEvaluator  # which takes a while, and few files need it

        try:
            with np.errstate(all="ignore"):
                results: Any = ReferenceEvaluator(_wrap_node(node, self._opset)).run(None, arrays)
        except Exception:  # whatever onnx makes of operands that do not go together
            return None
        return results[0] if results[0].size <= _MOST_NUMBERS else None

    def _find_initializer(self, name: str) -> Any:
        if name in self._constants:
            return _load_small(self._constants[name])
        index = self.find_maker(name, "Constant")
        attributes = None if index is None else self.attributes(index)
        return None if attributes is None else _read_constant(attributes)


def _wrap_node(node: NodeProto, opset: int) -> Any:
    read = dict.fromkeys(filter(None, node.input))
    given = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in read]
    made = [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in node.output]
    graph = helper.make_graph([node], "constant", given, made)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def _load_small(constant: FileConstant) -> Any:
    if constant.size > _MOST_NUMBERS:
        return None
    try:
        return constant.array()
    except (MissingNumbersError, Refused):
        return None


def _read_constant(attributes: Mapping[str, Any]) -> Any:
    for name, kind in {"value_float": np.float32, "value_floats": np.float32, "value_int": np.int64,
                       "value_ints": np.int64}.items():  # fmt: skip
        if attributes.get(name) is not None:
            return np.asarray(attributes[name], kind)
    tensor = attributes.get("value")
    if tensor is None or tensor.external_data or np.prod(tensor.dims, dtype=float) > _MOST_NUMBERS:
        return None
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError):  # fields that do not go together
        return None


def find_integers(flow: TensorFlow, name: str) -> list[int] | None:
    """A constant that is a few whole numbers."""
    array = flow.find_array(name) if name else None
    if array is None or array.dtype.kind not in "iu" or array.ndim > 1:
        return None
    return [int(n) for n in array.reshape(-1)]


def find_exact(flow: TensorFlow, name: str, axis: int, channels: int) -> ExactNumbers | None:
    """A constant that is one number, or one for each channel of an image whose channels lie along `axis`."""
    array = flow.find_array(name)
    if array is None or array.ndim > 4 or not array.size:
        return None
    dims = (1,) * (4 - array.ndim) + array.shape
    if any(n != 1 for place, n in enumerate(dims) if place != axis) or dims[axis] not in (1, channels):
        return None
    return read_exact(array)


def read_exact(array: Any) -> ExactNumbers | None:
    """The numbers of a constant in their order; None where one is none that is finite."""
    numbers = np.asarray(array, np.float64).reshape(-1)
    return tuple(map(Fraction, map(float, numbers))) if np.isfinite(numbers).all() else None
