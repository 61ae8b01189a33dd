"""Files: ONNX models, engines, and what goes to a device or a server."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypedDict, overload

from resnet_gen.api.arguments import (
    AnyPath,
    Device,
    Network,
    check_one_of,
    check_within,
    list_files_read,
    resolve_spec,
    resolve_target,
    resolve_weights,
    setting_texts,
)
from resnet_gen.build.output_kinds import BUILD_TARGETS, LIBRARIES, BuildTarget, Library
from resnet_gen.engine.names import ENGINE
from resnet_gen.language.load import Loaded, with_settings
from resnet_gen.ops.limits import BATCHES, OPSETS
from resnet_gen.ops.precision import COMPUTE, PLACEMENTS, PRECISIONS, Calibration, Float, Placement, Precision
from resnet_gen.problems import refuse, suggest
from resnet_gen.weights.downloads.names import list_local_files
from resnet_gen.weights.seeds import SEEDS

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from resnet_gen.build.precision_cost import PrecisionCost
    from resnet_gen.build.request import BuildBatch, Request
    from resnet_gen.language.engine_settings import EngineSettings

BatchSize: TypeAlias = int | tuple[int, int, int]
"""A fixed batch, or the smallest, the tuned-for and the largest that an engine takes."""


class Options(TypedDict, total=False):
    """How a network becomes a file. What is left out, the device decides, or else the default."""

    precision: Precision
    """What layers compute in; fp32, or with a device its best. int8 and fp8 need a `calibration`."""
    typed_io: bool
    """Give input and outputs the type that layers compute in, instead of float32."""
    weights: AnyPath | None
    """Weights: safetensors, `.npz` or a PyTorch checkpoint, which is read without running code; or the name of
    published ones, such as `torchvision:IMAGENET1K_V2`, which are fetched (docs/weights.md)."""
    seed: int
    """Seed, from 0, of the He initialization (He et al. 2015, arXiv 1502.01852) without `weights`; 0."""
    fold: bool
    """Fold batch norms into the convolutions before them."""
    opset: int | None
    """ONNX opset, 13 to 26; the lowest that the graph needs."""
    device: Device | None
    """The device that it is for: a name, as `list_targets` has them, or a file. Refuses what it cannot do."""
    calibration: Calibration | AnyPath | None
    """Images that int8 and fp8 take their scales from, and that a build is compared with float32 on: a folder, an
    `.npz`, or `random`, which says nothing of accuracy."""
    placement: Placement | None
    """The kind of runtime that int8 places Q/DQ for, where no device and no engine says it."""
    rest: Float | None
    """Type of what int8 and fp8 leave; fp16 on GPUs, else fp32."""
    tf32: bool
    """Let a GPU multiply float32 in TF32, which has 10 bits; TensorRT and ONNX Runtime would, and are set not to."""
    compare: bool
    """Hold what is built, unless it is float32 as it stands, against float32 on up to four of the images, or on drawn
    noise; True. Values that the type cannot hold are refused where images are given, else there is a warning."""
    reduce_range: bool
    """Seven bits for weights in int8: for x86 CPUs without VNNI, whose sums saturate."""
    symbolic_size: bool
    """Leave height and width open in the ONNX file, for networks that take any size; profiles say it of engines."""
    engine: EngineSettings | Mapping[str, Any] | None
    """How an engine is built, as a spec's `engine` says it: `{"workspace": 1024}`; more than what the spec and the
    device say (docs/engines.md)."""


@overload
def emit_onnx(
    spec: Network,
    path: None = None,
    *,
    batch: int | None = None,
    serve: Mapping[str, object] | None = None,
    **options: Unpack[Options],
) -> bytes: ...
@overload
def emit_onnx(
    spec: Network,
    path: AnyPath,
    *,
    batch: int | None = None,
    serve: Mapping[str, object] | None = None,
    **options: Unpack[Options],
) -> Path: ...
def emit_onnx(
    spec: Network,
    path: AnyPath | None = None,
    *,
    batch: int | None = None,
    serve: Mapping[str, object] | None = None,
    **options: Unpack[Options],
) -> bytes | Path:
    """Write the ONNX model of a network, or return its bytes (docs/onnx.md): the same arguments, the same bytes.

    ONNX's own shape inference reads it back; it must hold the graph's layers, names, shapes, parameters and MACs.

    Args:
        spec: A loaded spec, a name, or a path.
        path: The file to write, over what is there, in a folder that is there. Above 2 GiB, weights lie beside it.
        batch: Images at once; without it the first dimension is symbolic, `N`.
        serve: Keys of the spec's `serve`, which has the file take pixels (docs/serve.md): `{}` for all defaults.
        **options: How the network becomes a file: see [`Options`](#options).

    Returns:
        The path; without one, the bytes of a serialized `onnx.ModelProto`. Input and outputs have the batch first:
        (N, C, H, W), in pixels, normalized as the spec's `input` says.

    Raises:
        Refused: For a wrong spec, weights of another network, options that do not go together or that the device
            cannot do, a path that cannot be written, and bytes above 2 GiB.

    Example:
        >>> import onnx
        >>> from resnet_gen import emit_onnx
        >>> model = onnx.load_from_string(emit_onnx("cifar-resnet20", precision="fp16"))
        >>> model.graph.node[0].name, model.opset_import[0].version
        ('input.cast', 13)
        >>> path = emit_onnx("cifar-resnet20", "resnet20.onnx", fold=True, batch=1)
        >>> onnx.load(path).graph.input[0].type.tensor_type.shape.dim[0].dim_value
        1
    """
    from resnet_gen.build.build import model_bytes, write_model
    from resnet_gen.system.write import check_writable

    check_within("batch", batch, *BATCHES)
    request = _resolve_request("onnx", (), batch, options)
    network = _resolve_served(spec, serve)
    if path is None:
        return model_bytes(network, request)
    file = Path(path)
    check_writable(file, [*list_files_read(spec), *_list_files_read(options)])
    write_model(network, request, file)
    return file


def build_engine(
    spec: Network,
    folder: AnyPath,
    *,
    library: Library = "tensorrt-rtx",
    compute_capabilities: tuple[int, ...] = (),
    batch: BatchSize | None = None,
    serve: Mapping[str, object] | None = None,
    replace: bool = False,
    **options: Unpack[Options],
) -> Path:
    """Build an engine, with the ONNX file that it was built from and a manifest beside it (docs/engines.md).

    TensorRT-RTX builds for named compute capabilities on a machine without a GPU; TensorRT for the GPU at hand.

    Args:
        spec: A loaded spec, a name, or a path.
        folder: Where to; it is made if it is not there.
        library: What builds it.
        compute_capabilities: Those of the GPUs that it is for, such as 86 for 8.6; those of 86, 89 and 120 that have
            the precision. For TensorRT-RTX alone, and without a device, which has its own.
        batch: Images at once: fixed, or smallest, tuned for and largest; (1, 8, 32) without it.
        serve: As for `emit_onnx`.
        replace: Replace what another spec of this name left there.
        **options: How the network becomes a file: see [`Options`](#options).

    Returns:
        The path of the engine.

    Raises:
        Refused: As `emit_onnx`; and where the library cannot be loaded or declines, with its own words.

    Example:
        >>> from resnet_gen import build_engine
        >>> build_engine("cifar-resnet20", "engines", compute_capabilities=(86,), batch=1).name
        'cifar-resnet20.fp32.sm86.engine'
    """
    check_one_of("library", library, LIBRARIES)
    files = build(
        spec,
        folder,
        target=library,
        compute_capabilities=compute_capabilities,
        batch=batch,
        serve=serve,
        replace=replace,
        **options,
    )
    return next(file for file in files if file.suffix == ENGINE)


def build(
    spec: Network,
    folder: AnyPath,
    *,
    target: BuildTarget | None = None,
    compute_capabilities: tuple[int, ...] = (),
    batch: BatchSize | None = None,
    serve: Mapping[str, object] | None = None,
    replace: bool = False,
    **options: Unpack[Options],
) -> tuple[Path, ...]:
    """Build what `resnet-gen build` builds: a model with its manifest, an engine, a bundle, a folder for Triton.

    Args:
        spec: A loaded spec, a name, or a path.
        folder: Where to; it is made if it is not there. Files appear together, or not at all.
        target: What to build; `onnx`, or what the device takes.
        compute_capabilities: As for `build_engine`.
        batch: As for `build_engine`; a range is an engine's, the model's batch is symbolic then.
        serve: As for `emit_onnx`.
        replace: Replace what another spec of this name left there.
        **options: How the network becomes a file: see [`Options`](#options).

    Returns:
        The files that were written, the manifest last.

    Raises:
        Refused: As `emit_onnx`, and for files of another spec that are there.

    Example:
        >>> from resnet_gen import build
        >>> [file.name for file in build("cifar-resnet20", "served", target="triton", device="cpu")]
        ['model.onnx', 'README.md', 'config.pbtxt', 'cifar-resnet20.manifest.json']
    """
    from resnet_gen.build.build import build as built
    from resnet_gen.build.build_notes import list_sparsity_notes

    check_one_of("target", target, BUILD_TARGETS)
    request = _resolve_request(target, compute_capabilities, batch, options)
    network = _resolve_served(spec, serve)
    tell = partial(_warn_of_cost, network.spec.name)
    files = tuple(built(network, request, Path(folder), replace=replace, aside=False, tell=tell))
    for line in list_sparsity_notes(files[-1]):
        if line.startswith(_WARNING):
            warnings.warn(line.removeprefix(_WARNING), stacklevel=2)
    return files


_WARNING = "warning: "


def _resolve_served(spec: Network, serve: Mapping[str, object] | None) -> Loaded:
    """The spec, with what is to be served laid over it; raises `Refused`."""
    if not isinstance(serve, Mapping | None):
        raise refuse("serve: a mapping of its keys is wanted", hint="serve={} takes all defaults")
    loaded = resolve_spec(spec)
    return loaded if serve is None else with_settings(loaded, setting_texts({"serve": dict(serve)}))


def _warn_of_cost(name: str, cost: PrecisionCost) -> None:
    for line in cost.list_warnings():
        warnings.warn(f"{name}: {line}", stacklevel=4)


def _resolve_request(
    target_name: str | None, capabilities: tuple[int, ...], batch: BatchSize | None, options: Options
) -> Request:
    """What the arguments come to; raises `Refused` for what does not go together."""
    from resnet_gen.build.request_resolution import BuildWishes, resolve_request

    wishes: dict[str, Any] = dict(options)
    for name in wishes:
        if name not in Options.__annotations__:  # as Python says it of any function
            raise TypeError(f"unexpected keyword argument '{name}': {suggest(name, Options.__annotations__)}")
    for name, known in _CLOSED.items():
        check_one_of(name, wishes.get(name), known)
    check_within("seed", wishes.get("seed"), *SEEDS)
    check_within("opset", wishes.get("opset"), *OPSETS)
    for name, convert in _FORMS.items():
        if wishes.get(name) is not None:
            wishes[name] = convert(wishes[name])
    return resolve_request(
        BuildWishes(
            target=target_name, capabilities=tuple(sorted(set(capabilities))), batch=_resolve_batch(batch), **wishes
        )
    )


_CLOSED = {"precision": PRECISIONS, "placement": PLACEMENTS, "rest": tuple(COMPUTE)}


def _resolve_calibration(given: Calibration | AnyPath) -> Calibration:
    return given if isinstance(given, Calibration) else Calibration(os.fspath(given))


def _resolve_engine(given: EngineSettings | Mapping[str, Any]) -> EngineSettings:
    from resnet_gen.build.engine_arguments import read_settings
    from resnet_gen.language.engine_settings import EngineSettings

    return given if isinstance(given, EngineSettings) else read_settings(given, "engine")


_FORMS: dict[str, Callable[[Any], Any]] = {
    "device": resolve_target,
    "weights": resolve_weights,
    "calibration": _resolve_calibration,
    "engine": _resolve_engine,
}
"""How arguments become what is wished."""


def _resolve_batch(given: BatchSize | None) -> BuildBatch:
    from resnet_gen.build.batches import parse_batch

    if given is None:
        return parse_batch(None)
    return parse_batch(":".join(map(str, given if isinstance(given, tuple) else (given,))))


def _list_files_read(options: Options) -> list[Path]:
    """The files that options name, which nothing may be written over."""
    calibration = options.get("calibration")
    images = [Path(_resolve_calibration(calibration).source)] if calibration is not None else []
    return [*list_local_files(resolve_weights(options.get("weights"))), *images]
