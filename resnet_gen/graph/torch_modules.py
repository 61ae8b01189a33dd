"""How a network's operations are written in PyTorch: the classes and functions that counters of operations look for.

A counter knows modules by their class, so its figure depends on who wrote
the network. Read in torchvision 0.28 and timm 1.0.31.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from resnet_gen import ops
from resnet_gen.graph import Graph, Node
from resnet_gen.ops import Op

CALLS: dict[type[Op], str] = {
    ops.Conv: "Conv2d",
    ops.ChannelConv: "Conv1d",
    ops.BlurPool: "F.conv2d",
    ops.Linear: "Linear",
    ops.BatchNorm: "BatchNorm2d",
    ops.GroupNorm: "GroupNorm",
    ops.MaxPool: "MaxPool2d",
    ops.AvgPool: "AvgPool2d",
    ops.GlobalAvgPool: "AdaptiveAvgPool2d",
    ops.GlobalMaxPool: "AdaptiveMaxPool2d",
    ops.Softmax: "Softmax",
    ops.SplitSoftmax: "F.softmax",
}
"""The module or function of `torch.nn` that does what an operation does."""

ACTIVATIONS: dict[ops.Function, str] = {
    "relu": "ReLU",
    "leaky_relu": "LeakyReLU",
    "elu": "ELU",
    "silu": "SiLU",
    "gelu": "GELU",
    "mish": "Mish",
    "hard_swish": "Hardswish",
    "sigmoid": "Sigmoid",
    "hard_sigmoid": "Hardsigmoid",
    "tanh": "Tanh",
}
"""The module of each activation."""


class ModuleLibrary(NamedTuple):
    """Who writes the modules, and what they take in place of `torch.nn`'s."""

    name: str
    call: Callable[[Node, str], str]


def find_library(naming: str, reference: str | None = None) -> ModuleLibrary:
    """The library whose layers have the names of this scheme, or that publishes the reference; else `torch.nn`."""
    if reference in _PRUNED:
        return ModuleLibrary("timm", _timm_pruned)
    return _LIBRARIES.get(naming, ModuleLibrary("torch.nn", _keep_call))


def torch_call_names(graph: Graph, library: ModuleLibrary) -> tuple[str, ...]:
    """What calls each node is, in order; empty for arithmetic on tensors and what only rearranges them."""
    return tuple(library.call(node, _name_call(node.op)) for node in graph.nodes)


def _name_call(op: Op) -> str:
    if isinstance(op, ops.Activation):
        return ACTIVATIONS[op.function]
    if isinstance(op, ops.Conv) and op.standardize is not None:
        return "timm.StdConv2d"
    return CALLS.get(type(op), "")


def _keep_call(node: Node, call: str) -> str:
    return call


def _torchvision_vgg(node: Node, call: str) -> str:
    """`AdaptiveAvgPool2d` stands there even where the map has its size already."""
    if node.stage != "head":
        return call
    bare = isinstance(node.op, ops.Flatten) and not node.inputs[0].name.endswith("pool")
    return "AdaptiveAvgPool2d" if bare or isinstance(node.op, ops.AvgPool) else call


def _timm(node: Node, call: str) -> str:
    if isinstance(node.op, ops.GlobalAvgPool) and node.role == "attention":
        return "Tensor.mean"
    if isinstance(node.op, ops.AvgPool) and node.op.stride == 1 and node.role == "shortcut":
        return "timm.AvgPool2dSame"
    return {"GELU": "timm.GELU", "GroupNorm": "timm.GroupNorm"}.get(call, call)


_PRUNED = {"timm/ecaresnet50d_pruned"}


def _timm_pruned(node: Node, call: str) -> str:
    """Pruning puts linear layers of timm's own in place of the others."""
    return "timm.Linear" if call == "Linear" else _timm(node, call)


_FUSED = {"BatchNorm2d": "timm.BatchNormAct2d", "timm.GroupNorm": "timm.GroupNormAct"}


def _timm_fused(node: Node, call: str) -> str:
    """Norm and activation are one module, that holds the activation's."""
    call = _timm(node, call)
    return _FUSED.get(call, call)


def _timm_sknet(node: Node, call: str) -> str:
    if isinstance(node.op, ops.SplitSoftmax):
        return "torch.softmax"
    fused = node.role == "main" and node.stage.startswith("stages.")
    return (_timm_fused if fused else _timm)(node, call)


_LIBRARIES = {
    "torchvision": ModuleLibrary("torchvision", _keep_call),
    "torchvision_regnet": ModuleLibrary("torchvision", _keep_call),
    "torchvision_vgg": ModuleLibrary("torchvision", _torchvision_vgg),
    "timm_regnet": ModuleLibrary("timm", _timm_fused),
    "timm_regnetv": ModuleLibrary("timm", _timm_fused),
    "timm_resnet": ModuleLibrary("timm", _timm),
    "timm_resnetv2": ModuleLibrary("timm", _timm_fused),
    "timm_senet": ModuleLibrary("timm", _timm),
    "timm_sknet": ModuleLibrary("timm", _timm_sknet),
    "timm_vgg": ModuleLibrary("timm", _timm),
}
