"""What a file puts around its network, told apart from it: pixels before it, classes and probabilities behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from onnx import ModelProto, ValueInfoProto, helper

from resnet_gen.graph.surroundings import NOTHING_AROUND, ServedKind, ServedOutput, Surroundings
from resnet_gen.onnx.reading.constants import DTYPES, FileConstant
from resnet_gen.onnx.reading.surroundings.nodes import TensorFlow
from resnet_gen.onnx.reading.surroundings.outputs import find_epilogue
from resnet_gen.onnx.reading.surroundings.pixels import PixelPrologue, find_prologue, find_strange_step


class InnerModel(NamedTuple):
    """A model without what stands around its network, and what that is; `places` are those of its nodes in the file.

    Where steps from pixels lead to no network, `strange` is the first node that is none of them.
    """

    model: ModelProto
    surroundings: Surroundings
    places: Sequence[int]
    strange: int | None = None

    def find_image_size(self) -> tuple[int, int] | None:
        """Height and width of the image that the network takes; None where it takes no image, or one is open."""
        given = {tensor.name for tensor in self.model.graph.initializer}
        sides = [
            [side.dim_value for side in value.type.tensor_type.shape.dim]
            for value in self.model.graph.input
            if value.name not in given
        ]
        if len(sides) != 1 or len(sides[0]) != 4 or not all(sides[0][2:]):
            return None
        return sides[0][2], sides[0][3]


def see_through(model: ModelProto, constants: Mapping[str, FileConstant], opset: int) -> InnerModel:
    """The network inside of a model, and all that stands around it; the model itself where nothing does.

    What is not explained completely is left where it stands. A softmax alone stays, too: a specification's head may
    have it.
    """
    plain = InnerModel(model, NOTHING_AROUND, range(len(model.graph.node)))
    given = [value for value in model.graph.input if value.name not in constants]
    flow = TensorFlow(model, constants, opset)
    if len(given) != 1 or not flow.whole:
        return plain
    prologue, outputs = find_prologue(flow, given[0]), find_epilogue(flow, _find_ranks(model))
    around = Surroundings(prologue.pixels if prologue else None, outputs)
    if not prologue:
        plain = plain._replace(strange=find_strange_step(flow, given[0]))
    if not prologue and (around.keeps_outputs or around.ends_in_softmax):
        return plain
    inner = _cut_out(flow, model, given[0], prologue, around)
    return inner._replace(strange=plain.strange) if inner else plain


def _find_ranks(model: ModelProto) -> dict[str, int]:
    """How many dimensions the outputs have, where the model states them."""
    types = {value.name: value.type.tensor_type for value in model.graph.output}
    return {name: len(tensor.shape.dim) for name, tensor in types.items() if tensor.HasField("shape")}


def _cut_out(
    flow: TensorFlow,
    model: ModelProto,
    given: ValueInfoProto,
    prologue: PixelPrologue | None,
    around: Surroundings,
) -> InnerModel | None:
    """The model of the network alone; None where the network reads what stands before it, too."""
    begin, ends = prologue.tensor if prologue else given.name, around.sources
    passed = {*prologue.passed} if prologue else set()
    needed = flow.list_needed(ends, {begin, *passed})
    outside = (flow.list_needed(flow.outputs, ()) - needed) | {flow.makers.get(begin, -1)}
    if begin in ends or not all(map(flow.asks_for_batch, flow.list_readers(needed, passed))):
        return None
    places = [index for index in range(len(flow.nodes)) if index not in outside]
    inner = _make_model(model, places, ends)
    if prologue:
        _replace_input(inner, given.name, prologue)
        _replace_questions(inner, prologue)
    return InnerModel(inner, around, places)


def _make_model(model: ModelProto, places: Sequence[int], ends: Sequence[str]) -> ModelProto:
    """A model of some of the nodes, and with these outputs."""
    inner = ModelProto()
    inner.CopyFrom(model)
    nodes = [model.graph.node[index] for index in places]
    known = {value.name: value for value in (*model.graph.output, *model.graph.value_info)}
    outputs = [known.get(name) or helper.make_empty_tensor_value_info(name) for name in ends]
    del inner.graph.node[:]
    del inner.graph.output[:]
    inner.graph.node.extend(nodes)
    inner.graph.output.extend(outputs)
    return inner


def _replace_input(model: ModelProto, given: str, prologue: PixelPrologue) -> None:
    dtype = next(number for number, dtype in DTYPES.items() if dtype.name == prologue.dtype)
    value = helper.make_tensor_value_info(prologue.tensor, dtype, prologue.dims)
    place = next(at for at, value in enumerate(model.graph.input) if value.name == given)
    model.graph.input[place].CopyFrom(value)


def _replace_questions(model: ModelProto, prologue: PixelPrologue) -> None:
    """Have nodes that ask for the batch's size before the network ask where it begins."""
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name in prologue.passed:
                node.input[place] = prologue.tensor


def settle_kinds(around: Surroundings, ranks: Mapping[str, int], scores: frozenset[str]) -> Surroundings | None:
    """The surroundings with what plain outputs are, by the ranks of the network's outputs without the batch.

    `scores` are those that a layer of classes makes. None where a softmax, or what else is of vectors, is of a map.
    """
    if any(not output.is_plain and ranks[output.source] != 1 for output in around.outputs):
        return None
    return replace(around, outputs=tuple(_settle_kind(output, ranks, scores) for output in around.outputs))


def _settle_kind(output: ServedOutput, ranks: Mapping[str, int], scores: frozenset[str]) -> ServedOutput:
    if not output.is_plain:
        return output
    vector: ServedKind = "logits" if output.source in scores else "embedding"
    return replace(output, kind=vector if ranks[output.source] == 1 else "map")


__all__ = ["InnerModel", "see_through", "settle_kinds"]
