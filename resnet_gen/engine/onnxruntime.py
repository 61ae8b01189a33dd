"""Running a model on ONNX Runtime, on the CPU."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resnet_gen.problems import refuse
from resnet_gen.weights.base import Array


@dataclass(frozen=True)
class Session:
    """A loaded model: its file, the name and shape of its one input (None where symbolic), outputs, and metadata."""

    where: str
    session: Any
    input: str
    shape: tuple[int | None, ...]
    outputs: tuple[str, ...]
    metadata: dict[str, str]

    def run(self, x: Array) -> dict[str, Array]:
        """The outputs for the batch `x`, by name; raises `Refused` with ONNX Runtime's words if it fails."""
        try:
            found = self.session.run(None, {self.input: x})
            return {name: np.asarray(values) for name, values in zip(self.outputs, found, strict=True)}
        except Exception as error:  # ONNX Runtime raises a dozen classes of its own
            raise refuse(f"ONNX Runtime cannot run it: {str(error).strip()}", self.where) from None

    def timed(self, x: Array, repeat: int) -> tuple[dict[str, Array], list[float]]:
        """The outputs, and the seconds that each of `repeat` runs took after one to warm up."""
        outputs = self.run(x)
        times = []
        for _ in range(repeat):
            start = time.perf_counter()
            outputs = self.run(x)
            times.append(time.perf_counter() - start)
        return outputs, times


def open_model(path: Path, shown: str | None = None, *, as_written: bool = False) -> Session:
    """Load an ONNX file, to be run `as_written` or as ONNX Runtime rewrites it by default.

    Raises `Refused` if ONNX Runtime declines it or it is no image network.
    """
    import onnxruntime

    where = shown or str(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions; printed, they would stand there twice
    if as_written:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a dozen classes of its own
        raise refuse(f"ONNX Runtime declines it: {error}", where) from None
    inputs = session.get_inputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type != "tensor(float)":
        raise refuse("not a network with one float32 image as its input", where)
    shape = tuple(side if isinstance(side, int) else None for side in inputs[0].shape)
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    outputs = tuple(output.name for output in session.get_outputs())
    return Session(where, session, inputs[0].name, shape, outputs, metadata)
