"""What a file puts around a network, as a module of PyTorch or Flax around the generated one."""

from __future__ import annotations

from dataclasses import dataclass

from resnet_gen.generate.base import CodeSubject
from resnet_gen.graph import Graph, Node
from resnet_gen.graph.surroundings import ServedKind, Surroundings
from resnet_gen.language.served_outputs import find_surroundings, with_served_maps
from resnet_gen.ops import Flatten
from resnet_gen.ops.serving import list_least_sides, list_ratios
from resnet_gen.problems import refuse
from resnet_gen.system.templates import render


@dataclass(frozen=True)
class _Tap:
    """A value inside the network: what a module takes, or what it makes."""

    value: str
    module: str
    entering: bool


def widen_subject(subject: CodeSubject) -> CodeSubject:
    """The same network, which outputs the stages' maps too that are served."""
    loaded = with_served_maps(subject.loaded)
    return subject if loaded is subject.loaded else CodeSubject(loaded, subject.build)


def write_served(subject: CodeSubject, name: str, framework: str) -> str:
    """The class `ServedNAME` around the network `name`, of `pytorch` or `flax`; nothing where the spec serves nothing.

    The subject outputs all maps that are served. Raises `Refused` for what no module of the network takes or makes.
    """
    graph = subject.graph
    around = find_surroundings(subject.loaded, graph)
    if around is None:
        return ""
    names = [value.name for value in graph.outputs]
    inner = dict.fromkeys(output.source for output in around.outputs if output.source not in names)
    size = graph.input.shape[1:]
    crop = around.input.crop if around.input else None
    return render(
        f"{framework}/served.py.jinja",
        name=name,
        pixels=around.input,
        size=size,
        ratios=list_ratios(size, crop) if crop else (),
        least=list_least_sides(size, crop) if crop else (),
        network_outputs=names,
        outputs=around.outputs,
        taps=[_find_tap(graph, value) for value in inner],
        flat=_list_maps(graph, around, "embedding"),
        maps=_list_maps(graph, around, "map"),
        scores=sorted({o.source for o in around.outputs if o.kind in ("probabilities", "top_k")}),
        results=[name for output in around.outputs for name in output.names],
    )


def _list_maps(graph: Graph, around: Surroundings, kind: ServedKind) -> set[str]:
    """The sources of such outputs that are maps: those of embeddings have to be averaged yet."""
    shapes = {node.output.name: node.shape for node in graph.nodes}
    return {o.source for o in around.outputs if o.kind == kind and len(shapes[o.source]) == 3}


def _find_tap(graph: Graph, value: str) -> _Tap:
    readers = (n for n in graph.nodes if n.op.is_layer and n.inputs[0].name == value)
    if reader := next(readers, None):
        return _Tap(value, reader.name, entering=True)
    makers = {node.output.name: node for node in graph.nodes}
    maker: Node | None = makers.get(value)
    while maker and isinstance(maker.op, Flatten):
        maker = makers.get(maker.inputs[0].name)
    if maker and maker.op.is_layer:
        return _Tap(value, maker.name, entering=False)
    raise refuse(f"no module of the network takes or makes '{value}', which is served", hint="serve another output")
