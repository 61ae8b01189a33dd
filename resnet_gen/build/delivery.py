"""What goes to a device or a server beside the model: the files of a bundle, and Triton's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from resnet_gen.build.bundle import BundleRequest, bundle_files
from resnet_gen.build.passes import PreparedNetwork
from resnet_gen.build.request import Request
from resnet_gen.build.sample import draw_sample
from resnet_gen.build.sparse_weights import describe_sparsity
from resnet_gen.build.triton import TritonModel, render_model_folder
from resnet_gen.engine.names import ENGINE
from resnet_gen.graph import Graph
from resnet_gen.language.load import Loaded
from resnet_gen.ops.serving import ANY_SIDE

Files = dict[str, bytes]


def make_bundle(
    loaded: Loaded, network: PreparedNetwork, request: Request, files: Mapping[str, str]
) -> tuple[Files, dict[str, Any]]:
    """The files that build an engine on the device, and what the manifest says of them.

    `files` are those that are written, with their SHA-256.
    """
    device, name = request.device, loaded.spec.name
    assert device is not None
    assert device.tensorrt is not None
    fixed, profile = request.batch.fixed, request.batch.range
    served = request.target == "triton"
    order = BundleRequest(
        name=name,
        precision=request.precision,
        title=device.title,
        version=device.tensorrt,
        memory_gb=device.memory_gb,
        input=network.graph.input,
        batches=profile if fixed is None else (fixed,),
        model=f"{name}.onnx",
        engine="1/model.plan" if served else f"{name}.{request.precision}{ENGINE}",
        served=served,
        tf32=request.tf32,
        tuning=request.tuning,
        serves_pixels=network.around is not None,
        size=loaded.spec.input.size if ANY_SIDE in network.graph.input.shape else (),
        names_classes=any(value.dtype == "int64" for value in network.graph.outputs),
    )
    drawn = draw_sample(network, loaded.spec.input)
    entry = {
        "device": device.name,
        "tensorrt": device.tensorrt,
        "compute_capability": device.compute_capability,
        "engine": order.engine,
        "tf32": order.tf32,
        "batch": list(profile) if fixed is None else fixed,
        **request.tuning.entry,
        **describe_sparsity(network, request.tuning),
    }
    return bundle_files(order, drawn.image, drawn.outputs, files), entry


def make_triton_files(loaded: Loaded, graph: Graph, request: Request) -> tuple[Files, dict[str, Any]]:
    """Triton's settings of the model and its README, and what the manifest says of them."""
    _, best, most = request.batch.range
    device = request.device
    kind = "KIND_AUTO" if device is None else "KIND_CPU" if device.engine == "onnx" else "KIND_GPU"
    served = TritonModel(
        name=loaded.spec.name,
        platform="tensorrt_plan" if kind == "KIND_GPU" else "onnxruntime_onnx",
        kind=kind,
        batch=request.batch.fixed,
        preferred=tuple(dict.fromkeys((best, most))),
        input=graph.input,
        outputs=graph.outputs,
        tf32=request.tf32,
        as_written=request.precision == "fp8",
        serve=loaded.spec.serve,
        cuda_graphs=request.tuning.launches_graphs,
        open_values=request.tuning.open_values,
    )
    entry = {"platform": served.platform, "max_batch_size": served.max_batch_size}
    texts = render_model_folder(served, loaded.spec)
    return {name: text.encode() for name, text in texts.items()}, {"triton": entry}
