"""What differs between two graphs: layers added, removed and changed, and shapes that follow from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, Literal, NamedTuple, TypeAlias

from resnet_gen.compare.difference.block_outline import BlockOutline, StageOutline
from resnet_gen.compare.difference.order import order_nodes
from resnet_gen.compare.difference.pairing import StagePair, pair
from resnet_gen.compare.difference.wiring import Wiring
from resnet_gen.graph import Graph, Node
from resnet_gen.graph.counts import Counts, activations, buffers, count, macs, params
from resnet_gen.graph.matching import match, simplify_op
from resnet_gen.ops import Activation, Conv, Linear, Op

Kind: TypeAlias = Literal["added", "removed", "changed", "follows"]
"""What happened to a layer; `follows` is what comes from a change elsewhere: another shape, or another operand where
layers of the same block came or went."""


class Setting(NamedTuple):
    """A setting of a layer before and after; `operation` and `operands` are settings too."""

    name: str
    before: Any
    after: Any


@dataclass(frozen=True)
class LayerChange:
    """A layer that is not the same in both networks; `place` is where it stands in its block."""

    kind: Kind
    before: Node | None
    after: Node | None
    place: str
    settings: tuple[Setting, ...] = ()

    @property
    def node(self) -> Node:
        """The layer as it is after, or was before it was removed."""
        node = self.after or self.before
        assert node
        return node

    @cached_property
    def counts(self) -> dict[str, int]:
        """By how much it changes the network's counts."""
        sides = [{name: of(node) if node else 0 for name, of in SUMMED.items()} for node in (self.before, self.after)]
        return {name: sides[1][name] - sides[0][name] for name in SUMMED}


SUMMED = {"params": params, "buffers": buffers, "macs": macs, "activations": activations}
"""Counts that are sums over layers."""


@dataclass(frozen=True)
class BlockChange:
    """A block of which something changed, was added or removed; None where it is not there."""

    before: BlockOutline | None
    after: BlockOutline | None
    changes: tuple[LayerChange, ...]

    @cached_property
    def rebuilt(self) -> bool:
        """Whether layers came or went."""
        return any(change.before is None or change.after is None for change in self.changes)


@dataclass(frozen=True)
class StageChange:
    """A stage of either network, None where it is not there, and what changed in it."""

    before: StageOutline | None
    after: StageOutline | None
    blocks: tuple[BlockChange, ...]

    @property
    def path(self) -> str:
        """Which stage it is, in the network that has it."""
        one = self.after or self.before
        assert one
        return one.path


@dataclass(frozen=True)
class Difference:
    """Two networks, and what is different; `pairs` are the layers that are each other's, in order.

    `outputs` says that other values are output, or in another order. What
    only is called differently makes no difference.
    """

    before: Graph
    after: Graph
    stages: tuple[StageChange, ...]
    pairs: tuple[tuple[Node, Node], ...]
    outputs: bool = False

    @cached_property
    def changes(self) -> tuple[LayerChange, ...]:
        """Every layer that is not the same, in order."""
        return tuple(change for stage in self.stages for block in stage.blocks for change in block.changes)

    @property
    def input(self) -> bool:
        """Whether the image has another shape."""
        return self.before.input.shape != self.after.input.shape

    @property
    def same(self) -> bool:
        """Whether both compute the same, whatever their layers are called."""
        return not (self.changes or self.input or self.outputs)

    @cached_property
    def counts(self) -> tuple[Counts, Counts]:
        """The counts of both."""
        return count(self.before), count(self.after)

    @cached_property
    def renamed(self) -> list[tuple[str, str]]:
        """Names before and after of layers, inputs and outputs that are called differently."""
        first, second = ((graph.input, *graph.outputs) for graph in (self.before, self.after))
        ends = [(first[0], second[0])] if self.outputs else zip(first, second, strict=True)
        named = [*((a.name, b.name) for a, b in self.pairs), *((a.name, b.name) for a, b in ends)]
        return [pair for pair in dict.fromkeys(named) if pair[0] != pair[1]]


