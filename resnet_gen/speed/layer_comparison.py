"""Measured layers beside predicted kernels: by the nodes that both compute, and what only one of the two has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from resnet_gen.speed.prediction import Cost, Prediction, solve_efficiency
from resnet_gen.speed.profile_files import MeasuredLayer, ProfileData

_NO_TIME = 1e-12


@dataclass(frozen=True)
class LayerPair:
    """Kernels and the layers that compute the same nodes: one of each, as a rule, or as many as are tied together."""

    name: str
    """The first kernel's, or of a layer without one the layer's."""
    layers: tuple[MeasuredLayer, ...]
    """What was measured; none where no layer of the engine says these nodes."""
    kernels: tuple[Cost, ...]
    """What was predicted; none for a layer that no kernel is predicted for."""
    predicted_ms: float | None
    """Predicted time, in milliseconds; None without a kernel."""

    @property
    def measured_ms(self) -> float | None:
        """Mean measured time of a run, in milliseconds; None without a layer."""
        return sum(layer.milliseconds for layer in self.layers) if self.layers else None

    @property
    def ratio(self) -> float | None:
        """Measured over predicted; None where one of them is not there."""
        if self.measured_ms is None or self.predicted_ms is None:
            return None
        return self.measured_ms / max(self.predicted_ms, _NO_TIME)


@dataclass(frozen=True)
class LayerComparison:
    """A profile beside a prediction for the same network, device, precision and batch."""

    prediction: Prediction
    """What was predicted."""
    profile: ProfileData
    """What was measured."""
    rows: tuple[LayerPair, ...]
    """What both have, in the order of the network; then layers without a kernel, in the order of the profile."""
    estimated: bool = False
    """Whether nobody states the device's rates, and the prediction is made with the best that its layers reached."""

    @property
    def matched(self) -> tuple[LayerPair, ...]:
        """Rows that have both."""
        return tuple(row for row in self.rows if row.layers and row.kernels)

    @property
    def unmeasured(self) -> tuple[LayerPair, ...]:
        """Kernels that no measured layer names."""
        return tuple(row for row in self.rows if not row.layers)

    @property
    def unpredicted(self) -> tuple[LayerPair, ...]:
        """Measured layers that name no node of a kernel: copies into other formats, and what is not of the network."""
        return tuple(row for row in self.rows if not row.kernels)

    @property
    def efficiency(self) -> float | None:
        """The part of its peak at which the device computes what was matched; None where no part explains it."""
        costs = [cost for row in self.matched for cost in row.kernels]
        measured = sum(row.measured_ms or 0.0 for row in self.matched)
        return solve_efficiency(costs, measured / 1e3) if costs else None

    @property
    def images_per_second(self) -> float:
        """By the sum of all measured layers: what lies between them is not in it."""
        return self.prediction.batch / max(self.profile.milliseconds / 1e3, _NO_TIME)


def compare_layers(prediction: Prediction, profile: ProfileData) -> LayerComparison:
    """Lay measured layers beside predicted kernels: those that name a node of the same kernel belong together."""
    costs = prediction.costs
    names = _NodeNames({node.name: index for index, cost in enumerate(costs) for node in cost.kernel.nodes})
    groups, placed = _Groups(len(costs)), list[tuple[int, MeasuredLayer]]()
    alone: list[MeasuredLayer] = []
    for layer in profile.layers:
        found = [] if layer.moves else sorted(names.find_kernels(layer.nodes))
        if found:
            groups.join(found)
            placed.append((found[0], layer))
        else:
            alone.append(layer)
    layers: dict[int, list[MeasuredLayer]] = {}
    for first, layer in placed:
        layers.setdefault(groups.find(first), []).append(layer)
    rows = [
        _make_row(prediction, [costs[index] for index in members], layers.get(members[0], []))
        for members in groups.list()
    ]
    rows += (LayerPair(layer.name, (layer,), (), None) for layer in alone)
    return LayerComparison(prediction, profile, tuple(rows))


def _make_row(prediction: Prediction, costs: Sequence[Cost], layers: Sequence[MeasuredLayer]) -> LayerPair:
    seconds = sum(cost.seconds(prediction.efficiency.value) for cost in costs)
    return LayerPair(costs[0].kernel.node.name, tuple(layers), tuple(costs), 1e3 * seconds)


class _NodeNames:
    """Which kernel computes a node, by the names that a layer says: nodes, steps of nodes, and ranges."""

    def __init__(self, kernel_of: dict[str, int]) -> None:
        self._kernel_of = kernel_of
        self._ranges = _MOST_RANGES

    def find_kernels(self, names: Iterable[str]) -> set[int]:
        """The kernels of all nodes that are named."""
        found: set[int] = set()
        for name in names:
            first, dots, last = name.partition("...")
            ends = [self._find(end) for end in ((first, last) if dots else (name,))]
            known = sorted(end for end in ends if end is not None)
            found.update(known)
            if len(known) == 2 and self._ranges:
                self._ranges -= 1
                found.update(range(known[0], known[1] + 1))
        return found

    def _find(self, name: str) -> int | None:
        """The kernel of a node, or of that which a step is of: `conv1.weight_quantize` is one of `conv1`."""
        for _ in range(4):
            if name in self._kernel_of:
                return self._kernel_of[name]
            name = name.rpartition(".")[0]
        return None


_MOST_RANGES = 200
"""Ranges of nodes in a profile; an engine has few."""


class _Groups:
    """Kernels that layers tie together (disjoint sets)."""

    def __init__(self, count: int) -> None:
        self._first = list(range(count))

    def find(self, index: int) -> int:
        """The first of a kernel's group."""
        while self._first[index] != index:
            self._first[index] = self._first[self._first[index]]
            index = self._first[index]
        return index

    def join(self, members: Sequence[int]) -> None:
        """Make one group of several."""
        roots = sorted({self.find(index) for index in members})
        for root in roots[1:]:
            self._first[root] = roots[0]

    def list(self) -> list[list[int]]:
        """The groups, each in order, by their first."""
        found: dict[int, list[int]] = {}
        for index in range(len(self._first)):
            found.setdefault(self.find(index), []).append(index)
        return list(found.values())
