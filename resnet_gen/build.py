"""The main job: a specification to files — ONNX, engine, manifest — written together or not at all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resnet_gen import __version__, manifest
from resnet_gen.count import Counts, count
from resnet_gen.emit.onnx import OnnxFile, Options
from resnet_gen.engine import tensorrt
from resnet_gen.engine.tensorrt import BACKENDS, Backend, Profile
from resnet_gen.graph import Graph
from resnet_gen.load import Loaded
from resnet_gen.lower import lower, without_outputs
from resnet_gen.ops import DType
from resnet_gen.passes.fold import fold_batch_norm
from resnet_gen.passes.linear_as_conv import linear_as_conv
from resnet_gen.passes.precision import set_precision
from resnet_gen.passes.standardize import standardize_weights
from resnet_gen.precision import COMPUTE, Precision, Quantizing
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Weights
from resnet_gen.weights.seeded import Seeded
from resnet_gen.witness import reading
from resnet_gen.write import Transaction

if TYPE_CHECKING:
    from resnet_gen.quantization import Quantized
    from resnet_gen.targets import Target

SPEC_KEY = "resnet_gen.spec"
"""Key of the ONNX metadata under which the resolved specification stands."""


Said = Callable[[str, int, int], bool]
"""Called with what is done, steps done and steps in all; returning False cancels an engine's build."""


class Batch(NamedTuple):
    """The batch of a build: one size, or a symbolic one with an engine's profile.

    `image` is the (C, H, W) that was named beside it, which has to be the network's.
    """

    fixed: int | None = None
    profile: Profile = Profile(1, 8, 32)
    image: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Request:
    """What to build: target, precision, where the weights come from, and how it is written.

    `compute_capabilities` are numbers such as 86 for 8.6, for targets that name them.
    `quantizing` goes with the precisions int8 and fp8; `typed_io` gives inputs and
    outputs the type that is computed in, instead of float32.
    """

    target: str = "onnx"
    precision: Precision = "fp32"
    compute_capabilities: tuple[int, ...] = ()
    opset: int | None = None
    batch: Batch = field(default=Batch())
    weights: Path | None = None
    seed: int = 0
    fold: bool = False
    quantizing: Quantizing | None = None
    typed_io: bool = False
    device: Target | None = None

    @property
    def compute(self) -> DType:
        """The float type that the network computes in, but for what is in eight bits."""
        return self.quantizing.compute if self.quantizing else COMPUTE[self.precision]

    @property
    def in_place(self) -> bool:
        """Whether an engine is to be built on the device, with the files of a bundle."""
        on_gpu = self.device is not None and self.device.engine != "onnx"
        return self.target == "bundle" or (self.target == "triton" and on_gpu)

    @property
    def backend(self) -> Backend | None:
        """The TensorRT library to build an engine with; None for ONNX alone."""
        return BACKENDS.get(self.target)


class Network(NamedTuple):
    """A lowered specification with its weights, passes applied: what emitters take.

    `counts` are those of the specification, before any pass; `exact` is the graph
    in float32 but for what is in eight bits.
    """

    graph: Graph
    weights: Weights
    counts: Counts
    exact: Graph
    quantized: Quantized | None = None


def prepare(loaded: Loaded, request: Request, said: Said | None = None) -> Network:
    """Lower a specification, find its weights, and apply the passes that `request` asks for."""
    graph = lower(loaded)
    counts = count(graph)
    graph, weights = standardize_weights(graph, _weights(loaded, graph, request))
    if request.fold or request.quantizing:  # a convolution in eight bits ends in its norm
        graph, weights = fold_batch_norm(graph, weights)
    eight = None
    if request.quantizing:
        from resnet_gen.quantization import quantized  # ONNX Runtime and pictures, which others do without

        eight = quantized(graph, weights, loaded, request.quantizing, said)
        graph, weights = eight.graph, eight.weights
    if _needs_conv_for_linear(request):
        graph, weights = linear_as_conv(graph, weights)
    exact = graph
    graph = set_precision(exact, request.compute, typed_io=request.typed_io)
    return Network(graph, weights, counts, exact, eight)


def _weights(loaded: Loaded, graph: Graph, request: Request) -> Weights:
    if request.weights is None:
        return Seeded(graph, request.seed)
    from resnet_gen.weights import stored  # the readers of all formats, which a seed does without

    body = None if loaded.spec.head.kind != "none" else lower(without_outputs(loaded))
    return stored.fit(graph, stored.read(request.weights), request.weights, body=body)


def _needs_conv_for_linear(request: Request) -> bool:
    """TensorRT-RTX has no float32 matrix product for compute capability 7.5."""
    return 75 in request.compute_capabilities and request.compute == "float32"


def onnx_file(loaded: Loaded, network: Network, request: Request) -> OnnxFile:
    """The network as an ONNX file to be written."""
    metadata = {
        SPEC_KEY: loaded.canonical(),
        "resnet_gen.spec_sha256": loaded.digest(),
        "resnet_gen.version": __version__,
    }
    options = Options(request.opset, request.batch.fixed, metadata, __version__)
    file = OnnxFile(network.graph, network.weights, options)
    if request.device and file.opset > request.device.opset:
        message = f"--for {request.device.name}: reads ONNX opsets up to {request.device.opset}"
        raise refuse(message, hint=f"--precision {request.precision} needs {file.opset}")
    return file