def compare(before: Graph, after: Graph, *, files: bool = False) -> Difference:
    """What differs between two graphs; `files` leaves out what no file shows, where one of them is read from one."""
    if pairs := _pair_equal_graphs(before, after, files):
        return Difference(before, after, (), pairs)
    if files:  # whose nodes stand in any order
        before, after = order_nodes(before), order_nodes(after)
    stages = pair(before, after, by_name=files)
    nodes = [two for stage in stages for block in stage.blocks for two in block.nodes]
    wiring = Wiring(before, after, nodes)
    changed = (_compare_stage(stage, wiring, files) for stage in stages)
    both = tuple((a, b) for a, b in nodes if a and b)
    return Difference(before, after, tuple(changed), both, wiring.outputs_differ())


def _pair_equal_graphs(before: Graph, after: Graph, files: bool) -> tuple[tuple[Node, Node], ...]:
    """The pairs of graphs that compute the same; none of those that do not."""
    if len(before.nodes) != len(after.nodes) or before.input.shape != after.input.shape:
        return ()
    found = match(before, after)
    exact = found.same and all(_strip_start_values(a, files) == _strip_start_values(b, files) for a, b in found.pairs)
    return found.pairs if exact else ()


def _compare_stage(stage: StagePair, wiring: Wiring, files: bool) -> StageChange:
    blocks = []
    for block in stage.blocks:
        places = _list_places(block.before) | _list_places(block.after)
        rebuilt = any(a is None or b is None for a, b in block.nodes)
        found = [_compare_layer(a, b, places, wiring, files, rebuilt) for a, b in block.nodes]
        if changes := tuple(change for change in found if change):
            blocks.append(BlockChange(block.before, block.after, changes))
    return StageChange(stage.before, stage.after, tuple(blocks))


def _list_places(block: BlockOutline | None) -> dict[int, str]:
    return {id(node): place for node, place in zip(block.nodes, block.places, strict=True)} if block else {}


def _compare_layer(
    a: Node | None, b: Node | None, places: dict[int, str], wiring: Wiring, files: bool, rebuilt: bool
) -> LayerChange | None:
    if not (a and b):
        return LayerChange("removed" if a else "added", a, b, places[id(a or b)])
    place = places[id(a if "." in a.name and "." not in b.name else b)]  # a name that is no path says less
    settings, operands = (
        tuple(_compare_settings(_strip_start_values(a, files), _strip_start_values(b, files))),
        tuple(_compare_operands(a, b, wiring)),
    )
    shapes = a.shape != b.shape or a.input_shapes != b.input_shapes
    if settings or (operands and not rebuilt):
        return LayerChange("changed", a, b, place, settings + operands)
    return LayerChange("follows", a, b, place, operands) if operands or shapes else None


def _strip_start_values(node: Node, files: bool) -> Op:
    """The operation with what makes it another: not what weights start from, and for files what they show."""
    op, shown = node.op, simplify_op(node.op, *node.input_shapes)
    if isinstance(op, Conv) and isinstance(shown, Conv) and op.standardize and not files:
        return replace(shown, standardize=op.standardize)
    return shown


def _compare_settings(a: Op, b: Op) -> Iterator[Setting]:
    if a == b:
        return
    if type(a) is not type(b):
        yield Setting("operation", type(a).__name__, type(b).__name__)
        return
    for name in _list_setting_names(a, b):
        if (old := getattr(a, name)) != (new := getattr(b, name)):
            yield Setting(_CALLED.get((type(a), name), name), old, new)


def _list_setting_names(a: Op, b: Op) -> Iterator[str]:
    """The settings of two operations of one type; of activations a slope only where both have one."""
    slopes = not isinstance(a, Activation) or not isinstance(b, Activation) or (a.sloped and b.sloped)
    return (f.name for f in fields(a) if slopes or f.name != "slope")


_CALLED: dict[tuple[type[Op], str], str] = {
    (Conv, "out"): "filters",
    (Conv, "standardize"): "weight_standardization",
    (Linear, "out"): "features",
}
"""Settings by the field's words, where ours are shorter."""


def _compare_operands(a: Node, b: Node, wiring: Wiring) -> Iterator[Setting]:
    if wiring.is_rewired(a, b):
        yield Setting("operands", *(tuple(value.name for value in node.inputs) for node in (a, b)))
