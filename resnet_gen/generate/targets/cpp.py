"""A C++17 program that runs a TensorRT engine and classifies pictures."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple

from resnet_gen.build.passes import serve_graph
from resnet_gen.generate.base import CodeSubject
from resnet_gen.graph import Graph, Value
from resnet_gen.language.served_outputs import find_scores
from resnet_gen.ops.serving import BestClasses
from resnet_gen.problems import refuse
from resnet_gen.system.templates import render_tree


def files(subject: CodeSubject) -> dict[str, str]:
    """A folder `NAME/`: `network.hpp` and README.md are this network's, the rest depends on what is served alone.

    Raises `Refused` for a network that outputs no scores of classes, and for channels that no picture has.
    """
    taken, serve = subject.loaded.spec.input, subject.loaded.spec.serve
    graph = serve_graph(subject.loaded, subject.graph)
    scores = _find_scores(subject, graph)
    if taken.mode is None:
        message = f"{subject.name}: a picture cannot become {taken.channels} channels"
        raise refuse(message, hint="1, 3 and 4 channels can be read")
    mean, std = taken.normalization
    texts = render_tree(
        "cpp",
        name=subject.name,
        title=subject.title,
        input=graph.input,
        scores=scores.values,
        indices=scores.indices,
        classes=scores.classes,
        labels=subject.loaded.spec.labels,
        serve=serve,
        any_size=bool(serve and serve.size == "any"),
        mean=_format_floats("mean", mean),
        std=_format_floats("std", std),
        taken=taken,
        graphs=bool(subject.loaded.spec.engine and subject.loaded.spec.engine.cuda_graphs),
    )
    return {f"{subject.name}/{name}": text for name, text in texts.items()}


class _Scores(NamedTuple):
    """The output that holds a score for each class, or those that hold the best classes and their scores."""

    values: Value
    classes: int
    indices: Value | None = None


def _find_scores(subject: CodeSubject, graph: Graph) -> _Scores:
    if scores := find_scores(graph):
        return _Scores(scores, scores.shape[0])
    outputs = {value.name: value for value in graph.outputs}
    for node in graph.nodes:
        if isinstance(node.op, BestClasses):
            values = outputs[node.output.name.replace("_indices", "_values")]
            return _Scores(values, node.inputs[0].shape[0], node.output)
    found = ", ".join(f"'{value.name}'" for value in graph.outputs)
    message = f"{subject.name} classifies nothing: it outputs {found}"
    raise refuse(message, hint="a head with classes outputs 'logits' or 'probabilities'")


def _format_floats(what: str, values: Sequence[float]) -> list[str]:
    """Numbers as float32 literals of C++, which the compiler need not round again."""
    try:
        exact = [struct.unpack("<f", struct.pack("<f", value))[0] for value in values]
    except OverflowError:
        raise refuse(f"input.{what}: beyond what float32 holds") from None
    if any(found == 0 != value for found, value in zip(exact, values, strict=True)):
        raise refuse(f"input.{what}: too near 0 for float32")
    return [f"{value!r}F" for value in exact]
