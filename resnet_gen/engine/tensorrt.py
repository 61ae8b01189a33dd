"""ONNX to a TensorRT engine, by TensorRT-RTX or by TensorRT, through one code path.

Both libraries have the same classes. TensorRT-RTX builds for named compute
capabilities on a machine without a GPU; TensorRT builds for the GPU at hand.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from resnet_gen.engine.builder_options import (
    NEEDS_DRIVER,
    NO_TUNING,
    BuilderTuning,
    apply_tuning,
    read_timing_cache,
)
from resnet_gen.engine.interrupts import DeferredSignals
from resnet_gen.graph import Graph
from resnet_gen.language.engine_options import ShapeProfile
from resnet_gen.onnx.witness import FileLayer, check_layers, list_layers
from resnet_gen.ops.serving import fill_sides
from resnet_gen.problems import Problem, Refused, refuse

DAMAGED = 32
"""The diagnostic bit of TensorRT-RTX for data that is no engine."""

Progress = Callable[[str, int, int], bool]
"""Called with a phase, steps done and steps in all; returning False cancels an engine's build."""


class Backend(NamedTuple):
    """A TensorRT library: its name on the command line, its module and how it is installed."""

    name: str
    module: str
    install: str
    names_targets: bool


BACKENDS = {
    "tensorrt-rtx": Backend("tensorrt-rtx", "tensorrt_rtx", "pip install tensorrt-rtx", names_targets=True),
    "tensorrt": Backend("tensorrt", "tensorrt", "pip install 'resnet-gen[tensorrt]'", names_targets=False),
}


class Profile(NamedTuple):
    """Batch sizes that an engine accepts: smallest, the one it is tuned for, largest."""

    least: int
    best: int
    most: int


class Engine(NamedTuple):
    """A built engine: its bytes, the version of the library that built it, and its timing cache if it has one."""

    data: memoryview
    version: str
    timing_cache: bytes | None = None


def load_backend(backend: Backend) -> Any:
    """The library's module; raises `Refused` where it is not installed or cannot be loaded."""
    try:
        with DeferredSignals():
            return importlib.import_module(backend.module)
    except (ImportError, OSError) as error:  # OSError: the module is there, a shared library of it is not
        message = f"{backend.name} cannot be loaded: {error}"
        raise refuse(message, hint=f"{backend.install} (Linux and Windows, x86-64)") from None


def build(
    backend: Backend,
    model: Path,
    graph: Graph,
    *,
    profile: Profile | None,
    compute_capabilities: Sequence[int] = (),
    tf32: bool = False,
    progress: Progress | None = None,
    tuning: BuilderTuning = NO_TUNING,
) -> Engine:
    """Build the engine of the ONNX file `model`, which was emitted from `graph`.

    `profile`, or those of `tuning`, are needed where the batch is symbolic. Float32 is computed in float32 unless
    `tf32` allows products of 10 bits, as the library itself would. The parsed network is read back before the build
    and must have the graph's layers, names, shapes and types. Raises `Refused` with TensorRT's own words if it
    declines, and for what it has not of `tuning`.
    """
    with DeferredSignals() as signals:
        trt = load_backend(backend)
        log = make_logger(trt)
        builder = _make_builder(trt, backend, log)
        network = builder.create_network(_find_strongly_typed_flag(trt))
        _parse_model(trt, backend, network, model, log)
        # TensorRT has no 1-d convolution: it takes one for a 2-d convolution of one column.
        found = _leave_out_surroundings(parsed_layers(trt, network), graph)
        if any(shapes.sizes for shapes in tuning.profiles):
            found = _fill_sides(found, list_layers(graph, (1,)))
        check_layers(graph, found, f"{backend.name}'s parsed network", row=(1,))
        config = builder.create_builder_config()
        if compute_capabilities:
            _set_target(trt, config, compute_capabilities)
        if not tf32:
            config.clear_flag(trt.BuilderFlag.TF32)
        for shapes in tuning.profiles or ((ShapeProfile(profile),) if profile else ()):
            _add_profile(builder, config, graph, shapes)
        apply_tuning(trt, backend.name, builder, config, tuning)
        config.progress_monitor = _make_monitor(trt, progress, signals)
        data = builder.build_serialized_network(network, config)
        if data is None:
            hint = NEEDS_DRIVER if tuning.exchanges_weights and backend.names_targets else None
            raise _refuse_declined(backend, "could not build the engine", log, hint)
        cache = read_timing_cache(config) if tuning.timing_cache is not None else None
    return Engine(memoryview(data), trt.__version__, cache)


def _add_profile(builder: Any, config: Any, graph: Graph, shapes: ShapeProfile) -> None:
    profile = builder.create_optimization_profile()
    own = graph.input.shape
    images = [fill_sides(own, size) for size in shapes.sizes] or [own] * 3
    steps = ((batch, *image) for batch, image in zip(shapes.batches, images, strict=True))
    profile.set_shape(graph.input.name, *steps)
    config.add_optimization_profile(profile)


