"""How pictures of any size are resized and cropped in ONNX: two products with weights that the graph computes."""

from __future__ import annotations

from typing import NamedTuple

from resnet_gen.onnx.writing.messages import ELEMENT_OF
from resnet_gen.onnx.writing.node_writer import NodeWriter
from resnet_gen.ops.serving import ResizeAndCrop, list_least_sides, list_ratios

_FLOAT = ELEMENT_OF["float32"]
_AXES = ("rows", "columns")


def resize_and_crop(op: ResizeAndCrop, call: NodeWriter) -> None:
    """The columns, then the rows, as Pillow has it for most pictures; of both only what the crop keeps.

    `Resize` would be one node, but no two runtimes smooth alike. These operators every one of them has; sides, places
    and weights are whole numbers up to the division that makes weights add up to 1, so that all have the same.
    """
    (x,) = call.inputs
    if call.node.inputs[0].dtype != "float32":
        x = call.step("wide", "Cast", x, to=_FLOAT)
    sides = _write_sides(op, call, x)
    x = call.step("resized_columns", "MatMul", x, _write_weights(op, call, sides, 1))
    if not op.whole:
        call.end("MatMul", _write_weights(op, call, sides, 0), x)
        return
    half = call.numbers("half", 0.5, "float32")
    x = call.step("whole_columns", "Floor", call.step("raised_columns", "Add", x, half))
    x = call.step("resized_rows", "MatMul", _write_weights(op, call, sides, 0), x)
    x = call.step("raised_rows", "Add", x, half)
    if call.node.output.dtype == "float32":
        call.end("Floor", x)
    else:
        call.end("Cast", call.step("whole_rows", "Floor", x), to=ELEMENT_OF[call.node.output.dtype])


class _Sides(NamedTuple):
    """Tensors of two numbers, one of rows and one of columns.

    The picture's sides, those that it is resized to, which of these the crop begins with, and twice the larger of both.
    """

    own: str
    resized: str
    first: str
    reach: str


def _write_sides(op: ResizeAndCrop, call: NodeWriter, x: str) -> _Sides:
    shape = call.step("shape", "Shape", x)
    own = call.step("sides", "Gather", shape, call.integers("rows_and_columns", [2, 3]), axis=0)
    other = call.step("other_sides", "Gather", shape, call.integers("columns_and_rows", [3, 2]), axis=0)
    two = call.integers("two", [2])
    resized = _write_resized(op, call, own, other, two)
    room = call.step("room", "Sub", resized, call.integers("size", list(op.size)))
    larger = call.step("larger", "Max", own, resized)
    return _Sides(own, resized, call.step("first", "Div", room, two), call.step("reach", "Mul", larger, two))


def _write_resized(op: ResizeAndCrop, call: NodeWriter, own: str, other: str, two: str) -> str:
    """As `find_resized_sides`: by the ratio of the other side, half a pixel to even; by its own they are constant.

    Of what is rounded up and down at halves, both are the same but there; then one of them is even.
    """
    ratios = list_ratios(op.size, op.crop)
    twice = call.integers("twice_before_crop", [2 * ratio.numerator for ratio in reversed(ratios)])
    parts = call.step("parts", "Mul", other, call.integers("divisors", [r.denominator for r in reversed(ratios)]))
    raised = call.step("raised", "Add", call.step("scaled", "Mul", own, twice), parts)
    divisor = call.step("twice_parts", "Mul", parts, two)
    up = call.step("halves_up", "Div", raised, divisor)
    lower = call.step("less_one", "Sub", raised, call.integers("one", [1]))
    down = call.step("halves_down", "Div", lower, divisor)
    even = call.step("even", "Mul", call.step("half_of_it", "Div", up, two), two)
    near = call.step("rounded", "Max", down, even)
    return call.step("resized_sides", "Max", near, call.integers("least", list_least_sides(op.size, op.crop)))


def _write_weights(op: ResizeAndCrop, call: NodeWriter, sides: _Sides, axis: int) -> str:
    """The weights of an axis: (made, own) for rows, (own, made) for columns.

    A weight falls off with the distance of two pixels' middles, to nothing at one pixel of the coarser grid. Times
    twice both sides, middles and distances are whole numbers.
    """
    what, along = _AXES[axis], call.integers(f"{_AXES[axis]}_index", axis)
    own, resized, first, reach = (
        call.step(f"{what}_{role}", "Gather", tensor, along, axis=0) for role, tensor in sides._asdict().items()
    )
    two = call.integers(f"{what}_two", 2)
    step = call.step(f"{what}_step", "Mul", resized, two)
    places = call.step(f"{what}_places", "Range", resized, call.step(f"{what}_end", "Mul", own, step), step)
    odd = [2 * place + 1 for place in range(op.size[axis])]
    middles = call.integers(f"{what}_middles", [odd] if axis else [[one] for one in odd])
    moved = call.step(f"{what}_moved", "Add", middles, call.step(f"{what}_skipped", "Mul", first, two))
    centers = call.step(f"{what}_centers", "Mul", moved, own)
    if axis:
        places = call.step(f"{what}_upright", "Unsqueeze", places, call.integers(f"{what}_last", [1]))
    before = call.step(f"{what}_before", "Sub", places, call.step(f"{what}_low", "Sub", centers, reach))
    behind = call.step(f"{what}_behind", "Sub", call.step(f"{what}_high", "Add", centers, reach), places)
    near = call.step(
        f"{what}_near", "Max", call.step(f"{what}_nearer", "Min", before, behind), call.integers(f"{what}_none", 0)
    )
    parts = call.step(f"{what}_parts", "Cast", near, to=_FLOAT)
    total = call.step(f"{what}_total", "ReduceSum", parts, call.integers(f"{what}_axis", [1 - axis]), keepdims=1)
    return call.step(f"{what}_weights", "Div", parts, total)
