"""Eight bits: where a network is quantized, and the same network with Q/DQ there.

Weights are symmetric, one scale an output channel; activations have one scale each. A Q/DQ pair stands behind a value
that is read in eight bits, and serves all who read it so. Attention is left as it is: its maps have one pixel or one
channel, and its sigmoids ask for more than eight bits.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from resnet_gen import ops
from resnet_gen.graph import Graph, Node, Value
from resnet_gen.ops import DType
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Array, DerivedWeights, Recipe, Weights
from resnet_gen.weights.stream import element_type

LIMITS: dict[DType, float] = {"int8": 127.0, "uint8": 255.0, "float8_e4m3fn": 448.0}
"""The greatest magnitude that is used of each type; symmetric, so that int8's -128 is not."""
_MIDDLE = 128
"""uint8's zero point for values of either sign."""


class PlacementStyle(NamedTuple):
    """What a kind of runtime wants in eight bits.

    `branches` quantizes also what the branch brings to a residual sum, between the convolution and the sum: ONNX
    Runtime ends the convolution in integers there, TensorRT fuses the sum into it and must find nothing between.
    `fused_sums` leaves that out where the convolution ends the branch, as OpenVINO rounds there once for each pair
    that it finds; it adds a shortcut that may be negative faster where that is signed.
    `pools` has max pooling and the head's mean read eight bits, so that what comes before ends in them, `averages`
    other pools too; `linear` has linear layers do so, and what flattens for them.
    """

    activations: DType
    weights: DType
    branches: bool = False
    fused_sums: bool = False
    linear: bool = False
    pools: bool = False
    averages: bool = False
    first: bool = True
    grouped: bool = True
    int32_bias: bool = False
    in_graph: bool = False
    weight_bits: int = 8


TENSORRT_INT8 = PlacementStyle("int8", "int8", pools=True)
TENSORRT_FP8 = PlacementStyle("float8_e4m3fn", "float8_e4m3fn", first=False, grouped=False)
CPU_INT8 = PlacementStyle("uint8", "int8", branches=True, linear=True, pools=True, averages=True, int32_bias=True)
OPENVINO_INT8 = CPU_INT8._replace(fused_sums=True)


class Range(NamedTuple):
    """The least and the greatest number that an activation is to hold."""

    least: float
    most: float


class QdqPlacement(NamedTuple):
    """What is quantized of a graph: layers by name, operands by node and position, and the values that they read.

    `shared` has, for a value that max pooling links to others, the values whose ranges its scale covers, by name:
    rounding commutes with the largest of numbers, so that by one scale a pool of codes gives the codes of the pool.
    `signed` names the values that are int8 where they may be negative, whatever the style's activations are.
    """

    layers: frozenset[str]
    operands: frozenset[tuple[str, int]]
    values: tuple[Value, ...]
    shared: Mapping[str, tuple[str, ...]] = {}
    signed: frozenset[str] = frozenset()

    @property
    def observed(self) -> tuple[Value, ...]:
        """The values whose ranges are to be known; those of the others follow."""
        needed = {name for names in self.shared.values() for name in names}
        return tuple(v for v in self.values if v.name not in self.shared or v.name in needed)

    def find_ranges(self, observed: Mapping[str, Range]) -> dict[str, Range]:
        """The range of each of `values`, by name, from those of the values that were observed."""
        groups = {value.name: self.shared.get(value.name, (value.name,)) for value in self.values}
        return {name: _unite_ranges([observed[other] for other in group]) for name, group in groups.items()}


def _unite_ranges(ranges: Sequence[Range]) -> Range:
    return Range(min(span.least for span in ranges), max(span.most for span in ranges))


