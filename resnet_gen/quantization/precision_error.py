"""The network as it is built, compared with the same in float32 on a few images: what the types and passes cost it.

Sixteen bits are computed in float32, rounded to the type behind every operation, since ONNX Runtime has no bfloat16
convolution on CPUs and computes float16 in float32 there, where nothing overflows. Layers whose values the type cannot
hold are found by the range of each activation in float32.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from resnet_gen.engine.signal_power import SignalPower
from resnet_gen.graph import Graph, Node, Value
from resnet_gen.ops import Cast, DType
from resnet_gen.quantization.calibration.activations import open_session, split_batches
from resnet_gen.quantization.calibration.images import Images
from resnet_gen.quantization.signal_to_noise import count_agreeing, find_scores
from resnet_gen.weights.base import Array, DerivedWeights, Recipe, Weights
from resnet_gen.weights.stream import largest_number, narrow_values

MOST_IMAGES = 4
_NEAR = 0.5
"""Part of a type's range from which an activation is reported, as other images may be brighter."""


@dataclass(frozen=True)
class PrecisionComparison:
    """What was seen: signal to noise in dB by output, how often the best class was the same, magnitudes by layer.

    `agreement` is None where nothing that is output is a row of scores. `finite` is False where the file outputs what
    is not finite, and float32 does not; `emulated` where the type is computed by rounding to it.
    """

    images: int
    decibels: dict[str, float]
    agreement: float | None
    finite: bool
    emulated: bool
    magnitudes: dict[str, float]
    limit: float

    @property
    def beyond(self) -> dict[str, float]:
        """The layers whose values the type cannot hold, by their largest magnitude."""
        return {name: most for name, most in self.magnitudes.items() if not most <= self.limit}

    @property
    def near(self) -> dict[str, float]:
        """The layers that come near the end of the type's range."""
        return {name: most for name, most in self.magnitudes.items() if _NEAR * self.limit < most <= self.limit}


def compare(
    reference: tuple[Graph, Weights], exact: tuple[Graph, Weights], built: Graph, compute: DType, images: Images
) -> PrecisionComparison | None:
    """Compare a built network with `reference`, the float32 network; None where that itself is not finite.

    `exact` is the built one before its floats became `compute`. Raises
    `Refused` for images that cannot be read, and where no runtime runs it.
    """
    emulated = compute != "float32"
    file = round_graph(*exact, compute) if emulated else (built, exact[1])
    outputs = reference[0].outputs
    powers, same, finite = {value.name: SignalPower() for value in outputs}, 0, True
    with open_session(*reference, (), as_written=True) as true, open_session(*file, (), as_written=True) as typed:
        for batch in split_batches(images, outputs):
            wanted, found = true.run(batch), typed.run(batch)
            if not _are_finite(wanted):
                return None
            finite = finite and _are_finite(found)
            for name, power in powers.items():
                power.add(wanted[name], found[name].astype(np.float64))
            same += count_agreeing(wanted, found, outputs)
    ratios = {name: power.decibels for name, power in powers.items()}
    agreement = same / len(images) if find_scores(outputs) else None
    magnitudes = _find_magnitudes(*exact, images) if emulated else {}
    return PrecisionComparison(len(images), ratios, agreement, finite, emulated, magnitudes, largest_number(compute))


def _find_magnitudes(graph: Graph, weights: Weights, images: Images) -> dict[str, float]:
    """The largest magnitude of each value that the graph has in float32, by its name."""
    values = tuple(node.output for node in graph.nodes if node.output.dtype == "float32")
    found = dict.fromkeys((value.name for value in values), 0.0)
    with open_session(graph, weights, values, as_written=True) as session:
        for batch in split_batches(images, values):
            for name, seen in session.run(batch).items():
                found[name] = float(np.maximum(found[name], np.max(np.abs(seen), initial=0.0)))
    return found


def _are_finite(found: dict[str, Array]) -> bool:
    return all(bool(np.isfinite(values).all()) for values in found.values())


def round_graph(graph: Graph, weights: Weights, dtype: DType) -> tuple[Graph, Weights]:
    """A float32 graph that computes what one of `dtype` does: all values and weights rounded to it."""
    nodes: list[Node] = [*_make_rounding(graph.input, dtype)]
    for node in graph.nodes:
        inputs = tuple(_rename_reference(v) if v.name == graph.input.name else v for v in node.inputs)
        if node.output.dtype != "float32":
            nodes.append(replace(node, inputs=inputs))
            continue
        raw = node.output._replace(name=f"{node.output.name}.raw")
        nodes += [replace(node, inputs=inputs, output=raw), *_make_rounding(raw, dtype, node.output)]
    recipes = {name: _make_recipe(name, dtype) for name, tensor in graph.state().items() if tensor.dtype is None}
    return replace(graph, nodes=tuple(nodes)), DerivedWeights(weights, recipes)


def _rename_reference(value: Value) -> Value:
    return value._replace(name=f"{value.name}.rounded")


def _make_rounding(value: Value, dtype: DType, to: Value | None = None) -> tuple[Node, Node]:
    to = to or _rename_reference(value)
    short = value._replace(name=f"{to.name}.short", dtype=dtype)
    return (
        Node(short.name, short.name, Cast(dtype), (value,), short),
        Node(f"{to.name}.wide", f"{to.name}.wide", Cast("float32"), (short,), to),
    )


def _make_recipe(name: str, dtype: DType) -> Recipe:
    return lambda base, start, stop: narrow_values(base.rows(name, start, stop), name, dtype).astype(np.float32)


def name_layers(magnitudes: dict[str, float], most: int = 3) -> str:
    """The first layers with their magnitudes, which is where to look: `bn1 427,424, relu 427,424 and 9 more`."""
    shown = ", ".join(f"{name} {value:,.0f}" for name, value in list(magnitudes.items())[:most])
    rest = len(magnitudes) - most
    return f"{shown} and {rest} more" if rest > 0 else shown
