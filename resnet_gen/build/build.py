"""The main job: a specification to files (ONNX, engine, manifest), all or none; and how large a file would be."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from resnet_gen import __version__
from resnet_gen.build import manifest
from resnet_gen.build.engine_tuning import resolve_tuning
from resnet_gen.build.passes import PreparedNetwork, prepare
from resnet_gen.build.request import BuildBatch, Request
from resnet_gen.build.serving import check_served, describe_serving, dump_surroundings, served_shape
from resnet_gen.build.sparse_weights import describe_sparsity
from resnet_gen.build.timing_cache import TimingCache
from resnet_gen.engine import tensorrt
from resnet_gen.engine.builder_options import BuilderTuning
from resnet_gen.engine.names import ENGINE
from resnet_gen.engine.tensorrt import Progress
from resnet_gen.language.load import Loaded
from resnet_gen.onnx.metadata_keys import SERVE_KEY, SPEC_KEY
from resnet_gen.onnx.witness import process
from resnet_gen.onnx.writing import OnnxFile, WriterOptions
from resnet_gen.ops import Shape
from resnet_gen.ops.precision import Float
from resnet_gen.ops.serving import ANY_SIDE, name_sides
from resnet_gen.problems import refuse
from resnet_gen.system.journal import recover
from resnet_gen.system.links import check_output_folder
from resnet_gen.system.write import Transaction
from resnet_gen.weights.downloads.location import locate_weights

if TYPE_CHECKING:
    from resnet_gen.build.precision_cost import PrecisionCost

SHA256_KEY, PARTS_KEY = "resnet_gen.spec_sha256", "resnet_gen.parts_sha256"
"""Keys of the ONNX metadata: the specification's hash; and those of the code that it names, which go into it."""
CostListener: TypeAlias = "Callable[[PrecisionCost], None]"
"""Hears what a build costs beside float32."""
SEED_KEY = "resnet_gen.seed"
"""The same of the seed that weights were drawn from, where they were."""


def onnx_file(loaded: Loaded, network: PreparedNetwork, request: Request) -> OnnxFile:
    """The network as an ONNX file to be written."""
    metadata = {
        SPEC_KEY: loaded.canonical(),
        SHA256_KEY: loaded.digest(),
        **({PARTS_KEY: " ".join(loaded.code)} if loaded.code else {}),
        "resnet_gen.version": __version__,
        **({SEED_KEY: str(request.seed)} if request.weights is None else {}),
        **({SERVE_KEY: dump_surroundings(network.around)} if network.around else {}),
    }
    open_values = request.tuning.open_values
    options = WriterOptions(request.opset, request.batch.fixed, metadata, __version__, open_values=open_values)
    file = OnnxFile(network.graph, network.weights, options)
    if request.device and file.opset > request.device.opset:
        message = f"--for {request.device.name}: reads ONNX opsets up to {request.device.opset}"
        raise refuse(message, hint=f"--precision {request.precision} needs {file.opset}")
    return file


def onnx_size(loaded: Loaded, precision: Float) -> int:
    """Bytes of the ONNX model, and of its external data if it has any, as `build` writes it in this precision."""
    request = Request(precision=precision)
    file = onnx_file(loaded, prepare(loaded, request), request)
    return file.size(f"{loaded.spec.name}.onnx.data")


def model_bytes(loaded: Loaded, request: Request) -> bytes:
    """The ONNX file of a specification, read back; raises `Refused` where it would be more than one message holds."""
    network, file = _prepare_model(loaded, request)
    if file.needs_external_data:
        raise refuse(f"{loaded.spec.name} is larger than 2 GiB", hint="write it to a file: its weights lie beside it")
    with process.start_readback(network.graph, file.structure(), aside=False) as read_back:
        data = b"".join(file.chunks())
        read_back()
    return data


def write_model(loaded: Loaded, request: Request, path: Path) -> None:
    """Write the ONNX file of a specification, read back, over what is there; without a manifest."""
    network, file = _prepare_model(loaded, request)
    with (
        process.start_readback(network.graph, file.structure(), aside=False) as read_back,
        Transaction(path.parent) as out,
    ):
        _write_onnx(out, path.name, file)
        read_back()


def _prepare_model(loaded: Loaded, request: Request) -> tuple[PreparedNetwork, OnnxFile]:
    _check_request(request)
    _check_image(loaded, request.batch)
    check_served(loaded, request)
    if request.symbolic_size:
        request = dataclasses.replace(request, tuning=resolve_tuning(loaded, request)[0])
    network = prepare(loaded, request)
    if request.images is not None:  # else nobody asks for it, and there is no reason to refuse
        _compare_with_float32(loaded, network, request)
    return network, onnx_file(loaded, network, request)


