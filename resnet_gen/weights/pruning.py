"""Two of every four weights made zero, along input channels, as TensorRT's sparse kernels take them.

For each output channel, and each place of a kernel, every four input channels in a row have two zeros at least
(TensorRT Developer Guide, Structured Sparsity): the two of the least magnitude go.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from resnet_gen.graph import Graph, Node
from resnet_gen.ops import Conv, Linear
from resnet_gen.weights.base import Array, DerivedWeights, Recipe, Weights
from resnet_gen.weights.patterns import GROUP, MOST_NONZERO


@dataclass(frozen=True)
class PrunedTensor:
    """One tensor: how many of its weights are zero now, and what is lost of it."""

    name: str
    """Of the weight, as the spec has it."""
    size: int
    """Its weights."""
    zeros: int
    """Those that are zero now."""
    relative_error: float
    """The root of the sum of squares of what was taken away, over that of what was there."""

    @property
    def share(self) -> float:
        """The part that is zero."""
        return self.zeros / self.size


def prune(values: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    """Weights (output, input channels, ...) of any float type, with the two least of every four inputs zero.

    Of equal magnitudes the first go. The number of input channels has to be a multiple of four.
    """
    last = np.moveaxis(values, 1, -1)
    groups = last.reshape(*last.shape[:-1], -1, GROUP)
    order = np.argsort(np.abs(groups.astype(np.float32)), axis=-1, kind="stable")
    pruned = groups.copy()
    np.put_along_axis(pruned, order[..., : GROUP - MOST_NONZERO], 0, axis=-1)
    return np.ascontiguousarray(np.moveaxis(pruned.reshape(last.shape), -1, 1))


def has_pattern(values: npt.NDArray[np.generic]) -> bool:
    """Whether weights (output, input channels, ...) have two zeros at least in every four inputs in a row."""
    last = np.moveaxis(values, 1, -1)
    groups = last.reshape(*last.shape[:-1], -1, GROUP)
    return bool((np.count_nonzero(groups, axis=-1) <= MOST_NONZERO).all())


def measure_pruning(name: str, before: npt.NDArray[np.generic], after: npt.NDArray[np.generic]) -> PrunedTensor:
    """What a tensor has lost."""
    whole, left = (float(np.square(a.astype(np.float64)).sum()) for a in (before, after))
    lost = math.sqrt(max(0.0, whole - left) / whole) if whole else 0.0
    return PrunedTensor(name, after.size, int(np.count_nonzero(after == 0)), lost)


def explain_whole(node: Node) -> str | None:
    """Why a layer stays whole; None for one that sparse kernels take."""
    inputs = node.input_shapes[0][0]
    if isinstance(node.op, Conv) and node.op.groups > 1:
        return "grouped: sparse kernels are for whole products"
    return None if inputs % GROUP == 0 else f"{inputs} input channels, no multiple of {GROUP}"


def list_layers(graph: Graph) -> dict[str, Node]:
    """The layers with a matrix of weights, by the weight's name."""
    return {n.weight_name("weight"): n for n in graph.nodes if isinstance(n.op, (Conv, Linear))}


def prune_weights(weights: Weights, names: set[str]) -> Weights:
    """The same weights, with these pruned as they are read."""

    def make_recipe(name: str) -> Recipe:
        def take(base: Weights, start: int, stop: int) -> Array:
            return prune(base.rows(name, start, stop)).astype(np.float32)

        return take

    return DerivedWeights(weights, {name: make_recipe(name) for name in names})