def build(
    loaded: Loaded, request: Request, folder: Path, *, replace: bool = False, progress: Said | None = None
) -> list[Path]:
    """Build a specification into `folder`; returns the files, the manifest last.

    Raises `Refused` for what the target cannot do, for outputs of another
    specification (unless `replace`), and for a disk that is full or closed.
    """
    name = loaded.spec.name
    _check_request(request)
    _check_image(loaded, request.batch)
    network = prepare(loaded, request, progress)
    weights = manifest.weights_entry(request.weights, request.seed)
    folder, model = _layout(folder, name, request)
    if not replace:
        manifest.check_replaceable(folder, loaded, weights, model)
    file = onnx_file(loaded, network, request)
    # TensorRT starts threads of its own, beside which no process can be forked.
    aside = request.backend is None
    with reading.begun(network.graph, file.structure(), aside=aside) as read_back, Transaction(folder) as out:
        files = _write_onnx(out, model, file)
        if network.quantized:
            account = f"{name}.quantization.json"
            files[account] = out.text(account, network.quantized.account)
        read_back()
        engine = _write_engine(out, name, network, request, progress) if request.backend else None
        if engine:
            files[engine["file"]] = engine["sha256"]
        made = {
            "weights": weights,
            "device": request.device.name if request.device else None,
            "precision": request.precision,
            "compute": request.compute,
            "quantization": network.quantized.entry if network.quantized else None,
            "folded_batch_norm": request.fold or network.quantized is not None,
            "onnx": {"opset": file.opset, "ir_version": file.ir_version},
            "engine": engine,
            **_delivered(out, loaded, network, request, files),
            "files": files,
        }
        text = manifest.written(loaded, network.counts, network.graph, request.batch.fixed, made)
        out.text(manifest.file_name(name), text)
    return [folder / f for f in (*files, manifest.file_name(name))]


def _check_request(request: Request) -> None:
    backend = request.backend
    wanted = request.compute_capabilities
    if wanted and (backend is None or not backend.names_targets):
        hint = "use --target tensorrt-rtx" if backend is None else "TensorRT builds for the GPU at hand"
        raise refuse(f"--sm means nothing for target '{request.target}'", hint=hint)
    if backend is None or not backend.names_targets:
        return
    known = tensorrt.known_targets(backend)
    for number in wanted:
        if number not in known:
            raise refuse(f"{backend.name} cannot build for SM {number}", hint=f"it knows {', '.join(map(str, known))}")


def _layout(folder: Path, name: str, request: Request) -> tuple[Path, str]:
    """The folder that is written to, and the model's name in it: Triton wants a folder a model, and one a version."""
    if request.target != "triton":
        return folder, f"{name}.onnx"
    return folder / name, f"{name}.onnx" if request.in_place else "1/model.onnx"


def _check_image(loaded: Loaded, batch: Batch) -> None:
    taken = loaded.spec.input.shape
    if batch.image not in (None, taken):
        asked, own = ("x".join(map(str, shape)) for shape in (batch.image or (), taken))
        hint = "--input SIDE, or --set input.channels=N, changes what it takes"
        raise refuse(f"shapes of Nx{asked} were asked for, and {loaded.spec.name} takes Nx{own}", hint=hint)


def _write_onnx(out: Transaction, model: str, file: OnnxFile) -> dict[str, str]:
    """Write the model, and its weights beside it where it needs that; file names and SHA-256."""
    out.require_space(file.nbytes)
    files = {}
    external = None
    if file.needs_external_data:
        files[f"{model}.data"] = out.write(f"{model}.data", file.external_chunks())
        external = f"{model}.data".rpartition("/")[2]
    files[model] = out.write(model, file.chunks(external))
    return files


def _delivered(
    out: Transaction, loaded: Loaded, network: Network, request: Request, files: dict[str, str]
) -> dict[str, Any]:
    """Write what goes to a device or a server beside the model, into `files` too; what the manifest says of it."""
    if request.target not in ("bundle", "triton"):
        return {}
    from resnet_gen.deliver import Delivery, bundle, triton  # ONNX Runtime and templates, which others do without

    batch = request.batch.fixed, tuple(request.batch.profile)
    delivery = Delivery(loaded, network.graph, request.precision, batch, request.device, request.target == "triton")
    texts, entries = triton(delivery) if request.target == "triton" else ({}, {})
    if request.in_place:
        more, entries["bundle"] = bundle(delivery, network.exact, network.weights, files)
        texts = {**texts, **more}
    for file, data in texts.items():
        files[file] = out.write(file, [data])
    return entries


def _write_engine(
    out: Transaction, name: str, network: Network, request: Request, progress: Said | None
) -> dict[str, Any]:
    backend = request.backend
    assert backend is not None
    profile = request.batch.profile if request.batch.fixed is None else None
    engine = tensorrt.build(
        backend,
        out.readable(f"{name}.onnx"),
        network.graph,
        profile=profile,
        compute_capabilities=request.compute_capabilities,
        progress=progress,
    )
    targets = "".join(f".sm{number}" for number in request.compute_capabilities)
    file = f"{name}.{request.precision}{targets}.engine"
    return {
        "file": file,
        "sha256": out.write(file, [engine.data]),
        "library": backend.name,
        "version": engine.version,
        "compute_capabilities": [f"{n // 10}.{n % 10}" for n in request.compute_capabilities],
        "batch": [profile.least, profile.best, profile.most] if profile else request.batch.fixed,
    }