def build(
    loaded: Loaded,
    request: Request,
    folder: Path,
    *,
    replace: bool = False,
    progress: Progress | None = None,
    aside: bool = True,
    tell: CostListener | None = None,
    inputs: str | None = None,
) -> list[Path]:
    """Build a specification into `folder`; returns the files, the manifest last.

    The model is read back in a process of its own unless `aside` forbids that. `tell` hears what it costs beside
    float32, where `request` has that compared. `inputs` is the hash of all that a project builds it of, which its
    manifest then has. Raises `Refused` for what the target cannot do, for outputs of another specification (unless
    `replace`), and for a disk that is full or closed.
    """
    name = loaded.spec.name
    request, weights = _complete_request(loaded, request)
    network = prepare(loaded, request, progress)
    folder, model = locate_model(folder, name, request)
    cache = TimingCache.of(folder, request)
    recover(folder)
    if not replace:
        manifest.check_replaceable(folder, loaded, weights, model)
    file = onnx_file(loaded, network, request)
    cost = _compare_with_float32(loaded, network, request, tell)
    # TensorRT starts threads of its own, beside which no process can be forked.
    aside = aside and request.backend is None
    read_back_model = process.start_readback(network.graph, file.structure(), aside=aside)
    with read_back_model as read_back, Transaction(folder, *cache.folders) as out:
        files = {**_write_onnx(out, model, file), **_write_account(out, name, network)}
        read_back()
        engine = _write_engine(out, name, network, request, cache, progress) if request.backend else None
        if engine:
            files[engine["file"]] = engine["sha256"]
        delivered = _write_delivery(out, loaded, network, request, files)
        how = _describe_model(request, network, file, cost)
        made = {"weights": weights, **how, "engine": engine, **delivered, **_name_inputs(inputs), "files": files}
        if not replace:
            manifest.check_strangers(folder, name, model, files)
        shapes = manifest.NetworkShapes(network.graph, request.batch.fixed, request.tuning.open_values)
        out.write_text(manifest.file_name(name), manifest.manifest_text(loaded, network.counts, shapes, made))
    return [folder / f for f in (*files, manifest.file_name(name))]


def check_build(
    loaded: Loaded, request: Request, folder: Path, *, replace: bool, checked: set[tuple[int, str]]
) -> None:
    """Raise `Refused` for what `build` refuses before it computes anything, in its words; nothing is written.

    What only figures show is not looked at: pictures that are broken, numbers that overflow a type. A network that is
    among those `checked`, asked for in the same way, is not lowered again for another folder; any other is added.
    """
    request, weights = _complete_request(loaded, request)
    if request.backend:
        tensorrt.load_backend(request.backend)
    folder, model = locate_model(folder, loaded.spec.name, request)
    check_output_folder(folder)
    if not replace:
        manifest.check_replaceable(folder, loaded, weights, model)
    key = (id(loaded), repr(request))
    if key not in checked:
        onnx_file(loaded, prepare(loaded, request, calibrated=False), request)
        checked.add(key)


def _complete_request(loaded: Loaded, request: Request) -> tuple[Request, dict[str, Any]]:
    """What is asked for, checked, with how an engine is built and with weights that are here, as manifests say them."""
    _check_request(request)
    _check_image(loaded, request.batch)
    check_served(loaded, request)
    tuning, batch = resolve_tuning(loaded, request)
    given = locate_weights(request.weights, loaded) if request.weights else None
    complete = dataclasses.replace(request, tuning=tuning, batch=batch, weights=given)
    return complete, manifest.weights_entry(given, request.seed)


def _compare_with_float32(
    loaded: Loaded, network: PreparedNetwork, request: Request, tell: CostListener | None = None
) -> PrecisionCost | None:
    """What the network costs beside float32, where that is asked for; raises `Refused` for what overflows."""
    if not request.is_compared:
        return None
    from resnet_gen.build.precision_cost import measure_cost  # ONNX Runtime, which others do without

    found = measure_cost(loaded, network, request)
    if tell:
        tell(found)
    return found


