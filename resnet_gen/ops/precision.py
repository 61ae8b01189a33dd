"""Precisions: what each computes in, which GPUs have it, and how eight bits are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

if TYPE_CHECKING:
    from resnet_gen.ops import DType

Precision: TypeAlias = Literal["fp32", "fp16", "bf16", "int8", "fp8"]
"""What a network computes in."""
PRECISIONS: tuple[Precision, ...] = get_args(Precision)
"""Every precision that a network is built in."""

Float: TypeAlias = Literal["fp32", "fp16", "bf16"]
"""What is left of a network in eight bits computes in."""
COMPUTE: dict[str, DType] = {"fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}
"""The element type of each precision that is one type throughout."""

SINCE: dict[Precision, tuple[int, int]] = {"fp16": (5, 3), "int8": (6, 1), "bf16": (8, 0), "fp8": (8, 9)}
"""The compute capability with which products of this precision came (CUDA C++ Programming Guide, arithmetic)."""


def explain_too_old(precision: Precision, capability: tuple[int, int]) -> str | None:
    """Why a GPU of this compute capability (major, minor) has not the precision; None if it has."""
    since = SINCE.get(precision, (0, 0))
    if capability >= since:
        return None
    return "{} came with compute capability {}.{}, and this is {}.{}".format(precision, *since, *capability)


Placement: TypeAlias = Literal["tensorrt", "cpu", "openvino"]
"""The kinds of runtime that want Q/DQ in different places."""
PLACEMENTS: tuple[Placement, ...] = get_args(Placement)

Method: TypeAlias = Literal["minmax", "percentile", "entropy"]
"""How the range of an activation follows from what is seen of it."""
METHODS: tuple[Method, ...] = get_args(Method)


class Calibration(NamedTuple):
    """What to calibrate with, and how ranges are chosen."""

    source: str
    """A folder of pictures, an `.npz`, or `random`."""
    most: int = 512
    """How many images to use at most."""
    method: Method = "percentile"
    """How the range of an activation follows from what is seen of it."""
    percentile: float = 99.999
    """The part of the magnitudes to cover, in percent, for the method of that name."""


class QuantizationChoice(NamedTuple):
    """How to quantize: INT8 or FP8, for which kind of runtime, and the float type of all that is left.

    `in_graph` leaves weights in float and has the file quantize them, as
    TensorRT before 10 wants; `reduce_range` gives them seven bits.
    """

    kind: Literal["int8", "fp8"]
    placement: Placement
    compute: DType
    calibration: Calibration
    in_graph: bool = False
    reduce_range: bool = False