def place(graph: Graph, style: PlacementStyle, keep: Collection[str] = ()) -> QdqPlacement:
    """Where `style` quantizes a graph whose batch norms are folded; the nodes named in `keep` stay as they are."""
    makers = {node.output.name: node for node in graph.nodes}
    nodes = [node for node in graph.nodes if node.name not in keep]
    first = next((node.name for node in graph.nodes if node.op.is_layer), "")
    layers = frozenset(n.name for n in nodes if _is_quantizable(n, style) and (style.first or n.name != first))
    operands = {(n.name, index) for n in nodes for index in _find_operands(n, layers, style, makers)}
    if style.branches:
        operands |= {(n.name, index) for n in nodes for index in _find_convolution_results(n, layers, makers)}
    if style.fused_sums:
        operands -= set(_find_fused_branches(graph, layers, makers))
    read = {n.inputs[i].name for n in nodes for i in range(len(n.inputs)) if (n.name, i) in operands}
    pools = _find_pools(nodes, style, read) if style.pools else []
    operands |= {(pool.name, 0) for pool in pools}
    largest = [pool for pool in pools if isinstance(pool.op, ops.MaxPool)]
    read |= {pool.inputs[0].name for pool in pools if pool not in largest}
    every = read | {pool.inputs[0].name for pool in largest}
    values = tuple(value for value in (graph.input, *(node.output for node in graph.nodes)) if value.name in every)
    shared = _share_scales(largest, read)
    signed = _find_shortcuts(nodes, operands, makers).difference(shared) if style.fused_sums else ()
    return QdqPlacement(layers, frozenset(operands), values, shared, frozenset(signed))


def _find_pools(nodes: Sequence[Node], style: PlacementStyle, read: Collection[str]) -> list[Node]:
    """The pools that read eight bits, as what they make is read so, perhaps by another of them; the last is the first.

    A mean of rounded numbers is not quite that of the numbers: CPU runtimes gain much by it, and for TensorRT, where
    a shortcut that begins with one is all that is rounded of a sum, it costs 3 dB of a ResNet-50-D.
    """
    kinds = (ops.AvgPool, ops.BlurPool, ops.MaxPool) if style.averages else (ops.MaxPool,)
    found: list[Node] = []
    wanted = set(read)
    for node in reversed(nodes):
        if isinstance(node.op, kinds) and node.role != "attention" and node.output.name in wanted:
            found.append(node)
            wanted.add(node.inputs[0].name)
    return found


def _share_scales(pools: Iterable[Node], read: Collection[str]) -> dict[str, tuple[str, ...]]:
    """For each value that `pools` link to others, those of them that others read in eight bits too."""
    groups: dict[str, dict[str, None]] = {}
    for pool in pools:
        ends = (pool.inputs[0].name, pool.output.name)
        joined = {name: None for end in ends for name in groups.get(end, {end: None})}
        groups |= dict.fromkeys(joined, joined)
    return {name: tuple(other for other in group if other in read) for name, group in groups.items()}


def _is_quantizable(node: Node, style: PlacementStyle) -> bool:
    if node.role == "attention":
        return False
    if isinstance(node.op, ops.Conv):
        return style.grouped or node.op.groups == 1
    return style.linear and isinstance(node.op, ops.Linear)


def _find_operands(
    node: Node, layers: Collection[str], style: PlacementStyle, makers: Mapping[str, Node]
) -> Iterable[int]:
    if node.name in layers:
        return (0,)
    if _is_residual(node, makers):
        return (0, 1) if style.branches else (1,)
    if node.role == "attention":
        return ()
    mean, flat = isinstance(node.op, ops.GlobalAvgPool), isinstance(node.op, ops.Flatten)
    return (0,) if (style.pools and mean) or (style.linear and flat) else ()


def _is_residual(node: Node, makers: Mapping[str, Node]) -> bool:
    """Whether a sum joins a branch and its shortcut: what came into the block, or a projection of that."""
    if not isinstance(node.op, ops.Add):
        return False
    around = makers.get(node.inputs[1].name)
    return around is None or around.role == "shortcut" or around.block != node.block


def _find_fused_branches(
    graph: Graph, layers: Collection[str], makers: Mapping[str, Node]
) -> Iterator[tuple[str, int]]:
    """The operands of residual sums to which a convolution in eight bits comes alone."""
    consumers = graph.consumers()
    for node in graph.nodes:
        branch = node.inputs[0].name
        alone = branch in makers and makers[branch].name in layers and len(consumers[branch]) == 1
        if alone and _is_residual(node, makers):
            yield node.name, 0


