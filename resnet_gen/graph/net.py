"""`Value`, `Node`, `Graph`, and `Net`, the only builder of graphs.

A graph is a tuple of nodes in execution order. Shapes are checked as each node is made, so that a wrong graph cannot
exist and the refusal knows which line of the specification asked for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple, TypeAlias

from resnet_gen.ops import DType, Op, Shape, ShapeError, Tensor
from resnet_gen.ops.base import format_shape
from resnet_gen.ops.types import TypeChange
from resnet_gen.problems import Loc, Span, refuse

Role: TypeAlias = Literal["main", "shortcut", "gate", "attention", "serving"]
"""What a node is for: the main path, a shortcut around it, a gate on either, or the weights of an attention.

`serving` is what a file puts around the network (`graph.serving`).
"""

MAX_NODES = 15_000
"""Three times those of the deepest networks: a line of a spec asks for any number of them, of two kilobytes each."""
MAX_ELEMENTS = 1 << 34
MAX_PARAMS = 20_000_000_000


class Value(NamedTuple):
    """The activation that a node (or the input) makes: shape of one image, and type."""

    name: str
    """The node that makes it, as files and state dicts call it; `input` for the image."""
    shape: Shape
    """Of one image: (C, H, W), or (features,)."""
    dtype: DType = "float32"
    """`float32`, unless the graph was put into another precision."""


@dataclass(frozen=True)
class Node:
    """One operation in its place."""

    name: str
    """What the layer is called everywhere outside: ONNX node, parameter prefix, TensorRT layer."""
    path: str
    """Where it stands, in our own words whatever the naming scheme: `stages.0.2.conv1`."""
    op: Op
    """What it does, with its settings: a convolution, a norm, an addition, ..."""
    inputs: tuple[Value, ...]
    """Its operands."""
    output: Value
    """What it makes."""
    role: Role = "main"
    """What it is for: `main` path, `shortcut`, `gate`, or `attention`."""
    tensors: tuple[Tensor, ...] = field(init=False, repr=False, compare=False)
    """The weights that the operation has here."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "tensors", self.op.weights(*self.input_shapes))

    @property
    def shape(self) -> Shape:
        """Shape of the result for one image."""
        return self.output.shape

    @property
    def input_shapes(self) -> tuple[Shape, ...]:
        """Shapes of the operands for one image."""
        return tuple([value.shape for value in self.inputs])

    @property
    def stage(self) -> str:
        """The part of the network it belongs to: `stem`, `stages.0`, ..., `head`."""
        return stage_and_block(self.path)[0]

    @property
    def block(self) -> str:
        """The block it belongs to (`stages.0.2`), or what stands behind the blocks; outside stages, as `stage`."""
        return stage_and_block(self.path)[1]

    def called(self, name: str, inputs: tuple[Value, ...], output: Value) -> Node:
        """The same under other names; as shapes stay, so does what was worked out from them."""
        same = object.__new__(Node)
        same.__dict__.update(self.__dict__, name=name, inputs=inputs, output=output)
        return same

    def weight_name(self, role: str) -> str:
        """Full name of the weight of this role, as a state dict has it."""
        return f"{self.name}.{role}"


@dataclass(frozen=True)
class Graph:
    """A network: one input, nodes in execution order, outputs."""

    name: str
    """The network's name."""
    input: Value
    """The image."""
    nodes: tuple[Node, ...]
    """The operations, in execution order."""
    outputs: tuple[Value, ...]
    """What the network outputs: `logits`, `stage1`, ..."""
    registered: tuple[str, ...] = field(default=(), compare=False, repr=False)
    """Names of weights in the order of the library's state dict, where that is known."""

    def state(self) -> dict[str, Tensor]:
        """Every weight by its full name: names, shapes and order are the state dict's, as the library has it.

        Weights that no naming scheme knows stand behind the others, as they are used.
        """
        used = self.used()
        return {name: used[name] for name in (*(n for n in self.registered if n in used), *used)}

    def used(self) -> dict[str, Tensor]:
        """The same in the order in which they are used."""
        return {n.weight_name(t.role): t for n in self.nodes for t in n.tensors}

    def consumers(self) -> dict[str, list[Node]]:
        """The nodes that read each value, by the value's name."""
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for value in node.inputs:
                found.setdefault(value.name, []).append(node)
        return found


@dataclass
class _Shared:
    nodes: list[Node] = field(default_factory=list)
    params: int = 0


