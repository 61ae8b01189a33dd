"""Runs a generated module with the stand-in in place of torch, and gives the graph of what it computes."""

import sys
from contextlib import contextmanager
from types import ModuleType

import numpy as np

from resnet_gen import ops
from tests.standin import functional, nn
from tests.standin.tensor import Parameter, Tensor, Trace, made

IN_TORCH = ("cat", "flatten", "outer", "sigmoid", "tanh", "tensor")
IN_FUNCTIONAL = (
    "adaptive_avg_pool2d", "adaptive_max_pool2d", "avg_pool2d", "elu", "gelu", "hardsigmoid", "hardswish", "leaky_relu",
    "max_pool2d", "mish", "pad", "relu", "silu", "softmax",
)  # fmt: skip


def _module(name, **members):
    found = ModuleType(name)
    vars(found).update(members)
    return found


@contextmanager
def standing_in():
    """The stand-in is what `import torch` gives."""
    public = {name: value for name, value in vars(nn).items() if isinstance(value, type) and not name.startswith("_")}
    modules = {
        "torch.nn.functional": _module("torch.nn.functional", **{n: getattr(functional, n) for n in IN_FUNCTIONAL}),
    }
    modules["torch.nn"] = _module("torch.nn", functional=modules["torch.nn.functional"], init=nn.init, **public)
    members = {name: getattr(functional, name) for name in IN_TORCH}
    modules["torch"] = _module("torch", nn=modules["torch.nn"], Tensor=Tensor, **members)
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


def _standardized(self, x):
    return self.recorded(x, standardize=self.eps)


def _along_channels(self, x):
    assert self.made_with == (1, 1, 1, self.kernel_size // 2, 1, 1, False)
    return made(ops.ChannelConv(self.kernel_size), x, name=self._path, needs=[x])


def _blurred(self, x):
    binomial = np.outer([1, 2, 1], [1, 2, 1]) / 16
    np.testing.assert_array_equal(self.filter, np.broadcast_to(binomial, (x._shape[0], 1, 3, 3)))
    return made(ops.BlurPool(self.stride), x)


def _largest_or_zero(self, x):
    op = ops.MaxPool(self.kernel_size, self.stride, self.padding, self.ceil_mode, zeros=True)
    return made(op, x, needs_result=True)


def _padded(self, x):
    return made(ops.PadChannels(x._shape[0] + self.more), x)


def _split_softmax(x, splits, groups):
    return made(ops.SplitSoftmax(splits, groups), x, needs_result=True)


def _undropped(self, x):
    assert 0 <= self.p < 1
    assert self.mode in ("row", "batch")
    return x


FORWARDS = {
    "StochasticDepth": _undropped,
    "StdConv2d": _standardized,
    "ChannelConv": _along_channels,
    "BlurPool2d": _blurred,
    "ZeroMaxPool2d": _largest_or_zero,
    "PadChannels": _padded,
}
"""What a generated file writes of its own for lack of it in torch, as the one operation that it is."""


def executed(text):
    """What a generated module defines, by name."""
    names = {"__name__": "generated"}
    with standing_in():
        exec(compile(text, "generated.py", "exec", dont_inherit=True), names)
    for name, forward in FORWARDS.items():
        if name in names:
            names[name].forward = forward
    if "split_softmax" in names:
        names["split_softmax"] = _split_softmax
    return names


def network(names, **given):
    """The network of a module, its last class, made with these arguments."""
    last = [value for value in names.values() if getattr(value, "__module__", None) == "generated"][-1]
    return last(**given)


def state(model):
    """The names and shapes of a model's state dict, without the batch norms' counters."""
    found = {}
    for path, module in model.named_modules():
        buffers = {n: b for n, b in module._buffers.items() if n not in module._non_persistent_buffers_set}
        for name, value in {**module._parameters, **buffers}.items():
            assert isinstance(value, Parameter) or len(value.shape) == 1
            found[f"{path}.{name}"] = tuple(value.shape)
    return found


def traced(model, shape, method="__call__"):
    """The graph of what a model, or one of its methods, does with an image of this shape."""
    for path, module in model.named_modules():
        module.__dict__["_path"] = path
    trace = Trace(shape)
    found = getattr(model, method)(Tensor(trace, trace.net.input, fixed=True))
    outputs = [found] if isinstance(found, Tensor) else list(found)
    trace.settle()
    graph = trace.net.graph("traced", [tensor.value for tensor in outputs])
    names = [node.name for node in graph.nodes]
    assert len(set(names)) == len(names), "a layer is used twice"
    return graph
