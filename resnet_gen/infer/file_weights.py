"""A file's weights as those of the specification that was recovered from it."""

from __future__ import annotations

import numpy as np

from resnet_gen.infer.proof import RecoveredSpec
from resnet_gen.ops import BatchNorm, Conv
from resnet_gen.weights.base import Array, Weights


class TransferredWeights:
    """The weights of a recovered specification: each out of the file, or one number throughout.

    A norm that the file has folded becomes one that changes nothing: scale 1,
    mean 0, variance 1 - eps, and the folded bias for its shift. Folding it again
    multiplies by exactly 1 and adds exactly that bias.
    """

    def __init__(self, found: RecoveredSpec, weights: Weights) -> None:
        self._weights = weights
        self._sources: dict[str, str | float] = {
            ours.weight_name(tensor.role): theirs.weight_name(tensor.role)
            for ours, theirs in found.match.pairs
            for tensor in theirs.tensors
        }
        self._shapes = {name: tensor.shape for name, tensor in found.graph.state().items()}
        if found.folded:
            self._unfold(found)

    def _unfold(self, found: RecoveredSpec) -> None:
        there = {ours.path for ours, _ in found.match.pairs}
        makers = {node.output.name: node for node in found.graph.nodes}
        for norm in found.graph.nodes:
            if isinstance(norm.op, BatchNorm) and norm.path not in there:
                conv = makers[norm.inputs[0].name]
                assert isinstance(conv.op, Conv), "nothing else is folded into"
                bias = conv.weight_name("bias")
                self._sources[norm.weight_name("bias")] = self._sources.pop(bias, 0.0)
                if conv.op.bias:
                    self._sources[bias] = 0.0
                for role, value in (("weight", 1.0), ("running_mean", 0.0), ("running_var", 1.0 - norm.op.eps)):
                    self._sources[norm.weight_name(role)] = value

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Rows start..stop of the tensor `name`; raises `Refused` if the file lacks them."""
        source = self._sources[name]
        if isinstance(source, str):
            return self._weights.rows(source, start, stop)
        return np.full((stop - start, *self._shapes[name][1:]), source, np.float32)
