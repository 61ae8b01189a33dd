"""What a spec's `serve` comes to for its network: each output, and the value that it is made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from resnet_gen.graph import Graph, Value
from resnet_gen.graph.surroundings import SCORES, PixelInput, ServedKind, ServedOutput, Surroundings
from resnet_gen.language.load import Loaded
from resnet_gen.language.serve import BEST
from resnet_gen.ops import GlobalAvgPool, Linear, Softmax
from resnet_gen.ops.limits import LEAST_CROP
from resnet_gen.ops.serving import round_part
from resnet_gen.ops.serving_words import EMBEDDINGS, SERVED_WORDS
from resnet_gen.problems import Loc, Refused, refuse, several, suggest


def with_served_maps(loaded: Loaded) -> Loaded:
    """The same network, which outputs the stages' maps too that are served."""
    spec = loaded.spec
    wanted = [name for name in (spec.serve.outputs if spec.serve else ()) if name.startswith("stage")]
    more = tuple(name for name in wanted if name not in spec.outputs)
    return replace(loaded, spec=spec.model_copy(update={"outputs": (*spec.outputs, *more)})) if more else loaded


def find_surroundings(loaded: Loaded, graph: Graph) -> Surroundings | None:
    """What the file of a network has around it, None where it takes what the network takes.

    `graph` is that of the spec, with or without the served maps. Raises `Refused` at the line of what it cannot have.
    """
    spec = loaded.spec
    if spec.serve is None:
        return None
    reader = _ServeReader(loaded, graph)
    reader.check_order()
    reader.check_scale()
    reader.check_labels()
    reader.check_crop()
    mean, std = spec.input.normalization
    pixels = PixelInput(
        spec.serve.type,
        spec.serve.layout,
        spec.serve.order,
        float(spec.serve.greatest),
        mean,
        std,
        round_part(spec.input.crop) if spec.serve.size == "any" else None,
    )
    return Surroundings(pixels, reader.list_outputs())


def summarize_surroundings(around: Surroundings) -> str:
    """What a file takes and outputs, in one line."""
    names = ", ".join(name for output in around.outputs for name in output.names)
    taken = around.input
    if taken is None:
        return f"served: {names}"
    size = " of any size" if taken.crop is not None else ""
    return f"served: pixels of {taken.dtype}, {taken.layout}, {taken.order}, up to {taken.scale:g}{size}, to {names}"


def find_scores(graph: Graph) -> Value | None:
    """The output that holds a score for each class; None where there is none."""
    outputs = {value.name: value for value in graph.outputs if len(value.shape) == 1}
    return next((outputs[name] for name in SCORES if name in outputs), None)


