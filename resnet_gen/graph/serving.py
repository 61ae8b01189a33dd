"""A graph with what a file puts around it: pixels become what the network takes, its outputs what is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from resnet_gen.graph import Graph, Node, Value, live
from resnet_gen.graph.rewiring import rewire_graph
from resnet_gen.graph.surroundings import PixelInput, ServedKind, ServedOutput, Surroundings
from resnet_gen.ops import Cast, DType, Flatten, GlobalAvgPool, Op, Quantize, Shape, Softmax, serving
from resnet_gen.problems import refuse

_PREFIX = "serve."
"""What the names of nodes that are put around a network begin with."""


def put_around(graph: Graph, around: Surroundings) -> Graph:
    """The graph with what `around` says before its input and behind its outputs.

    A network in eight bits whose first layer is quantized as the pixels are (`pixel_step`) reads them as they come.
    What no output needs is left out. Raises `Refused` where two values would have one name.
    """
    builder = _Builder(graph)
    if around.input:
        builder.add_input(around.input)
    outputs = [value for served in around.outputs for value in builder.add_output(served)]
    return _check_names(live(builder.finish(outputs or graph.outputs)))


def find_inside(graph: Graph, around: Surroundings) -> Graph:
    """A graph that ends where what is put around it begins, as whoever reads the file sees it.

    It outputs all that is made into something else, once, and vectors where embeddings are; a softmax is none of it.
    """
    makers = {node.output.name: node for node in graph.nodes}
    inner: dict[tuple[str, bool], ServedOutput] = {}
    for served in around.outputs:
        source, maker = served.source, makers.get(served.source)
        if served.kind in ("probabilities", "top_k") and maker and isinstance(maker.op, Softmax):
            source = maker.inputs[0].name
        pooled = served.kind == "embedding" and source in makers and len(makers[source].shape) == _MAP
        kind: ServedKind = "embedding" if pooled else "map"
        inner.setdefault((source, pooled), ServedOutput(kind, source, (f"{source}.pooled" if pooled else source,)))
    return put_around(graph, Surroundings(None, tuple(inner.values())))


_MAP = 3
"""Sides of a map."""


def pixel_shape(taken: PixelInput, shape: Shape) -> Shape:
    """The shape of a picture as a file takes it, whose network takes (C, H, W)."""
    return serving.picture_shape(shape, taken.layout, open_sides=taken.crop is not None)


def pixel_step(taken: PixelInput | None) -> tuple[float, int] | None:
    """Scale and zero point with which a network's input, in eight bits, is the pixels themselves; None where no such.

    (p / scale - mean) / std is (p - zero) * step where scale * mean is one whole number for all channels, and std one.
    """
    if taken is None or taken.dtype != "uint8" or len({*taken.mean}) != 1 or len({*taken.std}) != 1:
        return None
    zero = taken.scale * taken.mean[0]
    whole = round(zero)
    if abs(zero - whole) > _WHOLE or not 0 <= whole <= _LAST:
        return None
    return 1 / (taken.scale * taken.std[0]), whole


_LAST = 255
_WHOLE = 1e-4
"""How far a number may be from a whole one: rounding to steps of 1 brings every pixel back, also where float32 is
coarse."""


def reads_pixels(graph: Graph, taken: PixelInput | None) -> bool:
    """Whether the first layer of a graph is quantized just as pixels are, and may read them without a way by floats."""
    step = pixel_step(taken)
    first = _find_first_pair(graph)
    return step is not None and first is not None and _is_step(first.op, step)


def _is_step(op: Op, step: tuple[float, int]) -> bool:
    scale, zero = step
    same = isinstance(op, Quantize) and op.to == "uint8" and op.zero_point == zero
    return same and abs(getattr(op, "scale", 0.0) / scale - 1) < _SAME_SCALE


_SAME_SCALE = 2.0**-20
"""Scales are rounded to float32."""


def _find_first_pair(graph: Graph) -> Node | None:
    """What quantizes the input of a graph."""
    name = graph.input.name
    return next((n for n in graph.nodes if isinstance(n.op, Quantize) and n.inputs[0].name == name), None)


class _Builder:
    """Nodes before and behind those of a graph."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._input = graph.input
        self._before: list[Node] = []
        self._behind: list[Node] = []
        self._values = {value.name: value for value in (graph.input, *(node.output for node in graph.nodes))}
        self._same: dict[str, Value] = {}
        self._dropped: Node | None = None
        self._probabilities: dict[str, Value] = {}
        self._vectors: dict[str, Value] = {}

    def _add(self, nodes: list[Node], name: str, op: Op, *inputs: Value, dtype: DType, output: str = "") -> Value:
        shape = op.shape(*(value.shape for value in inputs))
        value = Value(output or f"{_PREFIX}{name}", shape, dtype)
        nodes.append(Node(f"{_PREFIX}{name}", f"{_PREFIX}{name}", op, inputs, value, "serving"))
        return value

    def add_input(self, taken: PixelInput) -> None:
        """Everything before the network.

        Bytes are cast first of all, since TensorRT does nothing else with them.
        """
        wanted, before = self._graph.input, self._before
        self._input = x = Value(wanted.name, pixel_shape(taken, wanted.shape), taken.dtype)
        if reads_pixels(self._graph, taken):
            self._dropped = _find_first_pair(self._graph)
            assert self._dropped
            self._same[self._dropped.output.name] = self._arrange(x, taken, "_of_bytes")
        x = self._arrange(self._widen(before, x, "cast"), taken)
        if taken.mean or taken.scale != 1:
            count = wanted.shape[0]
            op = serving.NormalizePixels(taken.scale, taken.mean or (0.0,) * count, taken.std or (1.0,) * count)
            x = self._add(before, "normalize", op, x, dtype="float32")
        if wanted.dtype != "float32":
            x = self._add(before, "network_type", Cast(wanted.dtype), x, dtype=wanted.dtype)
        self._same[wanted.name] = x

    def _arrange(self, x: Value, taken: PixelInput, more: str = "") -> Value:
        """Pixels of any type with their channels first, in the network's order, and as many as it takes."""
        if taken.layout == "NHWC":
            x = self._add(self._before, f"channels_first{more}", serving.ChannelsFirst(), x, dtype=x.dtype)
        if taken.order == "BGR":
            x = self._add(self._before, f"reverse_channels{more}", serving.ReverseChannels(), x, dtype=x.dtype)
        if taken.crop is not None:
            _, h, w = self._graph.input.shape
            op = serving.ResizeAndCrop((h, w), taken.crop, whole=taken.dtype == "uint8")
            x = self._add(self._before, f"resize{more}", op, x, dtype=x.dtype)
        return x

    def add_output(self, served: ServedOutput) -> Iterator[Value]:
        """The values of an output, with the nodes that make them."""
        source = self._values[served.source]
        if served.kind == "top_k":
            assert served.k
            values, indices = served.names
            best = serving.BestClasses("int64", served.k)
            classes = self._add(self._behind, indices, best, source, dtype="int64", output=indices)
            scores = self._find_probabilities(served.source)
            chosen = serving.ScoresOfClasses()
            yield self._add(self._behind, values, chosen, scores, classes, dtype="float32", output=values)
            yield classes
            return
        (name,) = served.names
        if served.kind == "probabilities" and served.source != name:
            yield self._name_value(self._find_probabilities(served.source), name)
        elif served.kind == "embedding":
            yield self._add_embedding(source, name, normalized=served.normalized)
        else:
            yield self._name_value(self._widen(self._behind, source, f"{name}_cast"), name)

    def _find_probabilities(self, source: str) -> Value:
        """The probabilities of scores, which are made once; those that the network outputs itself."""
        if source == "probabilities":
            return self._values[source]
        if source not in self._probabilities:
            value = self._values[source]
            self._probabilities[source] = self._add(self._behind, "softmax", Softmax(), value, dtype="float32")
        return self._same.get(self._probabilities[source].name, self._probabilities[source])

    def _add_embedding(self, x: Value, name: str, *, normalized: bool) -> Value:
        if len(x.shape) == _MAP:
            x = self._find_vector(x, name)
        x = self._widen(self._behind, self._same.get(x.name, x), f"{name}_cast")
        if normalized:
            return self._add(self._behind, name, serving.UnitLength(), x, dtype="float32", output=name)
        return self._name_value(x, name)

    def _find_vector(self, x: Value, name: str) -> Value:
        """A map averaged, which is made once."""
        if x.name not in self._vectors:
            y = x
            if x.shape[1:] != (1, 1):
                y = self._add(self._behind, f"{name}_pool", GlobalAvgPool(), x, dtype=x.dtype)
            self._vectors[x.name] = self._add(self._behind, f"{name}_flatten", Flatten(), y, dtype=x.dtype)
        return self._vectors[x.name]

    def _widen(self, nodes: list[Node], x: Value, name: str) -> Value:
        """A value in float32."""
        return x if x.dtype == "float32" else self._add(nodes, name, Cast("float32"), x, dtype="float32")

    def _name_value(self, x: Value, name: str) -> Value:
        """A value under the name of an output, for all who read it."""
        if x.name == name:
            return x
        self._same[x.name] = x._replace(name=name)
        return self._same[x.name]

    def finish(self, outputs: list[Value] | tuple[Value, ...]) -> Graph:
        """The graph with all of them."""
        body = [node for node in self._graph.nodes if node is not self._dropped]
        # The first nodes read the file's input, which has the name of the network's.
        inside = rewire_graph(replace(self._graph, nodes=(*body, *self._behind)), [*body, *self._behind], self._same)
        nodes = [n.called(n.name, n.inputs, self._same.get(n.output.name, n.output)) for n in inside.nodes]
        return replace(inside, input=self._input, nodes=(*self._before, *nodes), outputs=tuple(outputs))


def _check_names(graph: Graph) -> Graph:
    names = [graph.input.name, *(node.output.name for node in graph.nodes)]
    if twice := next((name for name in names if names.count(name) > 1), None) if len({*names}) < len(names) else None:
        raise refuse(f"serve: two values would both be called '{twice}'", hint="serve another output")
    return graph


def list_put_around(graph: Graph) -> list[str]:
    """What was put around a network, in order, in ONNX's words for whoever looks at a file."""
    return [node.name for node in graph.nodes if node.role == "serving"]


def explain_detour(graph: Graph, taken: PixelInput | None) -> str | None:
    """Why the first layer of a graph in eight bits reads pixels by way of floats; None where it does not."""
    first = _find_first_pair(graph)
    if taken is None or first is None:
        return "the first layer is not in eight bits"
    if taken.dtype != "uint8":
        return "pixels come as floats"
    if reads_pixels(graph, taken):
        return None
    if isinstance(first.op, Quantize) and first.op.to != "uint8":
        return "the first layer reads signed numbers"
    if pixel_step(taken) is None:
        return "255 * mean is no whole number, or mean or std differ between channels"
    return "scales are not of float32"
