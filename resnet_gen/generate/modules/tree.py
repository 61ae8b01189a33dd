"""The tree of modules that the names of a graph's layers spell."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from graphlib import CycleError, TopologicalSorter
from typing import Literal, TypeAlias

from resnet_gen.graph import Graph, Node, Role, is_block
from resnet_gen.ops import Op, Shape, TakeChannels
from resnet_gen.problems import Refused, refuse

Level: TypeAlias = Literal["network", "stem", "stage", "block", "head", "inner"]


@dataclass(frozen=True)
class ChannelChunks(Op):
    """All channels in `parts` equal parts: the one operation here with several results."""

    parts: int


@dataclass(frozen=True)
class OperationLeaf:
    """One operation, with the shapes of what it takes."""

    op: Op
    shapes: tuple[Shape, ...]
    role: Role = "main"
    place: str = field(default="", compare=False)

    @property
    def weighted(self) -> bool:
        """Whether it has weights, so that its name is fixed."""
        return bool(self.op.weights(*self.shapes))


@dataclass(frozen=True)
class MemberStep:
    """What a module does with one of its members, or with an operation that needs none.

    `inputs` are values: `in0`, `in1`, ... are those that the module takes, others are the results of steps by
    their names (`split:1` of one with several).
    """

    name: str
    what: OperationLeaf | ModuleUnit
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class ModuleUnit:
    """A module: what it does step by step, its place, and the shapes of what it takes and outputs."""

    name: str
    level: Level
    steps: tuple[MemberStep, ...]
    inputs: tuple[Shape, ...]
    outputs: tuple[str, ...]
    shapes: tuple[Shape, ...]
    place: str
    role: Role
    spread: bool = False
    """Whether its layers are numbered among those of the sequence that it is in."""

    @property
    def chain(self) -> bool:
        """Whether each step takes what the one before gives, and nothing else."""
        before = ["in0", *(step.name for step in self.steps)]
        linear = all(step.inputs == (given,) for step, given in zip(self.steps, before, strict=False))
        return linear and len(self.inputs) == 1 and self.outputs == (before[-1],)


_Parts: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, eq=False)
class _Item:
    """A member of a module being made: its name there, and its nodes by their names below it."""

    name: _Parts
    nodes: tuple[tuple[_Parts, Node], ...]

    @property
    def leaf(self) -> bool:
        return len(self.nodes) == 1 and not self.nodes[0][0]

    def list_inner(self) -> list[_Item]:
        return [replace(item, name=(*self.name, *item.name)) for item in _group_nodes(self.nodes)]


def build_tree(graph: Graph) -> ModuleUnit:
    """The modules of a network, whose root is the network itself.

    Raises `Refused` where a layer with weights is called as what holds another one.
    """
    return _Builder(graph).make_unit(_Item((), tuple(_place_nodes(graph))), "network")


def _place_nodes(graph: Graph) -> Iterable[tuple[_Parts, Node]]:
    """Every node at the place of its name; those without weights may go where it is simpler."""
    weighted = [tuple(node.name.split(".")) for node in graph.nodes if node.tensors]
    prefixes = {name[:n]: name for name in weighted for n in range(1, len(name))}
    for name in weighted:
        if name in prefixes:
            raise _refuse_both(".".join(name), ".".join(prefixes[name]))
    for node in graph.nodes:
        name = tuple(node.name.split("."))
        if not node.tensors:
            if _is_behind_stage(node) and not name[-1].isdecimal():
                steps = node.path.split(".")
                name = (f"{steps[2]}{int(steps[1]) + 1}",)
            elif name in prefixes:
                name = (*name[:-1], f"{name[-1]}_{node.path.rpartition('.')[2]}")
        yield name, node


def _refuse_both(layer: str, inside: str) -> Refused:
    return refuse(
        f"the layer '{layer}' is called as what holds '{inside}', which no module can be",
        hint="names come from the naming scheme ('naming') and from the parts: call one of the two otherwise",
    )


def _is_behind_stage(node: Node) -> bool:
    """Whether it stands behind the blocks of a stage: the pooling of some networks."""
    return node.path.startswith("stages.") and not is_block(node.block)


def _group_nodes(nodes: Iterable[tuple[_Parts, Node]]) -> list[_Item]:
    """Nodes by the first word of their names; what has no weights stays one by one, but for chains."""
    groups: dict[str, list[tuple[_Parts, Node]]] = {}
    for name, node in nodes:
        groups.setdefault(name[0], []).append((name[1:], node))
    items: list[_Item] = []
    for first, members in groups.items():
        if any(node.tensors for _, node in members) or _is_chain(members):
            items.append(_Item((first,), tuple(members)))
        else:
            items.extend(_Item(("_".join((first, *below)),), (((), node),)) for below, node in members)
    return items


def _is_chain(members: Sequence[tuple[_Parts, Node]]) -> bool:
    """Whether these are members of one module, each of which takes what the one before gives."""
    (below, first), *others = members
    pairs = zip(members, others, strict=False)
    linear = all(after.inputs == (before.output,) for (_, before), (_, after) in pairs)
    return linear and bool(below) and not below[0].isdecimal() and len(first.inputs) == 1


class _Builder:
    """Makes the units of one graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._put_out = {value.name for value in graph.outputs}
        self._readers = {name: {n.name for n in nodes} for name, nodes in graph.consumers().items()}
        self._order = {node.name: number for number, node in enumerate(graph.nodes)}
        inside = [node for node in graph.nodes if not _is_behind_stage(node)]
        self._stages = Counter(node.stage for node in inside)
        self._blocks = Counter(node.block for node in inside if node.block != node.stage)

    def make_unit(self, item: _Item, level: Level) -> ModuleUnit:
        """The module of an item's nodes."""
        nodes = [node for _, node in item.nodes]
        members = self._order_members(item, level)
        taken = self._find_inputs(nodes)
        values = {name: f"in{number}" for number, name in enumerate(taken)}
        steps: list[MemberStep] = []
        for member in members:
            given = self._list_given(member)
            name = ".".join(member.name)
            steps.append(MemberStep(name, self._make_member(member, level), tuple(values[value] for value in given)))
            values.update((value, name) for value in self._find_outputs(member))
        outputs = [values[value] for value in self._find_outputs(item)]
        shapes = {value.name: value.shape for node in nodes for value in (*node.inputs, node.output)}
        return _join_chunks(
            ModuleUnit(
                name=".".join(item.name),
                level=level,
                steps=tuple(steps),
                inputs=tuple(shapes[value] for value in taken),
                outputs=tuple(outputs),
                shapes=tuple(shapes[value] for value in self._find_outputs(item)),
                place=nodes[0].path,
                role=nodes[0].role if len({node.role for node in nodes}) == 1 else "main",
            )
        )

    def _make_member(self, member: _Item, level: Level) -> OperationLeaf | ModuleUnit:
        if member.leaf:
            node = member.nodes[0][1]
            return OperationLeaf(node.op, node.input_shapes, node.role, node.path)
        return self.make_unit(member, self._find_level(member, level))

    def _find_level(self, member: _Item, above: Level) -> Level:
        nodes = [node for _, node in member.nodes]
        stages, blocks = {node.stage for node in nodes}, {node.block for node in nodes}
        several = len(_group_nodes(member.nodes)) > 1
        if above in ("network", "inner") and len(stages) == 1:
            stage = next(iter(stages))
            if stage in ("stem", "head"):
                return "stem" if stage == "stem" else "head"
            if len(nodes) == self._stages.get(stage) and (several or any(c.isdigit() for c in member.name[-1])):
                return "stage"
        if above != "block" and len(blocks) == 1 and several and len(nodes) == self._blocks.get(next(iter(blocks))):
            return "block"
        return "inner"

    def _find_outputs(self, item: _Item) -> list[str]:
        """The values that an item's nodes make and others read, or that are output."""
        own = {node.name for _, node in item.nodes}
        made = [node.output.name for _, node in item.nodes]
        wanted = [v for v in made if v in self._put_out or not self._readers.get(v, set()) <= own]
        return (
            sorted(wanted, key=[v.name for v in self._graph.outputs].index) if len(own) == len(self._order) else wanted
        )

    def _find_inputs(self, nodes: Sequence[Node]) -> list[str]:
        """The values that nodes read and do not make, in the order of their reading."""
        made = {node.output.name for node in nodes}
        return list(dict.fromkeys(v.name for node in nodes for v in node.inputs if v.name not in made))

    def _list_given(self, member: _Item) -> list[str]:
        """What a member is given: an operation a value as often as it reads it, a module each value once."""
        nodes = [node for _, node in member.nodes]
        return [value.name for value in nodes[0].inputs] if member.leaf else self._find_inputs(nodes)

    def _order_members(self, item: _Item, level: Level) -> list[_Item]:
        """What a module consists of, in an order in which it can be done.

        A group that cannot be done as a whole, or outputs several values, is opened: its members are done one
        by one, and it becomes the list that holds them.
        """
        members = _group_nodes(item.nodes)
        while True:
            several = [m for m in members if not m.leaf and len(self._find_outputs(m)) != 1]
            if not several:
                try:
                    return self._sort_members(members)
                except CycleError as error:
                    several = [m for m in error.args[1] if not m.leaf]
            opened = set(several)
            members = [inner for m in members for inner in (m.list_inner() if m in opened else [m])]

    def _sort_members(self, members: Sequence[_Item]) -> list[_Item]:
        makers = {node.output.name: member for member in members for _, node in member.nodes}
        sorter: TopologicalSorter[_Item] = TopologicalSorter()
        for member in members:
            before = {makers[value] for value in self._find_inputs([n for _, n in member.nodes]) if value in makers}
            sorter.add(member, *before)
        sorter.prepare()
        ready: list[tuple[int, _Item]] = []
        found: list[_Item] = []
        while sorter.is_active():
            for member in sorter.get_ready():
                heapq.heappush(ready, (min(self._order[n.name] for _, n in member.nodes), member))
            found.append(heapq.heappop(ready)[1])
            sorter.done(found[-1])
        return found


