"""The runtimes by name: which one runs a file, and loading the file there."""

from __future__ import annotations

import mmap
from pathlib import Path

from resnet_gen.engine.base import OWN_CHOICE, Runner, Tuning
from resnet_gen.engine.names import ENGINE
from resnet_gen.engine.pixel_runner import look_inside
from resnet_gen.engine.tensorrt import BACKENDS, load_backend
from resnet_gen.problems import Refused, refuse
from resnet_gen.system.files import open_regular_file


def check_tuning(runtime: str, tuning: Tuning) -> None:
    """Refuse what the runtime would ignore."""
    if tuning.precision_hint and runtime != "openvino":
        raise refuse(f"--precision-hint means nothing for {runtime}", hint="use --backend openvino")
    if tuning.threads and runtime in BACKENDS:
        raise refuse(f"--threads means nothing for {runtime}, which runs on the GPU")


def require_gpu(runtime: str) -> None:
    """Refuse a runtime that needs a GPU where it, or none, is there; for a build that would be in vain."""
    if runtime in BACKENDS:
        from resnet_gen.engine.tensorrt_run import Cuda

        load_backend(BACKENDS[runtime])
        Cuda()


def open_file(runtime: str, path: Path, shown: str | None = None, tuning: Tuning = OWN_CHOICE) -> Runner:
    """Load an ONNX file or an engine; raises `Refused` if it is not there, or not for this runtime."""
    where = shown or str(path)
    if not path.is_file():
        raise refuse("there is no such file", where)
    check_tuning(runtime, tuning)
    engine = path.suffix == ENGINE
    if engine != (runtime in BACKENDS):
        hint = f"it runs on {' or '.join(BACKENDS)}" if engine else f"resnet-gen build SPEC --target {runtime}"
        raise refuse(f"{runtime} runs {'no engines' if engine else 'engines alone'}", where, hint)
    if engine:
        from resnet_gen.engine.tensorrt_run import open_engine

        return open_engine(BACKENDS[runtime], path, where)
    types = _read_element_types(path)
    if runtime == "openvino":
        from resnet_gen.engine import openvino

        return look_inside(openvino.open_model(path, where, tuning), path)
    from resnet_gen.engine import onnxruntime

    if not types.isdisjoint(_FP8):  # which ONNX Runtime 1.32 computes right only without its optimizer
        tuning = tuning._replace(as_written=True)
    return look_inside(onnxruntime.open_model(path, where, tuning), path)


_FP8 = range(17, 21)
"""The eight-bit floats of ONNX's TensorProto.DataType."""


def _read_element_types(path: Path) -> set[int]:
    """Those of the tensors of an ONNX file that may have external data or Q/DQ, none of what we do not read.

    Reading them counts the files of external data among what the command reads.
    """
    with open_regular_file(path) as stream:
        if not path.stat().st_size:
            return set()
        with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            if all(data.find(word) < 0 for word in (b"DequantizeLinear", b"location")):
                return set()
    from resnet_gen.onnx.reading.model_outline import read_outline  # onnx, which other files do without

    try:
        return {tensor.data_type for tensor in read_outline(path).model.graph.initializer}
    except Refused:  # the runtime says it in its own words
        return set()
