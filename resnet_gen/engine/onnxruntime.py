"""Running a model on ONNX Runtime, on the CPU."""

from __future__ import annotations

import ctypes
import json
import math
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from resnet_gen.engine.base import (
    BFLOAT16,
    OWN_CHOICE,
    PIXEL_TYPES,
    Runner,
    Tuning,
    format_types,
    refuse_no_image,
    widen_bfloat16,
)
from resnet_gen.problems import refuse
from resnet_gen.system.files import read_regular_file
from resnet_gen.weights.base import Array

_TYPES = {"tensor(float)": "float32", "tensor(float16)": "float16", "tensor(bfloat16)": "bfloat16"}
_PIXELS = {**_TYPES, "tensor(uint8)": "uint8"}
_BFLOAT16 = 16
"""Of ONNX's TensorProto.DataType."""


@dataclass(frozen=True, kw_only=True)
class Session(Runner):
    """A model in ONNX Runtime; `plain` where NumPy has all its types.

    `profile` is where the first run's profile goes, which shows the types.
    """

    session: Any
    plain: bool
    profile: ProfileFolder | None = None

    def run(self, x: Array) -> dict[str, Array]:
        x = self.prepare_input(x)
        try:
            if self.plain:
                found = [np.asarray(values) for values in self.session.run(None, {self.input: x})]
            else:
                found = [_make_array(v) for v in self.session.run_with_ort_values(None, {self.input: _make_value(x)})]
        except Exception as error:  # ONNX Runtime raises a dozen classes of its own
            raise refuse(f"ONNX Runtime cannot run it: {str(error).strip()}", self.where) from None
        if self.profile and "precision" not in self.runtime:
            self._note_types()
        return dict(zip(self.outputs, found, strict=True))

    def _note_types(self) -> None:
        """Note the types that layers ran in, and end the profile, which would slow later runs down."""
        assert self.profile
        text = read_regular_file(Path(self.session.end_profiling()), most=None).decode(errors="replace")
        try:
            events = json.loads(text, strict=False)
        except ValueError:  # ONNX Runtime 1.23 writes names of nodes as they are, quotes too
            events = []
        self.runtime["precision"] = format_types(_list_types(events)) or "unknown"
        self.profile.remove()


class ProfileFolder:
    """A folder for what ONNX Runtime writes of a run; it goes with this object at the latest."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.remove = weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


def _list_types(events: Iterable[dict[str, Any]]) -> Iterator[str]:
    """The type of each layer in a profile, by its first operand, as OpenVINO says it."""
    for event in events:
        fields = event.get("args", {})
        if fields.get("op_name", "").endswith(_LAYERS) and fields.get("input_type_shape"):
            kind = next(iter(fields["input_type_shape"][0]))
            yield _SHORT.get(kind, kind)


_LAYERS = ("Conv", "Gemm", "MatMul", "MatMulInteger", "ConvInteger")
"""How the names of layers end, those of its own such as FusedConv and QLinearConv among them."""
_SHORT = {"float": "f32", "float16": "f16", "bfloat16": "bf16", "double": "f64", "uint8": "u8", "int8": "i8"}


def _make_value(x: Array) -> Any:
    from onnxruntime import OrtValue

    if x.dtype == BFLOAT16:
        return OrtValue.ortvalue_from_numpy_with_onnx_type(x.view(np.uint16), _BFLOAT16)
    return OrtValue.ortvalue_from_numpy(x)


def _make_array(value: Any) -> Array:
    if value.data_type() != "tensor(bfloat16)":
        return np.asarray(value.numpy())
    shape = tuple(value.shape())  # `numpy()` refuses this type, so its bytes are read where they lie
    data = ctypes.string_at(value.data_ptr(), math.prod(shape) * BFLOAT16.itemsize)
    return widen_bfloat16(np.frombuffer(data, BFLOAT16).reshape(shape))


def open_model(path: Path, shown: str | None = None, tuning: Tuning = OWN_CHOICE) -> Session:
    """Load an ONNX file; raises `Refused` if ONNX Runtime declines it or it is no image network."""
    import onnxruntime

    where = shown or str(path)
    profile = ProfileFolder() if tuning.tells_types else None
    try:
        options = _make_options(tuning, profile)
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a dozen classes of its own
        raise refuse(f"ONNX Runtime declines it: {error}", where) from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or len(inputs[0].shape) != 4 or inputs[0].type not in _PIXELS:
        raise refuse_no_image(where)
    runtime = {"library": "onnxruntime", "version": onnxruntime.__version__}
    return Session(
        where=where,
        runtime=runtime | ({"threads": str(tuning.threads)} if tuning.threads else {}),
        input=inputs[0].name,
        shape=tuple(side if isinstance(side, int) else None for side in inputs[0].shape),
        dtype=PIXEL_TYPES[_PIXELS[inputs[0].type]],
        outputs=tuple(output.name for output in outputs),
        metadata=dict(session.get_modelmeta().custom_metadata_map),
        session=session,
        profile=profile,
        plain=all(value.type != "tensor(bfloat16)" for value in (*inputs, *outputs)),
    )


def _make_options(tuning: Tuning, profile: ProfileFolder | None = None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions; printed, they would stand there twice
    # Float32 is computed in float32, also where that is no default.
    options.add_session_config_entry("mlas.enable_gemm_fastmath_arm64_bfloat16", "0")
    if profile:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile.folder / "run")
    if tuning.as_written:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    if tuning.threads:
        options.intra_op_num_threads = tuning.threads
    if tuning.takes_turns:  # else its threads go on spinning while the other model runs
        options.add_session_config_entry("session.force_spinning_stop", "1")
    return options
