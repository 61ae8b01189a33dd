"""Rounding of activations: casts to other floating-point types."""

from __future__ import annotations

from onnx import TensorProto

from resnet_gen.reading.call import Call
from resnet_gen.reading.constants import DTYPES, Constant
from resnet_gen.reading.signals import Sizes, Unexplained, Wire


def cast(call: Call) -> Wire:
    """Cast and CastLike of an activation: nothing to a type of floating point, the end of it to any other."""
    to = call.attribute("to", 0)
    dtype = DTYPES.get(to)
    if call.node.op_type == "CastLike":
        like = call.wire(1)
        dtype = like.dtype if isinstance(like, Constant) else DTYPES[_type_of(like)]
    if dtype is None or dtype.kind in "iub":
        raise Unexplained(f"an activation as {dtype.name if dtype else f'element type {to}'}")
    return call.wire(0)


def _type_of(like: Wire) -> int:
    """The type of what is no constant: shapes are integers, activations of floating point."""
    return TensorProto.INT64 if isinstance(like, Sizes) else TensorProto.FLOAT