def _join_chunks(unit: ModuleUnit) -> ModuleUnit:
    """The unit with channels that are taken part by part from one value as one step."""
    sources: dict[str, list[MemberStep]] = {}
    for step in unit.steps:
        if isinstance(step.what, OperationLeaf) and isinstance(step.what.op, TakeChannels):
            sources.setdefault(step.inputs[0], []).append(step)
    for steps in sources.values():
        if _are_tiles([step.what for step in steps if isinstance(step.what, OperationLeaf)]):
            unit = _join_steps(unit, steps)
    return unit


def _are_tiles(leaves: Sequence[OperationLeaf]) -> bool:
    """Whether the leaves take all channels of their source, in order and equally many each."""
    taken = [(leaf.op.start, leaf.op.stop) for leaf in leaves if isinstance(leaf.op, TakeChannels)]
    size, channels = taken[0][1], leaves[0].shapes[0][0]
    return taken == [(start, start + size) for start in range(0, channels, size)] and len(taken) > 1


def _join_steps(unit: ModuleUnit, steps: Sequence[MemberStep]) -> ModuleUnit:
    first = steps[0]
    assert isinstance(first.what, OperationLeaf)
    short = first.name.rpartition("_")[0]
    name = first.name if short in ("", *(step.name for step in unit.steps)) else short
    part = {step.name: f"{name}:{number}" for number, step in enumerate(steps)}
    chunk = MemberStep(name, replace(first.what, op=ChannelChunks(len(steps))), first.inputs)
    kept = [chunk if s.name == first.name else s for s in unit.steps if s.name == first.name or s.name not in part]
    renamed = [replace(s, inputs=tuple(part.get(value, value) for value in s.inputs)) for s in kept]
    return replace(unit, steps=tuple(renamed), outputs=tuple(part.get(value, value) for value in unit.outputs))
