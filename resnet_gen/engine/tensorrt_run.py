"""Running a serialized engine on the GPU at hand, by TensorRT-RTX or by TensorRT."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from resnet_gen.engine.base import DTYPES, OWN_CHOICE, Runner, Tuning, refuse_no_image, widen_bfloat16
from resnet_gen.engine.cuda_graphs import CapturedGraphs
from resnet_gen.engine.names import ONNX
from resnet_gen.engine.tensorrt import DAMAGED, Backend, list_errors, load_backend, make_logger
from resnet_gen.problems import Refused, refuse
from resnet_gen.system.files import read_regular_file, why_unread
from resnet_gen.weights.base import Array

_TYPES = {"FLOAT": "float32", "HALF": "float16", "BF16": "bfloat16", "UINT8": "uint8"}


class Cuda:
    """The CUDA runtime, whose error codes become refusals, with memory on the GPU by name.

    Raises `Refused` where the bindings are not installed or no GPU can be used.
    """

    def __init__(self) -> None:
        self.runtime = _load_bindings()
        code, count = self.runtime.cudaGetDeviceCount()
        if int(code) or not count:
            reason = self._describe_error(code) if int(code) else "there is none"
            hint = "an engine runs on an NVIDIA GPU with its driver; nvidia-smi shows whether there is one"
            raise refuse(f"no GPU can be used: {reason}", hint=hint)
        self.stream = self.call("cudaStreamCreate")
        self._memory: dict[str, tuple[int, int]] = {}

    def call(self, function: str, *arguments: Any) -> Any:
        """Call a function of the runtime; what it returns beside the code."""
        code, *values = getattr(self.runtime, function)(*arguments)
        if int(code):
            raise refuse(f"{function}: {self._describe_error(code)}")
        return values[0] if values else None

    def memory(self, name: str, nbytes: int) -> int:
        """The address of at least `nbytes` on the GPU, kept under `name` for the next time."""
        address, size = self._memory.get(name, (0, 0))
        if size < nbytes:
            if address:
                self.call("cudaFree", address)
            self._memory.pop(name, None)
            address = int(self.call("cudaMalloc", nbytes))
            self._memory[name] = (address, nbytes)
        return address

    def to_gpu(self, address: int, values: Array) -> None:
        """Begin to copy an array to the GPU."""
        kind = self.runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
        self.call("cudaMemcpyAsync", address, values.ctypes.data, values.nbytes, kind, self.stream)

    def from_gpu(self, values: Array, address: int) -> None:
        """Begin to fill an array from the GPU."""
        kind = self.runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self.call("cudaMemcpyAsync", values.ctypes.data, address, values.nbytes, kind, self.stream)

    def wait(self) -> None:
        """Wait for everything that was begun."""
        self.call("cudaStreamSynchronize", self.stream)

    def _describe_error(self, code: Any) -> str:
        return str(self.runtime.cudaGetErrorString(code)[1].decode())


def _load_bindings() -> Any:
    try:
        from cuda.bindings import runtime
    except (ImportError, OSError, RuntimeError) as error:  # of the three, RuntimeError: a library of it is not there
        raise refuse(f"CUDA's bindings cannot be loaded: {error}", hint="pip install 'resnet-gen[cuda]'") from None
    return runtime


@dataclass(frozen=True, kw_only=True)
class EngineRunner(Runner):
    """An engine with its execution context on the GPU; `types` are those of its outputs.

    A run copies the batch to the GPU and the outputs back, and waits for them.
    """

    cuda: Cuda
    context: Any
    log: Any
    types: dict[str, Any]
    graphs: CapturedGraphs | None = None
    engine: Any = field(repr=False)  # TensorRT's context does not keep it alive

    def run(self, x: Array) -> dict[str, Array]:
        x = self.prepare_input(x)
        self.check(x.shape)
        try:
            return self._run(x)
        except Refused as refused:
            raise refuse(f"cannot be run: {refused.problems[0].message}", self.where) from None

    def _run(self, x: Array) -> dict[str, Array]:
        place = self.cuda.memory(self.input, x.nbytes)
        self.cuda.to_gpu(place, x)
        self._choose_profile(x.shape)
        self._require_done(self.context.set_input_shape(self.input, x.shape))
        self._require_done(self.context.set_tensor_address(self.input, place))
        found = {name: np.empty(tuple(self.context.get_tensor_shape(name)), t) for name, t in self.types.items()}
        places = {name: self.cuda.memory(name, values.nbytes) for name, values in found.items()}
        for name, address in places.items():
            self._require_done(self.context.set_tensor_address(name, address))
        if self.graphs:
            self.graphs.run((x.shape, place, *places.values()), self._enqueue)
        else:
            self._enqueue()
        for name, values in found.items():
            self.cuda.from_gpu(values, places[name])
        self.cuda.wait()
        return {name: widen_bfloat16(values) for name, values in found.items()}

    def _enqueue(self) -> None:
        self._require_done(self.context.execute_async_v3(int(self.cuda.stream)))

    def _choose_profile(self, shape: tuple[int, ...]) -> None:
        """Take the profile that the shape is of, where there are several."""
        index = self.find_profile(shape) if self.more_bounds else None
        if index is not None and self.context.active_optimization_profile != index:
            self._require_done(self.context.set_optimization_profile_async(index, int(self.cuda.stream)))

    def _require_done(self, done: bool) -> None:
        if not done:
            raise refuse(list_errors(self.log))


def open_engine(backend: Backend, path: Path, shown: str | None = None, tuning: Tuning = OWN_CHOICE) -> EngineRunner:
    """Load a serialized engine; raises `Refused` if it is none, if no GPU can run it, or if it is no image network.

    Weights that it may exchange, or lacks, are those of the ONNX file that was written with it.
    """
    where = shown or str(path)
    trt = load_backend(backend)
    data = _read_engine(path, where)
    log = make_logger(trt)
    runtime = trt.Runtime(log)
    # TensorRT-RTX tells damaged bytes from an engine for another GPU, without any GPU; TensorRT does not.
    if hasattr(runtime, "get_engine_validity") and runtime.get_engine_validity(data)[1] & DAMAGED:
        raise refuse(f"not an engine of {backend.name}, or damaged", where)
    cuda = Cuda()
    if tuning.host_code and hasattr(runtime, "engine_host_code_allowed"):
        runtime.engine_host_code_allowed = True
    engine = runtime.deserialize_cuda_engine(data)
    if engine is None:
        hint = "an engine runs on the GPUs and the library version that it was built for"
        raise refuse(f"{backend.name} declines it: {list_errors(log)}", where, hint)
    _put_weights_in(trt, engine, log, path, where)
    context = engine.create_execution_context()
    if context is None:
        raise refuse(f"{backend.name} cannot prepare it: {list_errors(log)}", where)
    name, outputs = _find_image(trt, engine, where)
    shape, bounds = _read_shapes(engine, name)
    first, *more = bounds or (None,)
    return EngineRunner(
        where=where,
        runtime={"library": backend.name, "version": trt.__version__},
        input=name,
        shape=shape,
        dtype=DTYPES[_TYPES[_name_type(engine, name)]],
        outputs=tuple(outputs),
        metadata={},
        bounds=first,
        more_bounds=tuple(more),
        graphs=CapturedGraphs(cuda) if tuning.cuda_graphs else None,
        cuda=cuda,
        context=context,
        log=log,
        types=_find_output_types(trt, engine, outputs),
        engine=engine,
    )


def _read_engine(path: Path, where: str) -> bytes:
    try:
        return read_regular_file(path, most=None)
    except OSError as error:
        raise refuse(why_unread(error), where) from None


def _list_tensors(trt: Any, engine: Any) -> tuple[list[str], list[str]]:
    """The names of the inputs, and of the outputs."""
    names = [engine.get_tensor_name(i) for i in range(engine.num_io_tensors)]
    inputs = [name for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT]
    return inputs, [name for name in names if name not in inputs]


def _find_image(trt: Any, engine: Any, where: str) -> tuple[str, list[str]]:
    """The name of the one input, and those of the outputs; raises `Refused` where that is no image."""
    inputs, outputs = _list_tensors(trt, engine)
    if len(inputs) != 1 or len(engine.get_tensor_shape(inputs[0])) != 4 or _name_type(engine, inputs[0]) not in _TYPES:
        raise refuse_no_image(where)
    return inputs[0], outputs


def _name_type(engine: Any, name: str) -> str:
    return str(engine.get_tensor_dtype(name).name)


def _read_shapes(engine: Any, name: str) -> tuple[Any, Any]:
    """The shape of the input, None where it may vary, and in that case the smallest and the largest of each profile."""
    shape = tuple(side if side >= 0 else None for side in engine.get_tensor_shape(name))
    if None not in shape:
        return shape, None
    found = []
    for index in range(getattr(engine, "num_optimization_profiles", 1)):
        least, _, most = engine.get_tensor_profile_shape(name, index)
        found.append((tuple(least), tuple(most)))
    return shape, tuple(found)


def _put_weights_in(trt: Any, engine: Any, log: Any, path: Path, where: str) -> None:
    """Fill an engine that was built without its weights, which would otherwise put out zeros and say nothing."""
    if not getattr(engine, "refittable", False):
        return
    model = path.with_name(f"{path.name.partition('.')[0]}{ONNX}")
    refitter = trt.Refitter(engine, log)
    if not model.is_file():
        if refitter.get_missing_weights():
            hint = "it was written with the engine; engines are built without weights by --strip-weights"
            raise refuse(f"it has no weights, and there is no {model.name} beside it to take them from", where, hint)
        return
    parser = trt.OnnxParserRefitter(refitter, log)
    if not parser.refit_from_file(str(model)) or not refitter.refit_cuda_engine():
        raise refuse(f"the weights of {model.name} do not fit it: {list_errors(log)}", where)


def _find_output_types(trt: Any, engine: Any, names: list[str]) -> dict[str, Any]:
    """NumPy's types of the outputs; those that no image has, TensorRT itself translates."""
    return {
        n: DTYPES.get(_TYPES.get(_name_type(engine, n), "")) or trt.nptype(engine.get_tensor_dtype(n)) for n in names
    }
