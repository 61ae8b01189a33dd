"""What goes to a device or a server beside the model: the files of a bundle, and Triton's settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from resnet_gen.build.bundle import BundleRequest, bundle_files
from resnet_gen.build.sample import sample
from resnet_gen.build.triton import TritonModel, model_folder
from resnet_gen.engine.names import ENGINE
from resnet_gen.graph import Graph
from resnet_gen.language.load import Loaded
from resnet_gen.speed.targets import Target
from resnet_gen.weights.base import Weights


class Delivery(NamedTuple):
    """What is delivered: `batch` is the fixed one, or None, and the sizes of a symbolic one's profile."""

    loaded: Loaded
    graph: Graph
    precision: str
    batch: tuple[int | None, tuple[int, ...]]
    device: Target | None
    served: bool
    tf32: bool = False

    @property
    def engine(self) -> str:
        """The engine that a bundle's script makes, from where the script lies."""
        return "1/model.plan" if self.served else f"{self.loaded.spec.name}.{self.precision}{ENGINE}"


Files = dict[str, bytes]


def bundle(
    delivery: Delivery, exact: Graph, weights: Weights, files: Mapping[str, str]
) -> tuple[Files, dict[str, Any]]:
    """The files that build an engine on the device, and what the manifest says of them.

    `exact` is the network in float32 but for what is in eight bits; `files` are
    those that are written, with their SHA-256.
    """
    device = delivery.device
    assert device is not None
    assert device.tensorrt is not None
    fixed, profile = delivery.batch
    order = BundleRequest(
        name=delivery.loaded.spec.name,
        precision=delivery.precision,
        device=device.name,
        title=device.title,
        version=device.tensorrt,
        memory_gb=device.memory_gb,
        input=delivery.graph.input,
        batches=profile if fixed is None else (fixed,),
        model=f"{delivery.loaded.spec.name}.onnx",
        engine=delivery.engine,
        served=delivery.served,
        tf32=delivery.tf32,
    )
    seen = sample(exact, weights, delivery.loaded.spec.input, delivery.graph.input.dtype)
    entry = {
        "device": device.name,
        "tensorrt": device.tensorrt,
        "compute_capability": device.compute_capability,
        "engine": order.engine,
        "tf32": order.tf32,
        "batch": list(profile) if fixed is None else fixed,
    }
    return bundle_files(order, seen.image, seen.outputs, files), entry


def triton(delivery: Delivery) -> tuple[Files, dict[str, Any]]:
    """Triton's settings of the model and its README, and what the manifest says of them."""
    fixed, (_, best, most) = delivery.batch
    device = delivery.device
    kind = "KIND_AUTO" if device is None else "KIND_CPU" if device.engine == "onnx" else "KIND_GPU"
    served = TritonModel(
        name=delivery.loaded.spec.name,
        platform="tensorrt_plan" if kind == "KIND_GPU" else "onnxruntime_onnx",
        kind=kind,
        batch=fixed,
        preferred=tuple(dict.fromkeys((best, most))),
        input=delivery.graph.input,
        outputs=delivery.graph.outputs,
        tf32=delivery.tf32,
        as_written=delivery.precision == "fp8",
    )
    entry = {"platform": served.platform, "max_batch_size": served.max_batch_size}
    texts = model_folder(served, delivery.loaded.spec)
    return {name: text.encode() for name, text in texts.items()}, {"triton": entry}
