"""The tiny network for pictures in colour, with pixels before it and classes behind it."""

from __future__ import annotations

from collections.abc import Iterable

from resnet_gen.build.request import Request
from resnet_gen.language.load import Loaded, load
from resnet_gen.ops.precision import Calibration, Placement, QuantizationChoice
from tests.helpers.onnx_runs import TINY

SIDE = 16
COLOURS = ("input.channels=3", f"input.size={SIDE}", "head.classes=7")
SET_COLOURS = tuple(word for setting in COLOURS for word in ("--set", setting))
"""The same for a command."""


def load_served(*serve: str, more: Iterable[str] = ()) -> Loaded:
    """The network with more settings, and with settings of `serve`."""
    return load(str(TINY), (*COLOURS, *more, "serve={}", *(f"serve.{setting}" for setting in serve)))


def eight_bits(placement: Placement = "cpu") -> Request:
    choice = QuantizationChoice("int8", placement, "float32", Calibration("random"))
    return Request(precision="int8", quantizing=choice)
