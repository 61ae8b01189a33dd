"""What a build says of what it puts around a network, and what it refuses to put there."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from resnet_gen.build.passes import PreparedNetwork
from resnet_gen.build.request import Request
from resnet_gen.graph.serving import explain_detour, list_put_around
from resnet_gen.graph.surroundings import Surroundings
from resnet_gen.language.load import Loaded
from resnet_gen.ops import Shape
from resnet_gen.ops.serving import picture_shape
from resnet_gen.problems import refuse

_BYTES_SINCE = (8, 5)
"""The version of TensorRT from which an engine takes bytes."""


def check_served(loaded: Loaded, request: Request) -> None:
    """Raise `Refused` for what goes with no file of this request."""
    serve = loaded.spec.serve
    if serve is None:
        return
    if request.typed_io:
        raise refuse("--io typed means nothing where pixels are served", hint="'serve.type' says what comes in")
    device = request.device
    version = device.tensorrt if device is not None else None
    if serve.type == "uint8" and version and tuple(map(int, version.split(".")[:2])) < _BYTES_SINCE:
        where, hint = loaded.source.span(("serve", "type")), "--serve-type float32 hands pixels over as floats"
        raise refuse(f"serve.type: TensorRT {version} takes no bytes", where, hint)


def served_shape(loaded: Loaded) -> Shape:
    """The shape of one image that a spec's file takes, 0 for a side of any length."""
    serve, shape = loaded.spec.serve, loaded.spec.input.shape
    return shape if serve is None else picture_shape(shape, serve.layout, open_sides=serve.size == "any")


def dump_surroundings(around: Surroundings) -> str:
    """What is put around a network, as one line of JSON."""
    return json.dumps(asdict(around), separators=(",", ":"))


def describe_serving(network: PreparedNetwork) -> dict[str, Any] | None:
    """What the manifest says of it: the input, the outputs, the operations that were put around, and of eight bits."""
    around = network.around
    if around is None:
        return None
    entry: dict[str, Any] = {**asdict(around), "operations": list_put_around(network.graph)}
    if network.quantized:
        reason = explain_detour(network.inside, around.input)
        entry["first_layer"] = {"reads_bytes": reason is None, "reason": reason}
    return entry
