"""A graph as values that come the same way from the input, and a `Net` that follows it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

from resnet_gen.graph import Graph, Loc, Net, Node, Value
from resnet_gen.graph.matching import commutes, simplify_op
from resnet_gen.ops import BatchNorm, Conv, Op, Shape, ShapeError
from resnet_gen.problems import Refused
from resnet_gen.system.allowance import Allowance

T = TypeVar("T")

INPUT = 0
"""The flow's number of the network's input."""
FAR = 512
"""Readers of a value, and values behind one, that are looked at; no part has as many."""
_PATIENCE, _PATIENCE_EACH, _MOST_PATIENCE = 100_000, 60, 1_000_000
"""Operations that are tried: so many, and so many more for each of the graph's, and at most so many.

A network of the family takes about twenty for each of its own, so that the last
is enough for 50,000.
"""


class OutOfPatience(Exception):
    """More was tried than a network of the family takes."""


class OperationMissing(Exception):
    """What was to be built does not stand in the graph."""


class Flow:
    """A graph's values by number, those that are computed alike having one; 0 is the input.

    Branches that differ in nothing but their weights share their numbers, so
    that a part can be followed without knowing which of two is which.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.ops: list[Op] = [Op()]
        self.inputs: list[tuple[int, ...]] = [()]
        self.shapes: list[Shape] = [graph.input.shape]
        self.readers: list[list[int]] = [[]]
        self.numbers = {graph.input.name: INPUT}
        self._index: dict[tuple[Op, tuple[int, ...]], int] = {}
        for node in graph.nodes:
            self.numbers[node.output.name] = self._number(node)
        self.outputs = tuple(self.numbers[value.name] for value in graph.outputs)
        self.output_set = frozenset(self.outputs)
        self.patience = Allowance(min(_MOST_PATIENCE, _PATIENCE + _PATIENCE_EACH * len(graph.nodes)), OutOfPatience)
        self.counts = Counter(self.ops[1:])

    def _number(self, node: Node) -> int:
        op, inputs = simplify_op(node.op, *node.input_shapes), tuple(self.numbers[value.name] for value in node.inputs)
        key = self._key(op, inputs)
        if key not in self._index:
            number = self._index[key] = len(self.ops)
            self.ops.append(op)
            self.inputs.append(inputs)
            self.shapes.append(node.shape)
            self.readers.append([])
            for source in dict.fromkeys(inputs):
                self.readers[source].append(number)
        return self._index[key]

    def _key(self, op: Op, inputs: tuple[int, ...]) -> tuple[Op, tuple[int, ...]]:
        commutative = commutes(op, *(self.shapes[i] for i in inputs))
        return op, tuple(sorted(inputs)) if commutative else inputs

    def find(self, op: Op, inputs: tuple[int, ...]) -> int | None:
        """The value that this operation makes of these values, if any node does that; raises `OutOfPatience`."""
        self.patience.take()
        return self._index.get(self._key(simplify_op(op, *(self.shapes[i] for i in inputs)), inputs))

    def find_readers(self, number: int, kind: type[T]) -> Iterator[tuple[int, T]]:
        """The values that operations of this kind make of a value, with those operations."""
        for reader in self.readers[number][:FAR]:
            op = self.ops[reader]
            if isinstance(op, kind):
                yield reader, op

    def count_ops(self, kind: type[T]) -> Counter[T]:
        """The different operations of one kind, and how often each stands in the graph."""
        return Counter({op: n for op, n in self.counts.items() if isinstance(op, kind)})


class TracingNet(Net):
    """A `Net` that adds nothing: each operation must stand in the graph already, else it raises `OperationMissing`.

    `seen` are the values that were met, in order, `observations` what observers note of them,
    `farthest` the most that a trial had met when it went astray. With `folds`, a convolution
    stands for one whose batch norm was folded into it, with a bias unless that would be zero.
    """

    def __init__(self, flow: Flow, folds: bool) -> None:
        self.flow, self.folds = flow, folds
        self.seen: list[int] = []
        self.observations: list[Any] = []
        self.farthest: list[int] = []
        self.input = self.value(INPUT)
        self._prefix = ""
        self._loc: Loc = ()
        self._locate = None
        self._role = "main"

    def value(self, number: int, *, bare: bool = False) -> Value:
        """A value of the flow as parts handle it; `bare` is one whose folded norm has not been asked for yet."""
        return Value(f"{number}{'?' * bare}", self.flow.shapes[number])

    def add(self, name: str, op: Op, *inputs: Value) -> Value:
        """Find one operation in the graph; raises `OperationMissing` where it is not."""
        try:
            op.shape(*(value.shape for value in inputs))
        except ShapeError as error:
            raise OperationMissing(str(error)) from None
        if isinstance(op, BatchNorm) and self.folds:
            return self._find_norm(op, inputs[0])
        if any(is_bare(value) for value in inputs):
            raise OperationMissing(f"{name}: no norm")
        numbers = tuple(number_of(value) for value in inputs)
        if isinstance(op, Conv) and self.folds and not op.bias:
            return self._find_convolution(name, op, numbers)
        return self._record_value(name, self.flow.find(op, numbers))

    def _find_convolution(self, name: str, op: Conv, inputs: tuple[int, ...]) -> Value:
        """A convolution as it is or with a bias; where both stand there, what follows tells which is meant."""
        plain, biased = self.flow.find(op, inputs), self.flow.find(replace(op, bias=True), inputs)
        if plain is None or biased is None:
            return self._record_value(name, biased if plain is None else plain, bare=plain is None)
        self.seen += [plain, biased]
        return Value(f"{plain}|{biased}", self.flow.shapes[plain])

    def _find_norm(self, op: Op, x: Value) -> Value:
        if is_bare(x):
            return self.value(number_of(x))
        found = self.flow.find(op, (number_of(x),))
        if found is not None:
            return self._record_value("norm", found)
        other = int(x.name.partition("|")[2] or number_of(x))
        return self._record_value("norm", other if isinstance(self.flow.ops[other], Conv) else None)

    def _record_value(self, name: str, number: int | None, *, bare: bool = False) -> Value:
        if number is None:
            raise OperationMissing(name)
        self.seen.append(number)
        return self.value(number, bare=bare)

    def try_build(self, build: Callable[[], T]) -> T | None:
        """What `build` returns; None where it leads astray, and then nothing of it counts as met."""
        before = len(self.seen)
        try:
            return build()
        except (OperationMissing, Refused):
            if len(self.seen) > len(self.farthest):
                self.farthest[:] = self.seen
            del self.seen[before:]
            return None


def number_of(value: Value) -> int:
    """The flow's number of a value; of two that it may be, the convolution's without a bias."""
    return int(value.name.rstrip("?").partition("|")[0])


def is_bare(value: Value) -> bool:
    """Whether the value's norm, folded into its convolution, has not been asked for yet."""
    return value.name.endswith("?")