class Net:
    """Builds a graph node by node; scopes name the places and remember the YAML."""

    def __init__(self, input: Value, locate: Callable[[Loc], Span | None] | None = None) -> None:
        self.input = input
        self._locate = locate
        self._shared = _Shared()
        self._prefix = ""
        self._loc: Loc = ("input",)
        self._role: Role = "main"
        self._check_size(input.shape)

    @property
    def nodes(self) -> Sequence[Node]:
        """The operations so far."""
        return self._shared.nodes

    def scope(self, name: str = "", at: Loc | None = None, role: Role | None = None) -> Net:
        """The same net, seen from inside `name`; faults point at `at`."""
        inner = object.__new__(type(self))
        inner.__dict__.update(self.__dict__)
        inner._prefix = f"{self._prefix}{name}." if name else self._prefix
        inner._loc = self._loc if at is None else at
        inner._role = role or self._role
        return inner

    def within(self, *steps: str) -> Net:
        """The same net; faults point at what stands at `steps` below what they point at now."""
        return self.scope(at=(*self._loc, *steps))

    def add(self, name: str, op: Op, *inputs: Value) -> Value:
        """Append one operation; raises `Refused` where the shapes do not allow it."""
        shapes = tuple([v.shape for v in inputs])
        try:
            shape = op.shape(*shapes)
        except ShapeError as error:
            raise self.scope(name).refusal(str(error)) from None
        self._check_size(shape)
        dtype = op.to if isinstance(op, TypeChange) else inputs[0].dtype
        path = self._prefix + name
        node = Node(path, path, op, inputs, Value(path, shape, dtype), self._role)
        for tensor in node.tensors:
            self._shared.params += math.prod(tensor.shape)
        self._shared.nodes.append(node)
        self._check_totals()
        return node.output

    def refusal(self, message: str, hint: str | None = None) -> Exception:
        """A refusal that points at the line of the specification being built."""
        place = f"{self._prefix[:-1]}: " if self._prefix else ""
        where = self._locate(self._loc) if self._locate else None
        return refuse(f"{place}{message}", where, hint)

    def _check_size(self, shape: Shape) -> None:
        if math.prod(shape) > MAX_ELEMENTS:
            raise self.refusal(f"an activation of {format_shape(shape)} is beyond any machine")

    def _check_totals(self) -> None:
        if self._shared.params > MAX_PARAMS:
            raise self.refusal(f"more than {MAX_PARAMS:,} parameters")
        if len(self._shared.nodes) > MAX_NODES:
            raise self.refusal(f"more than {MAX_NODES:,} operations")

    def graph(self, name: str, outputs: Iterable[Value]) -> Graph:
        """The finished graph; names are still the paths."""
        return Graph(name, self.input, tuple(self._shared.nodes), tuple(outputs))


def rename_nodes(graph: Graph, names: Sequence[str], outputs: Sequence[str]) -> Graph:
    """The graph with its nodes called `names`, in order; values follow their nodes.

    The values that the graph outputs are called `outputs`. Raises `ValueError` if two would have one name.
    """
    if len({*names, graph.input.name, *outputs}) != len(graph.nodes) + 1 + len(graph.outputs):
        every = [*names, graph.input.name, *outputs]
        twice = next((name for name in every if every.count(name) > 1), None)
        raise ValueError(f"two layers would both be called '{twice}'")
    made = (n.output for n in graph.nodes)
    new = {old.name: Value(name, old.shape, old.dtype) for old, name in zip(made, names, strict=True)}
    new.update((old.name, old._replace(name=name)) for old, name in zip(graph.outputs, outputs, strict=True))
    new.setdefault(graph.input.name, graph.input)
    nodes = tuple(
        n.called(name, tuple([new[value.name] for value in n.inputs]), new[n.output.name])
        for n, name in zip(graph.nodes, names, strict=True)
    )
    return replace(graph, nodes=nodes, outputs=tuple(new[value.name] for value in graph.outputs))


def live(graph: Graph) -> Graph:
    """The graph without nodes that no output depends on."""
    wanted = {value.name for value in graph.outputs}
    kept: list[Node] = []
    for node in reversed(graph.nodes):
        if node.output.name in wanted:
            kept.append(node)
            wanted.update(value.name for value in node.inputs)
    return replace(graph, nodes=tuple(reversed(kept)))


def longest_path(graph: Graph, weight: Callable[[Node], int]) -> int:
    """The greatest sum of `weight` over the nodes of any path from input to output."""
    depth = {graph.input.name: 0}
    for node in graph.nodes:
        depth[node.output.name] = weight(node) + max(depth[v.name] for v in node.inputs)
    return max((depth[v.name] for v in graph.outputs), default=0)


def stage_and_block(path: str) -> tuple[str, str]:
    """The stage and the block that a path stands in; `stages.0.pool` stands behind the blocks, for itself."""
    steps = path.split(".")
    if steps[0] != "stages":
        return steps[0], steps[0]
    return ".".join(steps[:2]), ".".join(steps[:3])


def is_block(path: str) -> bool:
    """Whether a path is that of a block: `stages.0.2`."""
    steps = path.split(".")
    return steps[0] == "stages" and len(steps) == 3 and steps[2].isdecimal()


def stages_of(nodes: Iterable[Node]) -> dict[str, list[Node]]:
    """Nodes by their stage, in order of first appearance."""
    found: dict[str, list[Node]] = {}
    for node in nodes:
        found.setdefault(node.stage, []).append(node)
    return found