def _describe_model(
    request: Request, network: PreparedNetwork, file: OnnxFile, cost: PrecisionCost | None
) -> dict[str, Any]:
    """What the manifest says of how the model was made."""
    return {
        "device": request.device.name if request.device else None,
        "precision": request.precision,
        "compute": request.compute,
        "quantization": network.quantized.entry if network.quantized else None,
        "compared": cost.entry if cost else False if request.comparable else None,
        "folded_batch_norm": request.fold or network.quantized is not None,
        "onnx": {"opset": file.opset, "ir_version": file.ir_version, **_describe_sizes(request)},
        **({"serve": describe_serving(network)} if network.around else {}),
    }


def _describe_sizes(request: Request) -> dict[str, Any]:
    """What the manifest says of a symbolic size: between which (height, width) it was looked at."""
    sizes = request.tuning.sizes
    return {"symbolic_size": {"least": list(sizes[0]), "most": list(sizes[1])}} if sizes else {}


def _name_inputs(inputs: str | None) -> dict[str, Any]:
    """What the manifest says of a build that is a project's."""
    return {"project": {"inputs": inputs}} if inputs else {}


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


def locate_model(folder: Path, name: str, request: Request) -> tuple[Path, str]:
    """The folder that is written to, and the model's name in it: Triton wants a folder a model, and one a version."""
    if request.target != "triton":
        return folder, f"{name}.onnx"
    return folder / name, f"{name}.onnx" if request.in_place else "1/model.onnx"


def _check_image(loaded: Loaded, batch: BuildBatch) -> None:
    taken = served_shape(loaded)
    asked = batch.image
    if asked is None or _fits_shape(taken, asked):
        return
    wanted, own = ("x".join(map(str, name_sides(tuple(shape)))) for shape in (asked, taken))
    hint = "--input SIDE, or --set input.channels=N, changes what it takes"
    raise refuse(f"shapes of Nx{wanted} were asked for, and {loaded.spec.name} takes Nx{own}", hint=hint)


def _fits_shape(taken: Shape, asked: Sequence[int]) -> bool:
    """Whether shapes that were asked for, of which sides may be a range, are of what is taken."""
    if ANY_SIDE in taken and ANY_SIDE in asked:
        return tuple(taken) == tuple(asked)
    return all(ANY_SIDE in pair or pair[0] == pair[1] for pair in zip(taken, asked, strict=True))


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


def _write_account(out: Transaction, name: str, network: PreparedNetwork) -> dict[str, str]:
    """Write the account of eight bits, where there are any; file names and SHA-256."""
    file = f"{name}.quantization.json"
    return {file: out.write_text(file, network.quantized.account)} if network.quantized else {}


def _write_delivery(
    out: Transaction, loaded: Loaded, network: PreparedNetwork, request: Request, files: dict[str, str]
) -> dict[str, Any]:
    """Write what goes to a device or a server beside the model, into `files` too; what the manifest says of it."""
    if request.target not in ("bundle", "triton"):
        return {}
    # ONNX Runtime and templates, which others do without.
    from resnet_gen.build.delivery import make_bundle, make_triton_files

    texts, entries = make_triton_files(loaded, network.graph, request) if request.target == "triton" else ({}, {})
    if request.in_place:
        more, entries["bundle"] = make_bundle(loaded, network, request, files)
        texts = {**texts, **more}
    for file, data in texts.items():
        files[file] = out.write(file, [data])
    return entries


def _write_engine(
    out: Transaction,
    name: str,
    network: PreparedNetwork,
    request: Request,
    cache: TimingCache,
    progress: Progress | None,
) -> dict[str, Any]:
    backend = request.backend
    assert backend is not None
    profile = request.batch.range if request.batch.fixed is None else None
    engine = tensorrt.build(
        backend,
        out.find_staged(f"{name}.onnx"),
        network.graph,
        profile=profile,
        compute_capabilities=request.compute_capabilities,
        tf32=request.tf32,
        progress=progress,
        tuning=BuilderTuning(request.tuning.settings, request.tuning.profiles, cache.data),
    )
    cache.write(out, engine.timing_cache)
    targets = "".join(f".sm{number}" for number in request.compute_capabilities)
    file = f"{name}.{request.precision}{targets}{ENGINE}"
    return {
        "file": file,
        "sha256": out.write(file, [engine.data]),
        "library": backend.name,
        "version": engine.version,
        "tf32": request.tf32,
        "compute_capabilities": [f"{n // 10}.{n % 10}" for n in request.compute_capabilities],
        "batch": list(profile) if profile else request.batch.fixed,
        **request.tuning.entry,
        **describe_sparsity(network, request.tuning),
    }
