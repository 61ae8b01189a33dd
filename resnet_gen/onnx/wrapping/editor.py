"""A model edited through onnx-graphsurgeon; each edit says in a line what it did."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from onnx import GraphProto, ModelProto, TensorProto, helper

from resnet_gen.graph import Node, Value
from resnet_gen.graph.surroundings import PixelInput
from resnet_gen.onnx.reading.constants import DTYPES
from resnet_gen.onnx.wrapping.constant_lists import read_list
from resnet_gen.onnx.wrapping.model_file import WholeModel
from resnet_gen.onnx.wrapping.request import OPEN
from resnet_gen.onnx.writing.messages import Initializer
from resnet_gen.onnx.writing.rules import OLDEST_OPSET, emit_node
from resnet_gen.ops.serving import ANY_SIDE, OPEN_SIDES, ResizeAndCrop
from resnet_gen.problems import Refused, refuse, shorten, suggest, visible


def load_surgeon() -> Any:
    """The library, which comes with an extra; raises `Refused` without it."""
    try:
        import onnx_graphsurgeon
        from onnx_graphsurgeon.logger import G_LOGGER
    except ImportError as error:
        hint = "pip install 'resnet-gen[edit]'"
        raise refuse(f"onnx-graphsurgeon cannot be loaded: {error}", hint=hint) from None
    G_LOGGER.severity = G_LOGGER.CRITICAL  # which it raises; the rest says nothing to whoever wraps a file
    return onnx_graphsurgeon


class ModelEditor:
    """A model that is being edited; every method raises `Refused` for what the model does not have."""

    def __init__(self, whole: WholeModel, where: str) -> None:
        self.surgeon = load_surgeon()
        self.where, self.whole = where, whole
        proto = ModelProto()
        proto.CopyFrom(whole.proto)
        try:
            self.graph = self.surgeon.import_onnx(proto)
        except Exception as error:  # classes of its own, and what its callees raise
            raise refuse(f"onnx-graphsurgeon cannot read it: {error}", where) from None
        self.tensors = self.graph.tensors()
        self.first: str | None = None
        self.resized: str | None = None
        self._made: dict[tuple[str, str], Any] = {}
        self._begins_with_pixels = True
        self._note_types()

    def _note_types(self) -> None:
        for name, known in self.whole.types.items():
            tensor = self.tensors.get(name)
            if tensor is not None and isinstance(tensor, self.surgeon.Variable):
                tensor.dtype = _find_dtype(known.elem_type)
                tensor.shape = None if known.dims is None else list(known.dims)

    @property
    def given(self) -> Any:
        """The tensor that the model takes."""
        return next(tensor for tensor in self.graph.inputs if not isinstance(tensor, self.surgeon.Constant))

    def find_tensor(self, option: str, name: str) -> Any:
        """The tensor of that name that a node makes, or the input."""
        tensor = self.tensors.get(name)
        if isinstance(tensor, self.surgeon.Variable):
            return tensor
        if tensor is not None:
            raise self.make_refusal(f"{option}: '{shorten(name)}' is a constant")
        made = [key for key, value in self.tensors.items() if isinstance(value, self.surgeon.Variable)]
        raise self.make_refusal(f"{option}: there is no tensor '{shorten(name)}'", suggest(name, made))

    def make_refusal(self, message: str, hint: str | None = None) -> Refused:
        """A refusal of the model."""
        return refuse(message, self.where, hint and visible(hint))

    # --- less of it ---------------------------------------------------------------

    def cut_outputs(self, names: Sequence[str]) -> str:
        """End at these tensors, in this order."""
        tensors = [self.find_tensor("--cut", name) for name in names]
        if len({*names}) < len(names) or self.given.name in names:
            raise self.make_refusal("--cut: a tensor is named twice, or is the input itself")
        for name, tensor in zip(names, tensors, strict=True):
            if tensor.dtype is None or tensor.shape is None:
                raise self.make_refusal(f"--cut: nothing is known of the type and shape of '{shorten(name)}'")
        self.graph.outputs = tensors
        removed = self._clean(f"--cut: nothing that '{shorten(names[0])}' is made of reads the input")
        return f"ends at {_list_names(names)}: {removed} nodes left out"

    def cut_input(self, name: str) -> str:
        """Begin at a tensor."""
        tensor = self.find_tensor("--cut-input", name)
        known = self.whole.types.get(name)
        floats = known is not None and known.elem_type in _FLOATS
        if known is None or known.dims is None or len(known.dims) != 4 or not floats or tensor in self.graph.inputs:
            raise self.make_refusal(
                f"--cut-input: '{shorten(name)}' is no batch of maps of floating point inside of it"
            )
        tensor.inputs.clear()
        self._begins_with_pixels = False
        self.graph.inputs = [tensor]
        removed = self._clean(f"--cut-input: no output is made of '{shorten(name)}'")
        if any(not t.inputs and isinstance(t, self.surgeon.Variable) for n in self.graph.nodes
               for t in n.inputs if not t.is_empty() and t not in self.graph.inputs):  # fmt: skip
            raise self.make_refusal(f"--cut-input: what stands behind '{shorten(name)}' reads the old input, too")
        return f"begins at '{shorten(name)}': {removed} nodes left out"

    def _clean(self, unread: str) -> int:
        """Leave out what no output depends on; refuses a model that does not read its input then."""
        before = len(self.graph.nodes)
        given = self.given
        self.graph.cleanup(remove_unused_graph_inputs=False).toposort()
        if not given.outputs:
            raise self.make_refusal(unread)
        return before - len(self.graph.nodes)

    # --- another batch, another size ----------------------------------------------

    def set_batch(self, batch: int | str) -> str:
        """Fix or open the batch; lists of dimensions with the old one in them follow."""
        old = self.given.shape[0]
        new = "N" if batch == OPEN else batch
        if old == new or (isinstance(old, str) and batch == OPEN):
            raise self.make_refusal(f"--batch: it is {'open' if batch == OPEN else batch} already")
        moved = self._move_batch(old, new) if isinstance(old, int) else 0
        self.forget_shapes()
        self.given.shape = [new, *self.given.shape[1:]]
        lists = f"; {moved} lists of dimensions changed" if moved else ""
        return f"batch {_format_side(old)} -> {_format_side(new)}{lists}"

    def _move_batch(self, old: int, new: int | str) -> int:
        """Lists of dimensions for a Reshape that begin with the old batch."""
        moved = 0
        for node in [node for node in self.graph.nodes if node.op == "Reshape"]:
            dims = read_list(self.surgeon, node.inputs[1])
            if dims and dims[0] == old and len(dims) > 1:
                first = new if isinstance(new, int) else 0 if -1 in dims else -1
                name = self.new_name(f"{node.inputs[1].name}_of_any_batch")
                node.inputs[1] = self.surgeon.Constant(name, np.array([first, *dims[1:]], np.int64))
                moved += 1
        return moved

    def set_size(self, size: tuple[int, int] | str) -> str:
        """Fix or open rows and columns."""
        pixels = self.whole.surroundings.input if self._begins_with_pixels else None
        if pixels and pixels.crop is not None:
            raise self.make_refusal("--size: it takes pictures of any size, and makes them its network's own")
        first = 1 if pixels and pixels.layout == "NHWC" else 2
        old = self.given.shape[first : first + 2]
        new = [*OPEN_SIDES] if size == OPEN else list(size)
        if old == new or (size == OPEN and not any(isinstance(side, int) for side in old)):
            raise self.make_refusal("--size: it is that already")
        self.forget_shapes()
        self.given.shape = [*self.given.shape[:first], *new, *self.given.shape[first + 2 :]]
        return f"size {'x'.join(map(_format_side, old))} -> {'x'.join(map(_format_side, new))}"

    def forget_shapes(self) -> None:
        """What is stated of dimensions inside, which are others now."""
        for tensor in self.tensors.values():
            if isinstance(tensor, self.surgeon.Variable) and tensor not in self.graph.inputs and tensor.shape:
                tensor.shape = [None] * len(tensor.shape) if tensor in self.graph.outputs else None

    # --- more around it -----------------------------------------------------------

    def add_pixels(self, pixels: PixelInput, name: str) -> str:
        """Steps from pixels to what the network takes: cast, channels first, their order, range, mean and deviation."""
        inner, gs = self.given, self.surgeon
        if self.whole.types[inner.name].elem_type not in _FLOATS:
            raise self.make_refusal(f"input '{shorten(inner.name)}': no floating point, which pixels become")
        batch, channels, *sides = inner.shape
        if pixels.crop is not None:
            size, sides = self._find_size(), [*OPEN_SIDES]
        first = [batch, *sides, channels] if pixels.layout == "NHWC" else [batch, channels, *sides]
        outer = gs.Variable(self.new_name(name), np.dtype(pixels.dtype), first)
        tensor = outer
        if pixels.dtype == "uint8":  # TensorRT wants nothing else to read such an input
            tensor = self._append("Cast", [tensor], {"to": TensorProto.FLOAT}, "as_float")
        if pixels.layout == "NHWC":
            tensor = self._append("Transpose", [tensor], {"perm": [0, 3, 1, 2]}, "channels_first")
        if pixels.order == "BGR":
            order = gs.Constant(self.new_name("channel_order"), np.arange(channels - 1, -1, -1, dtype=np.int64))
            tensor = self._append("Gather", [tensor, order], {"axis": 1}, "channels_reversed")
        if pixels.crop is not None:
            tensor = self._append_resizing(tensor, channels, ResizeAndCrop(size, pixels.crop, pixels.dtype == "uint8"))
        for op, numbers in _list_sums(pixels):
            array = np.asarray(numbers, np.float32).reshape(-1, 1, 1) if len(numbers) > 1 else np.float32(numbers[0])
            constant = gs.Constant(self.new_name(f"pixel_{op.lower()}"), np.asarray(array))
            tensor = self._append(op, [tensor, constant], {}, f"pixels_{op.lower()}")
        elem_type = self.whole.types[inner.name].elem_type
        last = {"to": elem_type} if elem_type != TensorProto.FLOAT else None
        if last or tensor is outer:
            tensor = self._append("Cast", [tensor], last or {"to": TensorProto.FLOAT}, "as_network")
        if tensor.name == self.resized:
            self.resized = inner.name
        tensor.inputs[0].outputs[0] = inner
        self.graph.inputs = [outer]
        self.first = inner.name
        self.graph.toposort()
        return f"takes '{outer.name}', and makes '{shorten(inner.name)}' of it"

    def _find_size(self) -> tuple[int, int]:
        """The network's rows and columns, to which pictures are resized."""
        height, width = self.given.shape[2:]
        if not (isinstance(height, int) and isinstance(width, int)):
            raise self.make_refusal("--any-size: it states no size to resize pictures to", "--size HxW fixes it")
        if self.graph.opset < OLDEST_OPSET:
            raise self.make_refusal(f"--any-size: it is of opset {self.graph.opset}, and {OLDEST_OPSET} is wanted")
        return height, width

    def _append_resizing(self, tensor: Any, channels: int, op: ResizeAndCrop) -> Any:
        """What resizes and crops pictures, as files of specs have it."""
        name = self.new_name("resize")
        given = Value(tensor.name, (channels, ANY_SIDE, ANY_SIDE))
        node = Node(name, name, op, (given,), Value(name, op.shape(given.shape)), "serving")
        constants, written = emit_node(node, self.graph.opset)
        known = {tensor.name: tensor, **{each.name: self._make_constant(each) for each in constants}}
        for proto in GraphProto.FromString(b"".join(written)).node:
            attributes = {each.name: helper.get_attribute_value(each) for each in proto.attribute}
            (made,) = proto.output
            known[made] = self.surgeon.Variable(self.new_name(made) if made != name else name)
            reads = [known[each] for each in proto.input]
            title = self.new_name(f"wrap_{proto.name}")
            self.graph.nodes.append(self.surgeon.Node(proto.op_type, title, attributes, reads, [known[made]]))
        self.resized = name
        return known[name]

    def _make_constant(self, given: Initializer) -> Any:
        values = np.frombuffer(given.data or b"", helper.tensor_dtype_to_np_dtype(given.element))
        return self.surgeon.Constant(self.new_name(given.name), values.reshape(given.shape))

    def _append(self, op: str, inputs: Iterable[Any], attributes: dict[str, Any], name: str) -> Any:
        """A node behind the others; its first result."""
        made = self.surgeon.Variable(self.new_name(name))
        node = self.surgeon.Node(op, self.new_name(f"wrap_{name}"), attributes, list(inputs), [made])
        self.graph.nodes.append(node)
        return made

    def set_outputs(self, tensors: Sequence[Any]) -> None:
        """Output these, in this order; what no output depends on is left out."""
        self.graph.outputs = list(tensors)
        self._clean("no output is made of the input")

    def append_softmax(self, scores: Any) -> Any:
        """Probabilities of scores, which are made once."""
        return self._append_once("Softmax", scores, "probabilities", scores.shape)

    def append_best(self, scores: Any, k: int) -> tuple[Any, Any]:
        """Values and indices of the k best, the best first."""
        count = self.surgeon.Constant(self.new_name(f"top{k}_count"), np.array([k], np.int64))
        values = self._append("TopK", [scores, count], {"axis": 1, "largest": 1, "sorted": 1}, f"top{k}_values")
        indices = self.surgeon.Variable(self.new_name(f"top{k}_indices"), np.dtype(np.int64))
        values.inputs[0].outputs.append(indices)
        shape = [scores.shape[0] if scores.shape else None, k]
        indices.shape = shape
        return self._name_output(values, scores, shape), indices

    def append_unit(self, vector: Any) -> Any:
        """Vectors of length 1; one of zeros stays what it is."""
        gs, opset = self.surgeon, self.graph.opset
        axes = gs.Constant(self.new_name("length_axes"), np.array([1], np.int64))
        reads, attributes = ([vector, axes], {}) if opset >= 18 else ([vector], {"axes": [1]})
        length = self._append("ReduceL2", reads, {**attributes, "keepdims": 1}, "length")
        if isinstance(vector.dtype, int):
            raise self.make_refusal("outputs: unit_embedding is not made of bfloat16")
        floor = max(1e-12, float(np.finfo(vector.dtype).tiny))
        least = gs.Constant(self.new_name("least_length"), np.asarray(floor, vector.dtype))
        length = self._append("Max", [length, least], {}, "length_above_zero")
        made = self._append("Div", [vector, length], {}, "unit_embedding")
        return self._name_output(made, vector, vector.shape)

    def append_vector(self, tensor: Any) -> Any:
        """A tensor with all its dimensions behind the batch as one, which is made once."""
        return self._append_once("Flatten", tensor, "embedding", [None, None])

    def _append_once(self, op: str, tensor: Any, name: str, shape: Any) -> Any:
        """What an operation along the second dimension makes of a tensor, for all outputs that are made of it."""
        if (op, tensor.name) not in self._made:
            made = self._append(op, [tensor], {"axis": 1}, name)
            self._made[op, tensor.name] = self._name_output(made, tensor, shape)
        return self._made[op, tensor.name]

    def name_scores(self, tensor: Any, name: str) -> Any:
        """A tensor under another name."""
        return self._name_output(self._append("Identity", [tensor], {}, name), tensor, tensor.shape)

    def _name_output(self, tensor: Any, like: Any, shape: Any) -> Any:
        tensor.dtype, tensor.shape = like.dtype, None if shape is None else list(shape)
        return tensor

    # --- names --------------------------------------------------------------------

    def rename(self, pairs: Sequence[tuple[str, str]]) -> list[str]:
        """Other names for inputs and outputs."""
        ends = {tensor.name: tensor for tensor in (*self.graph.inputs, *self.graph.outputs)}
        taken = {*self.graph.tensors()} - {old for old, _ in pairs}
        for old, new in pairs:
            if old not in ends:
                raise self.make_refusal(f"--rename: no input or output is called '{shorten(old)}'", suggest(old, ends))
            if new in taken or not new or new != visible(new):
                raise self.make_refusal(f"--rename: '{shorten(visible(new))}' cannot be a name, or is taken")
        for old, new in pairs:
            ends[old].name = new
        return [f"'{shorten(old)}' is called '{shorten(new)}'" for old, new in pairs]

    @cached_property
    def _taken(self) -> set[str]:
        """Names that something has, or is to have."""
        return {*self.graph.tensors(), *(node.name for node in self.graph.nodes)}

    def new_name(self, name: str) -> str:
        """The name, or with a number behind it one that nothing has."""
        found, number = name, 1
        while found in self._taken:
            number += 1
            found = f"{name}_{number}"
        self._taken.add(found)
        return found

    def original_dims(self, cut_input: str | None) -> tuple[Any, ...]:
        """Dimensions of the original's input, or of the tensor that is the input now."""
        dims = self.whole.types[cut_input or self.whole.given].dims
        assert dims is not None
        return dims

    def inner_dims(self) -> list[Any]:
        """Dimensions of what the network takes now."""
        inner = self.graph.tensors()[self.first] if self.first else self.given
        return list(inner.shape)

    def export(self, metadata: dict[str, str], also: Sequence[str] = ()) -> bytes:
        """The model as it is now, with what it said of itself; `also` are more outputs."""
        graph = self.graph
        more = [graph.tensors()[name] for name in also]
        graph.outputs = [*graph.outputs, *more]
        model: ModelProto = self.surgeon.export_onnx(graph, do_type_check=False)
        graph.outputs = graph.outputs[: len(graph.outputs) - len(more)]
        old = self.whole.proto
        model.domain, model.model_version, model.doc_string = old.domain, old.model_version, old.doc_string
        for key, value in metadata.items():
            model.metadata_props.add(key=key, value=value)
        data: bytes = model.SerializeToString(deterministic=True)
        return data


_FLOATS = (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.BFLOAT16)


def _find_dtype(elem_type: int) -> Any:
    """The type as onnx-graphsurgeon has it: NumPy's, or ONNX's number where NumPy has none."""
    dtype = DTYPES.get(elem_type)
    return elem_type if dtype is None or dtype.kind == "V" else dtype


def _list_sums(pixels: PixelInput) -> Iterable[tuple[str, tuple[float, ...]]]:
    if pixels.scale != 1:
        yield "Div", (pixels.scale,)
    if any(pixels.mean):
        yield "Sub", pixels.mean
    if any(each != 1 for each in pixels.std):
        yield "Div", pixels.std


def _list_names(names: Sequence[str]) -> str:
    return ", ".join(f"'{shorten(name)}'" for name in names[:4]) + (", ..." if len(names) > 4 else "")


def _format_side(side: Any) -> str:
    return str(side) if isinstance(side, int) else "open"
