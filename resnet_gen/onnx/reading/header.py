"""What a file says before its nodes: opset, initializers, input, outputs; and which nodes count."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Sequence
from pathlib import Path

import onnx
from onnx import GraphProto, ModelProto

from resnet_gen.graph import MAX_ELEMENTS, Value
from resnet_gen.onnx.class_labels import read_class_labels
from resnet_gen.onnx.metadata_keys import SIZE_KEY
from resnet_gen.onnx.reading.constants import DTYPES, FileConstant, tensor_constant
from resnet_gen.onnx.reading.custom_domains import OWN
from resnet_gen.onnx.reading.model_outline import Outline
from resnet_gen.problems import Refused, refuse, shorten

OLDEST_OPSET = 11
"""The oldest opset whose operators the rules know."""
_NODES, _BYTES_EACH, _MOST = 15_000, 2_000, 100_000
"""Nodes of a file, of which the deepest networks have 5,000; one more for so many bytes of it; and at most."""
_FLOATS = ("float32", "float16", "bfloat16", "float64")


class FileHeader:
    """The parts of a model that are not its nodes, checked; every method raises `Refused`."""

    def __init__(self, file: Outline, path: Path, places: Sequence[int] = ()) -> None:
        self._file, self._path, self._places = file, path, places
        self._model: ModelProto = file.model
        self._graph: GraphProto = file.model.graph

    def make_refusal(self, message: str, hint: str | None = None) -> Refused:
        """A refusal of the file."""
        return refuse(message, str(self._path), hint)

    def make_node_refusal(self, index: int, why: str) -> Refused:
        """A refusal that says which node it is about, by its place in the file."""
        return self.make_refusal(f"{self._name_node(index)}: {why}")

    def _name_node(self, index: int) -> str:
        node = self._graph.node[index]
        index = self._places[index] if self._places else index
        named = f" '{shorten(node.name)}'" if node.name else ""
        return f"node {index}{named}, {shorten(node.op_type)}"

    def producer(self) -> str:
        """What wrote the file."""
        return shorten(f"{self._model.producer_name} {self._model.producer_version}".strip())

    def opset(self) -> int:
        """The opset of ONNX's own operators."""
        most = min(_MOST, _NODES + len(self._file.data) // _BYTES_EACH)
        if len(self._graph.node) > most:
            raise self.make_refusal(f"more than {most:,} nodes, which no network of its size has")
        found = {entry.version for entry in self._model.opset_import if entry.domain in OWN}
        newest = onnx.defs.onnx_opset_version()
        if len(found) != 1 or not OLDEST_OPSET <= min(found) <= newest:
            found_opset = f"opset {min(found)}" if len(found) == 1 else f"{len(found)} opsets of ONNX's own operators"
            raise self.make_refusal(f"{found_opset}: one of {OLDEST_OPSET} to {newest} can be read")
        return int(found.pop())

    def initializers(self) -> dict[str, FileConstant]:
        """The initializers by name."""
        if len(self._graph.sparse_initializer):
            raise self.make_refusal("sparse initializers cannot be read")
        found: dict[str, FileConstant] = {}
        for tensor, place in zip(self._graph.initializer, self._file.places, strict=True):
            if tensor.name in found:
                raise self.make_refusal(f"two initializers are called '{shorten(tensor.name)}'")
            found[tensor.name] = tensor_constant(tensor, place, self._file, self._path)
        return found

    def count_replaceable(self) -> int:
        """How many initializers are inputs, too."""
        return len({value.name for value in self._graph.input} & {tensor.name for tensor in self._graph.initializer})

    def input(self, initializers: Container[str], strange: int | None = None) -> tuple[Value, int | None, str]:
        """The one input as a value of ours, the size of its batch if that is fixed, and its element type.

        `strange` is the node up to which all that is made of pixels is known, where these are no network's input.
        """
        found = [value for value in self._graph.input if value.name not in initializers]
        if len(found) != 1:
            raise self.make_refusal(f"it has {len(found)} inputs, and a network of images has one")
        (value,) = found
        name, tensor = shorten(value.name), value.type.tensor_type
        dtype = DTYPES.get(tensor.elem_type)
        if dtype is None or dtype.name not in _FLOATS:
            self.order_nodes([value.name for value in self._graph.output], initializers)  # which says more of a circle
            hint = (
                None if strange is None else f"{self._name_node(strange)}, is no step from pixels that is seen through"
            )
            raise self.make_refusal(f"input '{name}': no floating-point numbers", hint)
        dims = [dim.dim_value if dim.HasField("dim_value") else None for dim in tensor.shape.dim]
        if len(dims) != 4:
            raise self.make_refusal(f"input '{name}': {len(dims)} dimensions, and a batch of images has 4")
        if dims[2:] == [None, None]:
            dims[2:] = self._stated_size()
        sides = tuple(n for n in dims[1:] if n is not None and n > 0)
        if len(sides) != 3 or (dims[0] is not None and dims[0] < 1):
            hint = "export it with a fixed size; only the batch may be left open"
            raise self.make_refusal(f"input '{name}': its size is not stated", hint)
        if math.prod(sides) > MAX_ELEMENTS:
            raise self.make_refusal(f"input '{name}': images of {list(sides)} are beyond any machine")
        return Value(value.name, sides), dims[0], dtype.name

    def leaves_size_open(self, name: str) -> bool:
        """Whether an input has no height and width of its own, but those that the file says its network is for."""
        sides = next(value.type.tensor_type.shape.dim[2:] for value in self._graph.input if value.name == name)
        return not any(side.HasField("dim_value") for side in sides)

    def _stated_size(self) -> list[int | None]:
        """The height and width that a file of ours, which takes any, says its network is for."""
        found = [entry.value for entry in self._model.metadata_props if entry.key == SIZE_KEY]
        match = re.fullmatch(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})", found[0], re.ASCII) if len(found) == 1 else None
        return [int(match[1]), int(match[2])] if match else [None, None]

    def metadata(self) -> dict[str, str]:
        """What it says of itself."""
        return {entry.key: entry.value for entry in self._model.metadata_props}

    def labels(self) -> tuple[str, ...]:
        """What its metadata call the classes; none where they say nothing that can be read."""
        try:
            return read_class_labels(self.metadata())
        except ValueError:
            return ()

    def outputs(self, given: str) -> list[str]:
        """The names of the outputs."""
        names = [value.name for value in self._graph.output]
        if not names or len({*names, given}) != len(names) + 1:
            raise self.make_refusal("its outputs are none, or one of them twice, or the input itself")
        return names

    def order_nodes(self, outputs: Sequence[str], taken: Container[str]) -> list[int]:
        """The nodes that the outputs depend on, each behind what it reads; their names and order are checked.

        The order follows from what nodes read, operand by operand, and not from that in which the file lists them.
        """
        makers: dict[str, int] = {}
        for index, node in enumerate(self._graph.node):
            for name in filter(None, node.output):
                if name in makers or name in taken:
                    raise self.make_node_refusal(index, f"'{shorten(name)}' is made twice")
                makers[name] = index
        wanted: dict[int, None] = {}
        waiting = [(makers[name], False) for name in reversed(outputs) if name in makers]
        while waiting:
            index, ready = waiting.pop()
            if ready:
                wanted[index] = None
            elif index not in wanted:
                waiting.append((index, True))
                waiting += ((before, False) for before in reversed(self._list_makers(index, makers)))
        return list(wanted)

    def _list_makers(self, index: int, makers: dict[str, int]) -> list[int]:
        found = []
        for name in filter(None, self._graph.node[index].input):
            if name in makers:
                if makers[name] >= index:
                    raise self.make_node_refusal(index, f"it reads '{shorten(name)}', which is made behind it")
                found.append(makers[name])
        return found
