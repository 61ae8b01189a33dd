"""From the input of a file to what its network takes: steps that change layout, colour order, type and range."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any, NamedTuple

from onnx import ValueInfoProto

from resnet_gen.graph.surroundings import PixelInput
from resnet_gen.onnx.reading.constants import DTYPES
from resnet_gen.onnx.reading.shape_inference import read_type
from resnet_gen.onnx.reading.surroundings.nodes import ExactNumbers, TensorFlow, find_exact, find_integers, read_exact
from resnet_gen.onnx.reading.surroundings.pixel_steps import (
    CHANNELS_FIRST,
    CHANNELS_LAST,
    FLOATS,
    ROUNDING,
    PixelSteps,
    align_channels,
    describe_pixels,
)
from resnet_gen.onnx.reading.surroundings.resizing import find_crop
from resnet_gen.onnx.reading.surroundings.weighed_crop import find_weighed_crop
from resnet_gen.ops.serving import round_part

_MOST_STEPS = 24
_TO_FIRST = [0, 3, 1, 2]
"""The order of dimensions that puts the channels before rows and columns."""
_EVERY = [0, 1, 2, 3]
_ELEMENTWISE = (
    "Abs", "Clip", "Div", "Elu", "Erf", "Exp", "HardSigmoid", "HardSwish", "LeakyRelu", "Max", "Min", "Mul", "Neg",
    "Pow", "Sigmoid", "Softplus", "Sub", "Tanh",
)  # fmt: skip
"""What may be the rest of a function of which steps before it are part."""


class PixelPrologue(NamedTuple):
    """What stands before a network: what the file takes, and the tensor that the network takes, with its dimensions."""

    pixels: PixelInput
    tensor: str
    dtype: str
    dims: tuple[Any, ...]
    passed: tuple[str, ...]
    """What the file takes, and the tensors on the way."""


def find_prologue(flow: TensorFlow, given: ValueInfoProto) -> PixelPrologue | None:
    """What stands between the input of a file and its network; None where nothing does, or nothing that is known."""
    best, walked = None, list(_walk(flow, given))
    for steps in walked[1:]:
        if steps.is_network_input and steps.stripped:
            pixels = describe_pixels(walked[0], steps)
            best = _begin_network(pixels, steps) if pixels else best
    whole = len(walked) <= _MOST_STEPS
    return best if best and whole and not _is_part_of_function(flow, best.tensor) else None


def find_strange_step(flow: TensorFlow, given: ValueInfoProto) -> int | None:
    """The node that reads what was made of pixels by all steps that are known; None where there is not the one."""
    walked = list(_walk(flow, given))
    return flow.find_only_reader(walked[-1].tensor) if walked else None


def _walk(flow: TensorFlow, given: ValueInfoProto) -> Iterator[PixelSteps]:
    """What is taken, and what each step makes of it, up to the last that is known, or so many; nothing of no pixels."""
    steps = _begin(given, flow)
    for _ in range(_MOST_STEPS):
        if steps is None:
            return
        yield steps
        steps = _take_step(flow, steps)
    if steps:
        yield steps


def _begin_network(pixels: PixelInput, steps: PixelSteps) -> PixelPrologue:
    return PixelPrologue(pixels, steps.tensor, steps.dtype, steps.dims, steps.passed)


def _begin(given: ValueInfoProto, flow: TensorFlow) -> PixelSteps | None:
    elem_type, dims = read_type(given)
    dtype = DTYPES.get(elem_type)
    if dtype is None or dims is None or len(dims) != 4 or (dtype.name != "uint8" and dtype.name not in FLOATS):
        return None
    layout = CHANNELS_LAST if _ends_in_channels(flow, given.name) else CHANNELS_FIRST
    return PixelSteps(given.name, dtype.name, layout, dims, of_bytes=dtype.name == "uint8")


def _ends_in_channels(flow: TensorFlow, name: str) -> bool:
    """Whether the channels of an image stand last: they are moved to the front before the network begins."""
    order = _EVERY
    for _ in range(_MOST_STEPS):
        index = flow.find_only_reader(name)
        attributes = None if index is None else flow.attributes(index)
        if index is None or attributes is None or flow.nodes[index].op_type in ("Conv", "QuantizeLinear"):
            return False
        if flow.nodes[index].op_type == "Transpose":
            moved = list(attributes.get("perm") or [])
            if sorted(moved) != _EVERY:
                return False
            order = [order[place] for place in moved]
        if order == _TO_FIRST:
            return True
        name = flow.nodes[index].output[0]
    return False


def _is_part_of_function(flow: TensorFlow, name: str) -> bool:
    """Whether what reads a tensor may go on with a function that began before it."""
    return any(flow.nodes[index].op_type in _ELEMENTWISE for index in flow.readers.get(name, ()))


def _take_step(flow: TensorFlow, steps: PixelSteps) -> PixelSteps | None:
    """The steps with one more; None where the one node that reads the tensor is none."""
    index, passed = flow.find_only_reader(steps.tensor), (*steps.passed, steps.tensor)
    if index is None:
        resized = _resize(flow, steps)
        return replace(resized, passed=passed) if resized else None
    if len(flow.nodes[index].output) != 1:
        return None
    step = _STEPS.get(flow.nodes[index].op_type)
    attributes = flow.attributes(index)
    found = step(flow, steps, index, attributes) if step and attributes is not None else None
    return replace(found, tensor=flow.nodes[index].output[0], passed=passed) if found else None


def _resize(flow: TensorFlow, steps: PixelSteps) -> PixelSteps | None:
    """Pixels as they come, of any size, resized and cropped: by products of floats, or by `Resize` before any cast."""
    as_given = steps.factor == (Fraction(1),) and steps.shift == (Fraction(0),)
    if steps.layout != CHANNELS_FIRST or not as_given or steps.crop is not None:
        return None
    dims = steps.dims[:2]
    if not steps.cast and (resized := find_crop(flow, steps.tensor)):
        crop, dims = round_part(resized.crop), (*dims, *resized.size)
        return replace(steps, tensor=resized.tensor, dims=dims, stripped=True, crop=crop)
    found = find_weighed_crop(flow, steps.tensor, whole=steps.of_bytes) if steps.dtype == "float32" else None
    if found is None:
        return None
    dims = (*dims, *found.size)
    return replace(steps, tensor=found.tensor, dtype=found.dtype, dims=dims, stripped=True, crop=found.crop)


def _pass(flow: TensorFlow, steps: PixelSteps, index: int, attributes: dict[str, Any]) -> PixelSteps | None:
    return steps


def _cast(flow: TensorFlow, steps: PixelSteps, index: int, attributes: dict[str, Any]) -> PixelSteps | None:
    dtype = DTYPES.get(attributes.get("to", 0))
    if dtype is None or dtype.name not in FLOATS:
        return None
    return replace(steps, dtype=dtype.name, stripped=steps.stripped or steps.dtype == "uint8", cast=True)


def _transpose(flow: TensorFlow, steps: PixelSteps, index: int, attributes: dict[str, Any]) -> PixelSteps | None:
    order = list(attributes.get("perm") or [])
    if sorted(order) != _EVERY:
        return None
    dims, layout = tuple(steps.dims[place] for place in order), "".join(steps.layout[place] for place in order)
    return replace(steps, dims=dims, layout=layout, stripped=True)


def _gather(flow: TensorFlow, steps: PixelSteps, index: int, attributes: dict[str, Any]) -> PixelSteps | None:
    """Channels in the opposite order by their numbers."""
    data, which = flow.nodes[index].input
    if data != steps.tensor or attributes.get("axis", 0) not in (steps.axis, steps.axis - 4):
        return None
    return _choose_channels(steps, find_integers(flow, which))


def _gather_parts(flow: TensorFlow, steps: PixelSteps, index: int, attributes: dict[str, Any]) -> PixelSteps | None:
    """The same where channels are the first dimension, by a list of places."""
    data, which = flow.nodes[index].input
    array = flow.find_array(which)
    if data != steps.tensor or steps.axis or attributes.get("batch_dims", 0) or array is None:
        return None
    return _choose_channels(steps, [int(n) for n in array.reshape(-1)]) if array.shape == (steps.channels, 1) else None


def _choose_channels(steps: PixelSteps, wanted: Sequence[int] | None) -> PixelSteps | None:
    """Channels by their numbers, of which those from the last to the first are known."""
    many = steps.channels
    found = wanted and [n % many for n in wanted if -many <= n < many]
    return _reverse(steps) if many > 1 and found == list(range(many))[::-1] else None


def _slice(flow: TensorFlow, steps: PixelSteps, index: int, attributes: dict[str, Any]) -> PixelSteps | None:
    """Channels in the opposite order by a step of -1."""
    node = flow.nodes[index]
    if len(node.input) != 5 or node.input[0] != steps.tensor or steps.channels < 2:
        return None
    starts, ends, axes, each = (find_integers(flow, name) for name in node.input[1:])
    if axes not in ([steps.axis], [steps.axis - 4]) or each != [-1] or not starts or not ends:
        return None
    last = steps.channels - 1
    whole = (starts[0] == -1 or starts[0] >= last) and ends[0] < -steps.channels
    return _reverse(steps) if whole and len(starts) == len(ends) == 1 else None


def _reverse(steps: PixelSteps) -> PixelSteps:
    return replace(
        steps,
        factor=steps.factor[::-1],
        shift=steps.shift[::-1],
        reversed=not steps.reversed,
        stripped=True,
    )


def _calculate(flow: TensorFlow, steps: PixelSteps, index: int, attributes: dict[str, Any]) -> PixelSteps | None:
    """A sum, a difference, a product or a quotient with constants of each channel."""
    node = flow.nodes[index]
    if steps.dtype not in FLOATS or len(node.input) != 2:
        return None
    first = node.input[0] == steps.tensor
    if not first and node.op_type in ("Sub", "Div"):
        return None
    found = find_exact(flow, node.input[1 if first else 0], steps.axis, steps.channels)
    return _apply(steps, node.op_type, found) if found else None


def _apply(steps: PixelSteps, kind: str, numbers: ExactNumbers) -> PixelSteps | None:
    factor, shift = steps.factor, steps.shift
    if kind == "Div" and not all(numbers):
        return None
    if kind in ("Add", "Sub"):
        sign = 1 if kind == "Add" else -1
        return replace(steps, shift=_combine(shift, numbers, lambda a, n: a + sign * n), stripped=True)
    one = [_as_pixel_range(n) if kind == "Mul" else 1 / n for n in numbers]
    divided = steps.divided or (len(one) == 1 and one[0] == Fraction(1, 255))
    factor, shift = (_combine(each, tuple(one), lambda a, n: a * n) for each in (factor, shift))
    return replace(steps, factor=factor, shift=shift, divided=divided, stripped=True)


def _as_pixel_range(factor: Fraction) -> Fraction:
    """A factor, or 1 / 255 where it is what a float type has for that."""
    return Fraction(1, 255) if abs(float(factor) * 255 - 1) < ROUNDING / 4 else factor


def _combine(
    first: ExactNumbers, second: ExactNumbers, function: Callable[[Fraction, Fraction], Fraction]
) -> ExactNumbers:
    return tuple(function(a, b) for a, b in zip(*align_channels(first, second), strict=True))


def _dequantize(flow: TensorFlow, steps: PixelSteps, index: int, attributes: dict[str, Any]) -> PixelSteps | None:
    """Pixels that are codes of eight bits already: a difference and a product."""
    node = flow.nodes[index]
    if steps.dtype != "uint8" or not 2 <= len(node.input) <= 3 or attributes.get("block_size"):
        return None
    axis = int(attributes.get("axis", 1)) % 4
    scale = _find_codes(flow, node.input[1], steps.channels, axis == steps.axis)
    zero: ExactNumbers | None = (Fraction(0),)
    if len(node.input) == 3:
        zero = _find_codes(flow, node.input[2], steps.channels, axis == steps.axis)
    if zero is None or scale is None:
        return None
    moved = _apply(replace(steps, dtype="float32"), "Sub", zero)
    return _apply(moved, "Mul", scale) if moved else None


def _find_codes(flow: TensorFlow, name: str, channels: int, along: bool) -> ExactNumbers | None:
    array = flow.find_array(name)
    if array is None or array.ndim > 1 or array.size not in ((1, channels) if along else (1,)):
        return None
    return read_exact(array)


_STEPS: dict[str, Callable[[TensorFlow, PixelSteps, int, dict[str, Any]], PixelSteps | None]] = {
    **dict.fromkeys(("Add", "Sub", "Mul", "Div"), _calculate),
    "Cast": _cast,
    "DequantizeLinear": _dequantize,
    "Gather": _gather,
    "GatherND": _gather_parts,
    "Identity": _pass,
    "Slice": _slice,
    "Transpose": _transpose,
}
"""What a step between pixels and a network may be."""
