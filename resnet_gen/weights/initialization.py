"""Weights drawn from a seed: He initialization, reproducible to the bit.

Convolution and linear weights are uniform with the variance 2 / fan-in (He et
al. 2015, arXiv 1502.01852, Eq. 10). The last layer of each residual branch is
scaled by 1 / sqrt(number of residual sums), so that activations of a network of
any depth stay within float16 (after Zhang et al. 2019, Fixup, Sec. 3).

Only the bits of PCG64 and IEEE arithmetic are used: same seed, same bytes, on
every NumPy and Python. Tests pin the bytes.
"""

from __future__ import annotations

import hashlib
import math

import numpy as np

from resnet_gen.graph import Graph, Node
from resnet_gen.ops import Add, BatchNorm, Conv, GroupNorm, Mul, Tensor
from resnet_gen.weights.base import Array

_ONE = np.uint32(0x3F800000)
"""The bits of 1.0 in float32."""


class SeededWeights:
    """Weights of a graph, drawn from `seed`; each tensor has a stream of its own."""

    def __init__(self, graph: Graph, seed: int = 0) -> None:
        self._tensors = graph.state()
        self._gains = _branch_gains(graph)
        self._seed = seed

    def rows(self, name: str, start: int, stop: int) -> Array:
        """Rows start..stop of the tensor `name`."""
        tensor = self._tensors[name]
        gain = self._gains.get(name, 1.0)
        if tensor.fill is not None:
            return np.full((stop - start, *tensor.shape[1:]), tensor.fill * gain, np.float32)
        return self._draw_rows(name, tensor, gain, start, stop)

    def _draw_rows(self, name: str, tensor: Tensor, gain: float, start: int, stop: int) -> Array:
        row = math.prod(tensor.shape[1:])
        first, count = start * row, (stop - start) * row
        odd = first % 2
        raw = self._bits(name, first // 2).random_raw((odd + count + 1) // 2)
        # Each 64 bits are two values: 23 bits of a mantissa, which with this exponent lie in [1, 2).
        bits = raw.astype("<u8", copy=False).view("<u4")[odd : odd + count]
        bits >>= 9
        bits |= _ONE
        values: Array = bits.view("<f4")
        values -= np.float32(1.5)
        values *= np.float32(2 * gain * math.sqrt(6.0 / row))
        return values.reshape(stop - start, *tensor.shape[1:])

    def _bits(self, name: str, offset: int) -> np.random.PCG64:
        key = hashlib.sha256(f"{self._seed}/{name}".encode()).digest()
        return np.random.PCG64(np.random.SeedSequence(int.from_bytes(key, "little"))).advance(offset)


def _branch_gains(graph: Graph) -> dict[str, float]:
    """The weights that end a residual branch, each with 1 / sqrt(number of residual sums)."""
    makers = {n.output.name: n for n in graph.nodes}
    sums = [n for n in graph.nodes if isinstance(n.op, Add)]
    ends = [_behind_gates(n.inputs[0].name, makers) for n in sums]
    scaled = [n for n in ends if n and isinstance(n.op, (BatchNorm, Conv, GroupNorm))]
    return {n.weight_name("weight"): len(sums) ** -0.5 for n in scaled}


def _behind_gates(value: str, makers: dict[str, Node]) -> Node | None:
    """What makes a value, but for the gates that weigh it."""
    node = makers.get(value)
    while node and isinstance(node.op, Mul):
        node = makers.get(node.inputs[0].name)
    return node