class _ServeReader:
    """The outputs of a graph, and the places in the spec that ask for others."""

    def __init__(self, loaded: Loaded, graph: Graph) -> None:
        assert loaded.spec.serve
        self._loaded, self._graph, self._serve = loaded, graph, loaded.spec.serve
        self._makers = {node.output.name: node for node in graph.nodes}
        self._outputs = {value.name: value for value in graph.outputs}
        self._scores = find_scores(graph)

    def _refuse(self, key: str, message: str, hint: str, *more: int) -> Refused:
        loc: Loc = ("serve", key, *more)
        return refuse(f"serve.{key}: {message}", self._loaded.source.span(loc), hint)

    def check_order(self) -> None:
        channels = self._loaded.spec.input.channels
        if self._serve.order != "RGB" and channels != 3:
            raise self._refuse("order", f"an image of {several(channels, 'channel')} has no order", "leave it out")

    def check_scale(self) -> None:
        if self._serve.type == "uint8" and self._serve.scale == 1:
            hint = "leave it out: input's mean and std are of values from 0 to 1, whatever pixels come in"
            raise self._refuse("scale", "bytes go to 255", hint)

    def check_crop(self) -> None:
        crop = self._loaded.spec.input.crop
        if self._serve.size == "any" and crop < LEAST_CROP:
            message = f"with a crop of {crop:g} nearly all of a picture would be resized for nothing"
            raise self._refuse("size", message, f"a crop of at least {LEAST_CROP}, or a fixed size")

    def check_labels(self) -> None:
        labels, scores = self._serve.labels, self._scores
        if labels is None:
            return
        if scores is None:
            raise self._refuse("labels", "the network outputs no scores of classes", "leave them out")
        if len(labels) != scores.shape[0]:
            message = f"{several(len(labels), 'label')} for {scores.shape[0]:,} classes"
            raise self._refuse("labels", message, "one label a class, in the classes' order")

    def list_outputs(self) -> tuple[ServedOutput, ...]:
        """Every output, in order."""
        if not self._serve.outputs:
            own = self._loaded.spec.outputs
            return tuple(self._make_own(name) for name in self._outputs if not name.startswith("stage") or name in own)
        return tuple(self._make_output(name, index) for index, name in enumerate(self._serve.outputs))

    def _make_own(self, name: str) -> ServedOutput:
        kind: ServedKind = next((kind for kind in SCORES if kind == name), "map")
        return ServedOutput(kind, name, (name,))

    def _make_output(self, name: str, index: int) -> ServedOutput:
        self._check_last_map(name, index)
        if name in self._outputs:
            return self._make_own(name)
        if best := BEST.match(name):
            return self._make_best(name, int(best[1]), index)
        if name in EMBEDDINGS:
            source = self._find_embedding(index)
            return ServedOutput("embedding", source, (name,), normalized=name == "normalized_embedding")
        if name == "probabilities" and "logits" in self._outputs:
            return ServedOutput("probabilities", "logits", (name,))
        softmax = self._makers.get("probabilities") if name == "logits" else None
        if softmax and isinstance(softmax.op, Softmax):
            return ServedOutput("logits", softmax.inputs[0].name, (name,))
        if name in self._list_stages():
            return ServedOutput("map", name, (name,))
        words = SERVED_WORDS if self._scores else EMBEDDINGS
        known = dict.fromkeys((*self._outputs, *words, *self._list_stages()))
        raise self._refuse("outputs", f"the network has no '{name}'", suggest(name, known), index)

    def _check_last_map(self, name: str, index: int) -> None:
        """A headless network with maps of stages has no other name for the last of them."""
        if name != "features" or self._loaded.spec.head.kind != "none":
            return
        stages = self._list_stages()
        if any(one in stages for one in self._serve.outputs):
            message = f"'features' beside the map of a stage, where the last map is called '{stages[-1]}'"
            raise self._refuse("outputs", message, "name it by its stage", index)

    def _make_best(self, name: str, k: int, index: int) -> ServedOutput:
        scores = self._scores
        if scores is None:
            raise self._refuse("outputs", f"'{name}' of a network that outputs no scores", "leave it out", index)
        if k > scores.shape[0]:
            raise self._refuse("outputs", f"'{name}' of {scores.shape[0]:,} classes", "at most that many", index)
        return ServedOutput("top_k", scores.name, (f"{name}_values", f"{name}_indices"), k)

    def _find_embedding(self, index: int) -> str:
        """What the last linear layer before the scores reads; without scores, the last map, which is to be pooled."""
        node = self._makers.get(self._scores.name) if self._scores else None
        while node and not isinstance(node.op, Linear | GlobalAvgPool):
            if node.op.is_layer and node.shape[1:] != (1, 1):
                break
            last, node = node, self._makers.get(node.inputs[0].name)
            if last.op.is_layer:
                return last.inputs[0].name
        if node and isinstance(node.op, Linear):
            return node.inputs[0].name
        last_map = ("", *self._list_stages())[-1] if self._loaded.spec.head.kind == "none" else ""
        if named := next((one for one in ("features", last_map) if one in self._outputs), None):
            return named
        raise self._refuse("outputs", "the network has no embedding", "its head pools nothing", index)

    def _list_stages(self) -> Sequence[str]:
        stages = dict.fromkeys(n.path.split(".")[1] for n in self._graph.nodes if n.path.startswith("stages."))
        return [f"stage{int(number) + 1}" for number in stages]
