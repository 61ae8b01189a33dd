"""Running a model on OpenVINO, on the CPU."""

from __future__ import annotations

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
from resnet_gen.weights.base import Array

_TYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "u8": "uint8"}


@dataclass(frozen=True, kw_only=True)
class CompiledModel(Runner):
    """A model that OpenVINO compiled: its one infer request."""

    request: Any

    def run(self, x: Array) -> dict[str, Array]:
        try:
            self.request.infer([_make_tensor(self.prepare_input(x))], share_inputs=True)
            found = [_copy_array(self.request.get_output_tensor(i)) for i in range(len(self.outputs))]
        except Exception as error:  # RuntimeError and classes of its own
            raise refuse(f"OpenVINO cannot run it: {_shorten_error(error)}", self.where) from None
        return dict(zip(self.outputs, found, strict=True))


def _copy_array(tensor: Any) -> Array:
    """A copy, since the next run writes to the same place."""
    if tensor.element_type.get_type_name() == "bf16":  # whose bytes OpenVINO shows as float16
        return widen_bfloat16(tensor.data.view(np.uint16).view(BFLOAT16))
    return np.array(tensor.data)


def open_model(path: Path, shown: str | None = None, tuning: Tuning = OWN_CHOICE) -> CompiledModel:
    """Load an ONNX file for one request at a time; raises `Refused` if OpenVINO declines it or it is no image network.

    `precision_hint` is f32, bf16 or f16; without one it is asked for the file's own type. The processor decides whether
    that is followed; `runtime["precision"]` says what the compiled layers compute in.
    """
    where = shown or str(path)
    openvino = _load_library()
    try:
        core, model = openvino.Core(), _read_model(path)
        tuning = tuning._replace(precision_hint=tuning.precision_hint or _choose_own_type(core, model))
        compiled = core.compile_model(model, "CPU", _make_properties(tuning))
    except Exception as error:  # RuntimeError and classes of its own
        raise refuse(f"OpenVINO declines it: {_shorten_error(error)}", where) from None
    inputs = compiled.inputs
    if len(inputs) != 1 or len(inputs[0].get_partial_shape()) != 4 or _name_type(inputs[0]) not in _TYPES:
        raise refuse_no_image(where)
    return CompiledModel(
        where=where,
        runtime=_describe_runtime(openvino, compiled),
        input=inputs[0].get_any_name(),
        shape=tuple(d.get_length() if d.is_static else None for d in inputs[0].get_partial_shape()),
        dtype=PIXEL_TYPES[_TYPES[_name_type(inputs[0])]],
        # Compiled, an output may have the names of values inside the network beside its own.
        outputs=tuple(output.get_any_name() for output in model.outputs),
        metadata=_read_metadata(model),
        request=compiled.create_infer_request(),
    )


def _load_library() -> Any:
    try:
        import openvino
    except (ImportError, OSError) as error:  # OSError: the module is there, a shared library of it is not
        raise refuse(f"openvino cannot be loaded: {error}", hint="pip install 'resnet-gen[openvino]'") from None
    return openvino


def _read_model(path: Path) -> Any:
    """By the reader of ONNX alone: asked for any, OpenVINO's others print what they cannot make of a damaged file."""
    from openvino.frontend import FrontEndManager

    reader = FrontEndManager().load_by_framework("onnx")
    return reader.convert(reader.load(str(path)))


def _choose_own_type(core: Any, model: Any) -> str:
    """The type to ask for, so that a file is computed in its own: OpenVINO itself takes bfloat16 where a CPU has it.

    Float16 only of a CPU that has that: others would take bfloat16 for it.
    Layers that are bfloat16 in the file, or in eight bits, stay so under f32.
    """
    halves = "FP16" in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    types = {_name_type(op.output(0)) for op in model.get_ops() if op.get_type_name() not in _CARRYING and op.outputs()}
    return "f16" if halves and types & {"f16", "f32", "f64"} == {"f16"} else "f32"


_CARRYING = ("Constant", "Convert", "Parameter", "Result")
"""Operations that compute nothing."""


def _make_properties(tuning: Tuning) -> dict[str, Any]:
    wanted = {"INFERENCE_NUM_THREADS": tuning.threads, "INFERENCE_PRECISION_HINT": tuning.precision_hint}
    return {"PERFORMANCE_HINT": "LATENCY"} | {key: value for key, value in wanted.items() if value is not None}


def _describe_runtime(openvino: Any, compiled: Any) -> dict[str, str]:
    return {
        "library": "openvino",
        "version": openvino.__version__.split("-")[0],
        "precision": _list_executed_types(compiled),
        "threads": str(compiled.get_property("INFERENCE_NUM_THREADS")),
    }


_LAYERS = ("Convolution", "FullyConnected", "MatMul")


def _list_executed_types(compiled: Any) -> str:
    """The types that layers were compiled to; of a network without any, the type that was granted."""
    infos = (op.get_rt_info() for op in compiled.get_runtime_model().get_ops())
    found = [
        (str(i["layerType"].astype(str)), str(i["runtimePrecision"].astype(str))) for i in infos if "layerType" in i
    ]
    layers = [kind for layer, kind in found if layer in _LAYERS]
    return format_types(layers) or str(compiled.get_property("INFERENCE_PRECISION_HINT").get_type_name())


def _read_metadata(model: Any) -> dict[str, str]:
    """The ONNX file's metadata, where OpenVINO keeps them."""
    kept = model.get_rt_info(["framework"]).value if model.has_rt_info(["framework"]) else {}
    return {str(key): str(value) for key, value in kept.items()}


def _name_type(port: Any) -> str:
    return str(port.get_element_type().get_type_name())


def _make_tensor(x: Array) -> Any:
    import openvino

    if x.dtype == BFLOAT16:
        return openvino.Tensor(x.view(np.uint16), openvino.Shape(list(x.shape)), openvino.Type.bf16)
    return openvino.Tensor(x, shared_memory=True)


def _shorten_error(error: Exception) -> str:
    """The last line of OpenVINO's message; those before it are files of its source."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
