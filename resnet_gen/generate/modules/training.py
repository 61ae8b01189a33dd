"""What training does beside the graph: dropout and stochastic depth as operations, put into a graph that is written."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from resnet_gen.generate.spelling import find_free_name
from resnet_gen.graph import Graph, Node, Value
from resnet_gen.language.load import Loaded
from resnet_gen.language.plan import plan
from resnet_gen.language.training_places import TrainingPlaces
from resnet_gen.ops import Op


@dataclass(frozen=True)
class DropValues(Op):
    """Dropout: nothing but while training, when each value is zero with this probability."""

    rate: float


@dataclass(frozen=True)
class DropBranch(Op):
    """Stochastic depth: nothing but while training, when all that it takes is zero with a probability.

    `rate` is that of every block, 0 where the network says it of each.
    """

    rate: float
    mode: str


_MOST_WORDS = 3


class DropSchedule(NamedTuple):
    """The rates of the blocks that drop their branches: `rate` times a block's number over that of the last.

    `blocks` are the numbers of the blocks that do, among all from 0 to `last`; empty where each of them does.
    """

    rate: float
    last: int
    blocks: tuple[int, ...]


def with_training(loaded: Loaded, graph: Graph) -> Graph:
    """A specification's own graph with what only training sees."""
    settings = loaded.spec.training
    if settings is None:
        return graph
    places = TrainingPlaces(graph)
    if drops := settings.branch_drops:
        op = DropBranch(drops.rate if drops.decay == "uniform" else 0.0, drops.mode)
        graph = _insert_before(graph, places.residual_sums, op, "drop_path")
    if settings.dropout and places.last_layer:
        graph = _insert_before(graph, [places.last_layer], DropValues(settings.dropout), "dropout")
    return graph


def _insert_before(graph: Graph, targets: Iterable[Node], op: Op, called: str) -> Graph:
    """The graph with an operation on the first operand of each of these nodes, called beside them."""
    wanted, taken = {node.name for node in targets}, {node.name for node in graph.nodes}
    nodes: list[Node] = []
    for node in graph.nodes:
        if node.name in wanted:
            before, *others = node.inputs
            name = find_free_name(_list_names(node, before, called), taken)
            value = Value(name, before.shape, before.dtype)
            place = f"{node.path.rpartition('.')[0]}.{called}"
            nodes.append(Node(name, place, op, (before,), value, node.role))
            node = replace(node, inputs=(value, *others))
        nodes.append(node)
    return replace(graph, nodes=tuple(nodes))


def _list_names(node: Node, before: Value, called: str) -> list[str]:
    """What an operation between a node and what it reads may be called: a number that is free between theirs first."""
    above, _, last = node.name.rpartition(".")
    names = [f"{above}.{word}" if above else word for word in (called, f"{called}_only")]
    over, _, first = before.name.rpartition(".")
    if over == above and last.isdecimal() and first.isdecimal() and int(last) - int(first) > 1:
        return [f"{above}.{int(last) - 1}", *names]
    return names


def find_drop_schedule(loaded: Loaded, graph: Graph) -> DropSchedule | None:
    """The rates that rise from block to block, if they do; `graph` is the specification's own."""
    settings = loaded.spec.training
    drops = settings and settings.branch_drops
    if not drops or drops.decay == "uniform":
        return None
    numbers: dict[str, int] = {}
    for stage in plan(loaded):
        numbers.update((f"stages.{stage.number}.{i}", stage.first + i) for i in range(stage.depth))
    blocks = tuple(numbers[node.block] for node in TrainingPlaces(graph).residual_sums)
    last = len(numbers) - 1
    return DropSchedule(drops.rate, max(last, 1), () if blocks == tuple(range(last + 1)) else blocks)


def find_zero_norms(loaded: Loaded, graph: Graph) -> list[str]:
    """The ends of the names of the norms that begin with weights of 0, which no other layer with weights has.

    Those are the names themselves where no end is common to several. `graph` is the specification's own.
    """
    settings = loaded.spec.training
    if not (settings and settings.zero_init_last_norm):
        return []
    wanted = {node.name for node in TrainingPlaces(graph).last_norms}
    others = [node.name for node in graph.nodes if node.tensors and node.name not in wanted]
    for words in range(1, _MOST_WORDS + 1):
        ends = {f".{'.'.join(name.split('.')[-words:])}" for name in wanted}
        if len(ends) < len(wanted) and not any(f".{name}".endswith(tuple(ends)) for name in others):
            return sorted(ends)
    return sorted(wanted)


def describe_training(loaded: Loaded, graph: Graph) -> list[str]:
    """What only training sees, in a line of a docstring; nothing where there is none."""
    settings = loaded.spec.training
    if settings is None:
        return []
    places, words = TrainingPlaces(graph), []
    if settings.dropout:
        words.append(f"dropout of {settings.dropout:g} before the last layer")
    if drops := settings.branch_drops:
        rates = f"to {drops.rate:g} in the last block" if drops.decay == "linear" else f"of {drops.rate:g}"
        whom = "image" if drops.mode == "row" else "batch"
        blocks, sums = sum(stage.depth for stage in plan(loaded)), len(places.residual_sums)
        share = "" if sums == blocks else f" in the {sums} of {blocks} blocks that have a shortcut"
        words.append(f"stochastic depth {rates}, drawn for each {whom}{share}")
    if settings.zero_init_last_norm:
        count, sums = len(places.last_norms), len(places.residual_sums)
        share = "" if count == sums else f" that ends in one ({count} of {sums})"
        words.append(f"weights of the last norm of each branch{share} from 0")
    return [f"In training: {'; '.join(words)}."] if words else []