def _find_shortcuts(
    nodes: Iterable[Node], operands: Collection[tuple[str, int]], makers: Mapping[str, Node]
) -> set[str]:
    """The values that are read in eight bits as shortcuts of sums, and by nothing else."""
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for node in nodes:
        for index, value in enumerate(node.inputs):
            if (node.name, index) in operands:
                found[index == 1 and _is_residual(node, makers)].add(value.name)
    return found[True] - found[False]


_COMPUTING = (ops.AvgPool, ops.ChannelMax, ops.ChannelMean, ops.GlobalAvgPool, ops.GlobalMaxPool, ops.Mul)


def _find_convolution_results(node: Node, layers: Collection[str], makers: Mapping[str, Node]) -> Iterator[int]:
    """The operands that come from a convolution in eight bits, which is to end in integers whoever reads it.

    OpenVINO 2026.4 computes wrong numbers where attention reads such a convolution as floats, twice.
    """
    if isinstance(node.op, _COMPUTING):
        for index, value in enumerate(node.inputs):
            maker = makers.get(value.name)
            if maker and isinstance(maker.op, ops.Activation) and maker.op.function == "relu":
                maker = makers.get(maker.inputs[0].name)
            if maker and maker.name in layers:
                yield index


def quantize(
    graph: Graph,
    weights: Weights,
    placement: QdqPlacement,
    ranges: Mapping[str, Range],
    style: PlacementStyle,
    compute: DType,
    fixed: Mapping[str, tuple[float, int]] = MappingProxyType({}),
) -> tuple[Graph, Weights]:
    """The float32 graph in eight bits where `placement` says; the rest is to be computed in the type `compute`.

    `ranges` are those of the placement's `observed` values, by name; `fixed` has scale and zero point of those that are
    quantized by something else's rule. Scales are rounded to what `compute` can hold before anything is divided by
    them.
    """
    positive, spans = find_nonnegative(graph), placement.find_ranges(ranges)
    kinds: dict[str, DType] = {v.name: style.activations for v in placement.values}
    kinds |= dict.fromkeys(placement.signed - positive, "int8")
    chosen = {
        v.name: fixed.get(v.name) or _choose_step(spans[v.name], v.name in positive, kinds[v.name])
        for v in placement.values
    }
    pairs = {v.name: _make_pair(v, *chosen[v.name], kinds[v.name], compute) for v in placement.values}
    nodes: list[Node] = [*pairs.get(graph.input.name, ())]
    recipes: dict[str, Recipe] = {}
    for node in graph.nodes:
        if node.name in placement.layers:
            recipes.update(_make_recipes(node, pairs[node.inputs[0].name], style, compute))
            stored = ops.WeightStorage(style.weights, style.int32_bias, style.in_graph)
            node = replace(node, op=replace(node.op, stored=stored))  # type: ignore[call-arg]
        nodes.append(_read_dequantized(node, placement, pairs))
        nodes += pairs.get(node.output.name, ())
    return replace(graph, nodes=tuple(nodes)), DerivedWeights(weights, recipes)


def find_nonnegative(graph: Graph) -> set[str]:
    """The values that no input can make negative."""
    found: set[str] = set()
    for node in graph.nodes:
        if node.op.nonnegative(*(v.name in found for v in node.inputs)):
            found.add(node.output.name)
    return found


def _read_dequantized(node: Node, placement: QdqPlacement, pairs: Mapping[str, tuple[Node, Node]]) -> Node:
    """The node with its quantized operands read from behind their Q/DQ."""
    inputs = tuple(
        pairs[v.name][1].output if (node.name, i) in placement.operands else v for i, v in enumerate(node.inputs)
    )
    return replace(node, inputs=inputs)


def _choose_step(span: Range, positive: bool, kind: DType) -> tuple[float, int]:
    """Scale and zero point of a value of this range and type."""
    reach = max(abs(span.least), abs(span.most))
    if kind == "uint8" and not positive:
        return reach / LIMITS["int8"], _MIDDLE
    return reach / LIMITS[kind], 0