def _leave_out_surroundings(found: list[FileLayer], graph: Graph) -> list[FileLayer]:
    """The network's layers: what resizes pictures before it are products too."""
    names = tuple(f"{node.name}." for node in graph.nodes if node.role == "serving")
    return [layer for layer in found if not layer.name.startswith(names)]


def _fill_sides(found: list[FileLayer], wanted: list[FileLayer]) -> list[FileLayer]:
    """What TensorRT says of layers, with the sides that it leaves open as the graph has them at its own size."""
    filled = []
    for index, layer in enumerate(found):
        own = wanted[index].shape if index < len(wanted) else ()
        if len(own) == len(layer.shape):
            sides = (side if side >= 0 else known for side, known in zip(layer.shape, own, strict=True))
            layer = layer._replace(shape=tuple(sides))
        filled.append(layer)
    return filled


def _make_builder(trt: Any, backend: Backend, log: Any) -> Any:
    try:
        return trt.Builder(log)
    except TypeError:  # what the bindings raise where TensorRT finds no GPU
        raise _refuse_declined(backend, "cannot start", log) from None


def _find_strongly_typed_flag(trt: Any) -> int:
    """The flag that TensorRT 10 needs for what TensorRT 11 always does."""
    flags = trt.NetworkDefinitionCreationFlag
    return 1 << int(flags.STRONGLY_TYPED) if hasattr(flags, "STRONGLY_TYPED") else 0


def _parse_model(trt: Any, backend: Backend, network: Any, model: Path, log: Any) -> None:
    parser = trt.OnnxParser(network, log)
    if parser.parse_from_file(str(model)):
        return
    errors = [parser.get_error(i).desc() for i in range(parser.num_errors)]
    if not errors:
        raise _refuse_declined(backend, "no parse", log)
    raise Refused(Problem(f"{backend.name}: {error}", model.name) for error in errors)


def known_targets(backend: Backend) -> dict[int, Any]:
    """The compute capabilities that the library can build for, such as 86 for 8.6."""
    members = load_backend(backend).ComputeCapability.__members__
    return {int(name[2:]): value for name, value in members.items() if name[2:].isdigit()}


def _set_target(trt: Any, config: Any, compute_capabilities: Sequence[int]) -> None:
    config.num_compute_capabilities = len(compute_capabilities)
    for index, number in enumerate(compute_capabilities):
        config.set_compute_capability(getattr(trt.ComputeCapability, f"SM{number}"), index)


def parsed_layers(trt: Any, network: Any) -> list[FileLayer]:
    """The convolution and linear layers of a parsed network, in order, as TensorRT sees them."""
    kinds = {trt.LayerType.CONVOLUTION: "conv", trt.LayerType.MATRIX_MULTIPLY: "linear"}
    types = {trt.DataType.FLOAT: "float32", trt.DataType.HALF: "float16", trt.DataType.BF16: "bfloat16"}
    found = []
    for index in range(network.num_layers):
        layer = network.get_layer(index)
        if layer.type in kinds:
            output = layer.get_output(0)
            shape = tuple(output.shape)[1:]
            found.append(FileLayer(layer.name, kinds[layer.type], shape, types.get(output.dtype, str(output.dtype))))
    return found


def make_logger(trt: Any) -> Any:
    """A logger that keeps errors, whose texts are the only reasons that TensorRT gives."""

    class BuilderLog(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.ERROR, trt.ILogger.INTERNAL_ERROR):
                self.errors.append(message)

    return BuilderLog()


def _make_monitor(trt: Any, progress: Progress | None, signals: DeferredSignals) -> Any:
    """TensorRT's nested phases, reported to `progress` as they begin and advance; a signal ends the build."""

    class BuildMonitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.steps: dict[str, int] = {}
            self.going = True

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self.steps[phase] = steps
            self._report_phase(phase, 0)

        def phase_finish(self, phase: str) -> None:
            self._report_phase(phase, self.steps.get(phase, 0))

        def step_complete(self, phase: str, step: int) -> bool:
            self._report_phase(phase, step + 1)
            return self.going and not signals.pending

        def _report_phase(self, phase: str, done: int) -> None:
            if progress:
                self.going = progress(phase, done, self.steps.get(phase, 0)) and self.going

    return BuildMonitor()


def _refuse_declined(backend: Backend, what: str, log: Any, hint: str | None = None) -> Refused:
    return refuse(f"{backend.name} {what}: {list_errors(log)}", hint=hint)


def list_errors(log: Any) -> str:
    """The errors that a logger has kept."""
    return "; ".join(log.errors) or "it gave no reason"
