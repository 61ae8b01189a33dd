"""What eight bits cost: each layer's signal-to-noise ratio against the same network in float32.

Two figures a layer, in decibels over all elements of its output. *Own*: only
this layer's input and weights are quantized, what comes before it is exact.
*Total*: the whole network is, as it will run. A layer of a low own ratio is one
to keep in float.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from resnet_gen.engine.signal_power import SignalPower
from resnet_gen.graph import Graph, Node, Value
from resnet_gen.graph.surroundings import SCORES
from resnet_gen.ops import Conv
from resnet_gen.quantization.calibration.activations import (
    ImageProgress,
    open_session,
    require_finite,
    split_batches,
    watch_batches,
)
from resnet_gen.quantization.calibration.images import Images
from resnet_gen.weights.base import Array, Weights

MOST_IMAGES = 8
"""Images that the figures are taken from."""
_COPY = ".own"


class LayerNoise(NamedTuple):
    """A layer and its two signal-to-noise ratios, in dB."""

    layer: str
    own: float
    total: float


@dataclass(frozen=True)
class NetworkNoise:
    """Ratios of the layers in order and of the network's outputs, and how often the best class stayed the same.

    `agreement` is None where nothing that is output is a row of scores.
    """

    layers: tuple[LayerNoise, ...]
    outputs: dict[str, float]
    agreement: float | None
    images: int


@dataclass(frozen=True)
class FirstImages:
    """The first few of some images."""

    images: Images
    most: int = MOST_IMAGES

    def __len__(self) -> int:
        return min(self.most, len(self.images))

    def __iter__(self) -> Iterator[Array]:
        return islice(iter(self.images), self.most)

    def entry(self) -> dict[str, object]:
        """What a manifest says of them all."""
        return self.images.entry()


@dataclass(frozen=True)
class _ExactAndQuantizedWeights:
    """Weights of a float network, and those of its quantized layers under names of their own."""

    exact: Weights
    quantized: Weights

    def rows(self, name: str, start: int, stop: int) -> Array:
        layer, copy, role = name.rpartition(f"{_COPY}.")
        return self.quantized.rows(f"{layer}.{role}", start, stop) if copy else self.exact.rows(name, start, stop)


def find_bias_corrections(
    exact: tuple[Graph, Weights],
    quantized: tuple[Graph, Weights],
    images: Images,
    progress: ImageProgress | None = None,
) -> dict[str, Array]:
    """By how much each convolution's channels are too low on average, when it alone works in eight bits.

    Added to its bias, this takes the mean out of the noise (Nagel et al. 2019, Data-Free Quantization, Sec. 4.2).
    """
    graph, eight = exact[0], quantized[0]
    layers = [n for n in eight.nodes if isinstance(n.op, Conv) and n.op.stored and n.op.bias]
    if not layers:
        return {}
    values = (*(n.output for n in layers), *(_copy_value(n.output) for n in layers))
    found = {node.name: np.zeros(node.shape[0]) for node in layers}
    both, few = _ExactAndQuantizedWeights(exact[1], quantized[1]), FirstImages(images)
    with open_session(_add_copies(graph, eight, layers), both, values, as_written=True) as session:
        for batch in watch_batches(split_batches(few, values), few, progress):
            outputs = require_finite(session.run(batch), _COPY)
            for node in layers:
                name = node.output.name
                noise = outputs[name].astype(np.float64) - outputs[name + _COPY]
                found[node.name] += noise.mean(axis=(2, 3)).sum(axis=0)
    return {name: (sums / len(few)).astype(np.float32) for name, sums in found.items()}


def measure(
    exact: tuple[Graph, Weights],
    quantized: tuple[Graph, Weights],
    images: Images,
    progress: ImageProgress | None = None,
) -> NetworkNoise:
    """The noise that quantization brought; both networks are in float32 but for what is in eight bits."""
    graph, eight = exact[0], quantized[0]
    layers = [node for node in eight.nodes if getattr(node.op, "stored", None)]
    own, total = ({node.name: SignalPower() for node in layers} for _ in range(2))
    outputs = {value.name: SignalPower() for value in graph.outputs}
    values = tuple(dict.fromkeys((*(n.output for n in layers), *graph.outputs)))
    copies = _add_copies(graph, eight, layers)
    both = _ExactAndQuantizedWeights(exact[1], quantized[1])
    few = FirstImages(images)
    same = 0
    with (
        open_session(copies, both, (*values, *(_copy_value(n.output) for n in layers)), as_written=True) as true,
        open_session(eight, quantized[1], values, as_written=True) as rounded,
    ):
        for batch in watch_batches(split_batches(few, (*values, *values, *values)), few, progress):
            wanted, found = require_finite(true.run(batch), _COPY), require_finite(rounded.run(batch))
            for node in layers:
                name = node.output.name
                own[node.name].add(wanted[name], wanted[name + _COPY])
                total[node.name].add(wanted[name], found[name])
            for name, power in outputs.items():
                power.add(wanted[name], found[name])
            same += count_agreeing(wanted, found, graph.outputs)
    ratios = tuple(LayerNoise(n.name, own[n.name].decibels, total[n.name].decibels) for n in layers)
    agreement = same / len(few) if find_scores(graph.outputs) else None
    return NetworkNoise(ratios, {k: v.decibels for k, v in outputs.items()}, agreement, len(few))


_SCORES = (*SCORES, "policy")
"""Outputs that hold a score for each class, or each move; the best place of features and maps means nothing."""


def find_scores(outputs: Sequence[Value]) -> list[Value]:
    """The outputs that are rows of scores."""
    return [value for value in outputs if value.name in _SCORES and len(value.shape) == 1 and value.shape[0] > 1]


def count_agreeing(wanted: dict[str, Array], found: dict[str, Array], outputs: Sequence[Value]) -> int:
    """For how many images the best class of every row of scores is the same."""
    best = [np.equal(*(a[v.name].argmax(axis=1) for a in (wanted, found))) for v in find_scores(outputs)]
    return int(np.logical_and.reduce(best).sum()) if best else 0


def _copy_value(value: Value) -> Value:
    return value._replace(name=value.name + _COPY)


def _add_copies(graph: Graph, eight: Graph, layers: Sequence[Node]) -> Graph:
    """The float graph, beside each quantized layer a copy of it that alone works in eight bits."""
    makers = {node.output.name: node for node in eight.nodes}
    nodes = list(graph.nodes)
    paired: set[str] = set()
    for layer in layers:
        back = makers[layer.inputs[0].name]
        if back.name not in paired:
            paired.add(back.name)
            nodes += [makers[back.inputs[0].name], back]
        nodes.append(replace(layer, name=layer.name + _COPY, output=_copy_value(layer.output)))
    return replace(graph, nodes=tuple(nodes))