def _make_pair(value: Value, step: float, zero: int, kind: DType, compute: DType) -> tuple[Node, Node]:
    """Q and DQ of a value."""
    scale = float(_round_scales(np.asarray([step]), compute, value.name)[0])
    small = value._replace(name=f"{value.name}.quantize", dtype=kind)
    back = value._replace(name=f"{value.name}.dequantize")
    first = Node(small.name, small.name, ops.Quantize(kind, scale, zero), (value,), small)
    return first, Node(back.name, back.name, ops.Dequantize(value.dtype, scale, zero), (small,), back)


def _round_scales(exact: Array, compute: DType, name: str) -> Array:
    """Scales of the tensor `name` as `compute` holds them; what never differs from zero gets a scale of one.

    Raises `Refused` for those that it cannot hold.
    """
    least = 2.0**-14 if compute == "float16" else 2.0**-126
    scales = np.where(exact > 0, np.maximum(exact, least), 1.0)
    with np.errstate(over="ignore"):
        held: Array = scales.astype(element_type(compute)).astype(np.float32)
    if not np.isfinite(held).all():
        raise refuse(f"'{name}' needs a scale beyond {compute}", hint="--rest fp32 keeps scales in float32")
    return held


_STEPS: dict[DType, tuple[float, float]] = {
    "float32": (2.0**24, 2.0**-120),
    "bfloat16": (2.0**24, 2.0**-120),
    "float16": (0.75 * 2.0**16, 2.0**-21),
}
"""Of the integers that a layer sums up: how many a bias may take, and the least that one of them may stand for.

A bias becomes such an integer, here or in a runtime that fuses the layer, and is to have no more digits than its float,
nor to reach the end of int32. Where scales are float16, ONNX Runtime and OpenVINO have it pass through float16.
"""


def _find_least_scales(bias: Array, scale: float, compute: DType) -> Array:
    """The least scales of filters beside whose products, with inputs of this scale, their biases can be written.

    A filter whose weights are below that adds nothing that can be seen beside its bias.
    """
    most, least = _STEPS[compute]
    steps = np.maximum(np.abs(bias.astype(np.float64)) / most, np.where(bias == 0, 0.0, least))
    found: Array = (steps / scale).astype(np.float32)
    return found


def _make_recipes(node: Node, pair: tuple[Node, Node], style: PlacementStyle, compute: DType) -> dict[str, Recipe]:
    """How a layer's stored weight, scales and bias come from its float ones."""
    quantizer = pair[0].op
    assert isinstance(quantizer, ops.Quantize)
    weight, bias = node.weight_name("weight"), node.weight_name("bias")
    limit = LIMITS[style.weights] if style.weight_bits == 8 else float((1 << (style.weight_bits - 1)) - 1)
    whole = style.weights == "int8"
    integers = compute if whole else "float32"
    has_bias = getattr(node.op, "bias", False)

    def compute_scales(base: Weights, start: int, stop: int) -> Array:
        rows = base.rows(weight, start, stop)
        exact = np.abs(rows).reshape(len(rows), -1).max(axis=1) / limit
        if has_bias:
            exact = np.maximum(exact, _find_least_scales(base.rows(bias, start, stop), quantizer.scale, integers))
        return _round_scales(exact, compute, weight)

    def quantize_weight(base: Weights, start: int, stop: int) -> Array:
        rows = base.rows(weight, start, stop)
        steps = compute_scales(base, start, stop).reshape(-1, *[1] * (rows.ndim - 1))
        near = np.rint(rows / steps) if whole else rows / steps
        clipped: Array = np.clip(near, -limit, limit)
        return clipped

    def multiply_scales(base: Weights, start: int, stop: int) -> Array:
        exact = compute_scales(base, start, stop) * np.float32(quantizer.scale)
        held: Array = exact.astype(element_type(compute)).astype(np.float32)
        return held

    def round_bias(base: Weights, start: int, stop: int) -> Array:
        near: Array = np.rint(base.rows(bias, start, stop).astype(np.float64) / multiply_scales(base, start, stop))
        return near

    recipes: dict[str, Recipe] = {node.weight_name("weight_scale"): compute_scales}
    if not style.in_graph:
        recipes[weight] = quantize_weight
    if style.int32_bias:
        recipes |= {bias: round_bias, node.weight_name("bias_scale"): multiply_scales}
    return recipes
