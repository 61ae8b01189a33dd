"""Biases of layers whose weights are in eight bits: what a quantizer may have moved them by."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from resnet_gen.compare.against.variants import NetworkVariant
from resnet_gen.graph import Node
from resnet_gen.onnx.reading import OnnxModel
from resnet_gen.onnx.reading.quantized_ranges import CodeRange
from resnet_gen.ops import AsMap, Flatten, Linear
from resnet_gen.quantization.placement import find_nonnegative
from resnet_gen.weights.base import Array, row_ranges

_FUSED = 0.01
"""What the step of a bias may differ by from the product of its filter's and its input's."""
_LEAST_HALF = 2.0**-14
"""The least number of half precision that has all its digits, below which no scale goes."""
_LEAST_STEP = 2.0**-24
"""Steps of half precision around zero, which products of steps are rounded to."""


_EACH = 1 / 9
"""The square of what corrections come to on average over a layer's filters, over what one may come to."""


class BiasAllowance(NamedTuple):
    """What each bias of a layer may be moved by: by calibration, and by the rounding to a code of its own.

    `alike` is what inputs of 1 move it by, which is the same number in all filters: their mean, from `least` to `most`.
    `unlike` is what it may be moved by besides.
    """

    correction: Array
    rounding: Array
    alike: Array
    unlike: Array
    least: float
    most: float

    def together(self, moved: Array, slack: Array) -> float:
        """How far all biases are moved, over how far they may be; the mean of the inputs is what explains most.

        One may be as far as any may, and the others a third of that on average, twice what corrections come to: what
        takes each bias as far as one may be is no mean noise.
        """
        some = self.unlike > 0
        by, near, alike, unlike = (a[some].astype(np.float64) for a in (moved, slack, self.alike, self.unlike))
        weight = (unlike + near) ** -2.0
        of_alike = float((weight * alike**2).sum())
        mean = float((weight * alike * by).sum()) / of_alike if of_alike else 0.0
        rest = np.maximum(np.abs(by - np.clip(mean, self.least, self.most) * alike) - near, 0.0) / unlike
        return float(np.sqrt((rest**2).sum() / (1 + _EACH * len(rest))))


def allow_for_bias(variant: NetworkVariant, wanted: Node, node: Node, file: OnnxModel) -> BiasAllowance:
    """What eight bits may move the biases of a layer by; no more than half of the steps that its products have."""
    size = wanted.shape[0]
    step, products = file.weights.steps(node.weight_name("bias"), 0, size), _find_product_steps(node, file)
    half = np.minimum(step, products[0]) / 2 if step is not None and products else np.zeros(size)
    return _bound_corrections(variant, wanted, node, file)._replace(rounding=half.astype(np.float32))


def _find_product_steps(node: Node, file: OnnxModel) -> list[Array]:
    """The steps of a layer's weight times those of what it reads, which its biases have; the largest first."""
    weight = file.weights.steps(node.weight_name("weight"), 0, node.shape[0])
    return [] if weight is None else [weight * np.float32(cover.step) for cover in _sort_by_width(file, node)]


def _bound_corrections(variant: NetworkVariant, wanted: Node, node: Node, file: OnnxModel) -> BiasAllowance:
    """The mean noise of each filter, at most, which quantizers take out of it by its bias.

    That is what the rounding of its weights makes of the inputs' means, and what its weights make of the mean rounding
    of the inputs (Nagel et al. 2019, Data-Free Quantization, Sec. 4.2). The means of input channels are as far from
    zero as codes go at most, and their roundings half a step; what they have in common adds up, and what they do not
    adds up as roundings do, whose signs are any. Without codes for the inputs, nothing is known to be corrected.
    """
    tensor = next(t for t in wanted.tensors if t.role == "weight")
    correction, alike, unlike = np.zeros((3, tensor.shape[0]), np.float32)
    covers = _sort_by_width(file, node)
    if not covers:
        return BiasAllowance(correction, correction, alike, unlike, 0.0, 0.0)
    least, most = covers[0].least, covers[0].most
    if wanted.inputs[0].name in find_nonnegative(variant.graph):
        least = 0.0
    size, half = max(-covers[0].least, most), covers[0].step / 2
    for start, stop in row_ranges(tensor.shape):
        exact = variant.weights.rows(wanted.weight_name("weight"), start, stop)
        kept = file.weights.raw_rows(node.weight_name("weight"), start, stop).reshape(exact.shape)
        kept = np.where(np.isfinite(kept), kept, np.float32(0))  # others are reported by themselves
        alike[start:stop], unlike[start:stop] = _sum_by_channel(exact - kept)
        unlike[start:stop] = size * unlike[start:stop] + half * sum(map(np.abs, _sum_by_channel(kept)))
        correction[start:stop] = size * np.abs(alike[start:stop]) + unlike[start:stop]
    return BiasAllowance(correction, correction, alike, unlike, least, most)


def _sort_by_width(file: OnnxModel, node: Node) -> list[CodeRange]:
    """The codes of what a node reads, those that go furthest first; whatever its numbers' shape was on the way."""
    makers = {maker.output.name: maker for maker in file.graph.nodes}
    value = node.inputs[0].name
    read = {value}
    while value in makers and isinstance(makers[value].op, (AsMap, Flatten)):
        value = makers[value].inputs[0].name
        read.add(value)
    return sorted((c for c in file.covers if c.value in read and not c.function), key=lambda c: c.least - c.most)


def _sum_by_channel(rows: Array) -> tuple[Array, Array]:
    """What each filter makes of inputs of 1 in all its channels, and of 1 or -1 in each, whichever it is."""
    channels = rows.astype(np.float64).reshape(len(rows), rows.shape[1], -1).sum(axis=2)
    return channels.sum(axis=1), np.sqrt((channels**2).sum(axis=1))


def has_other_steps(node: Node, file: OnnxModel) -> bool:
    """Whether a linear layer's bias in codes has other steps than those of its filter times its input's.

    ONNX Runtime (1.32) fuses such a layer into integers without a look at the steps of its bias, which it takes to
    be those; it leaves convolutions as they are.
    """
    bias, products = file.weights.steps(node.weight_name("bias"), 0, node.shape[0]), _find_product_steps(node, file)
    if not isinstance(node.op, Linear) or bias is None or not products:
        return False
    slack = _LEAST_STEP if "float16" in file.types else 0.0
    return all((np.abs(bias - product) > _FUSED * bias + slack).any() for product in products)


def find_least_scales(variant: NetworkVariant, wanted: Node, node: Node, file: OnnxModel, *, integers: bool) -> Array:
    """The least that a quantizer makes the scale of each filter, however small its weights are.

    What float16 holds, where scales are that; and what has the products of its codes and its input's be no smaller
    than the last digit of its bias, beside which such a filter adds nothing that can be seen.
    """
    size, covers = wanted.shape[0], _sort_by_width(file, node)
    half = "float16" in file.types
    scales = np.full(size, _LEAST_HALF if half else 0.0)
    if not covers or not getattr(wanted.op, "bias", False):
        return scales.astype(np.float32)
    digits, least = (0.75 * 2.0**16, 2.0**-21) if half and integers else (2.0**24, 0.0)
    bias = np.abs(variant.weights.rows(wanted.weight_name("bias"), 0, size).astype(np.float64))
    steps = np.maximum(bias / digits, np.where(bias > 0, least, 0.0))
    found: Array = np.maximum(scales, steps / covers[0].scale).astype(np.float32)
    return found
