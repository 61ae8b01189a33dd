"""Spec to Graph: the only place that knows "stem, stages, head"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from resnet_gen.graph import Graph, Net, Value, renamed
from resnet_gen.load import Loaded
from resnet_gen.ops import Softmax
from resnet_gen.parts.base import Place, Using
from resnet_gen.problems import refuse, several
from resnet_gen.source import Loc
from resnet_gen.spec import Spec

INPUT = "input"
MAX_BLOCKS = 8_192


class StagePlan(NamedTuple):
    """One stage: how many blocks, their filters, and by how much the map shrinks."""

    depth: int
    width: int
    stride: int


def lower(loaded: Loaded) -> Graph:
    """The graph of a specification; raises `Refused` at the line that makes it impossible."""
    spec = loaded.spec
    block = spec.stages.block
    net = Net(Value(INPUT, spec.input.shape), loaded.source.span)
    using = Using(spec.norm, spec.activation, spec.stages.shortcut, bare_shortcut=block.preactivated)
    x = spec.stem.build(net.scope("stem", at=("stem",)), net.input, using, bare=block.preactivated)
    for index, stage in enumerate(plan(loaded)):
        x = _stage(net, x, index, stage, spec, using)
    if block.preactivated:
        x = using.norm_act(net.scope("head", at=("stages", "block")), "", x)
    x = spec.head.build(net.scope("head", at=("head",)), x, using)
    return _published(net.graph(spec.name, x), spec)


def _stage(net: Net, x: Value, index: int, stage: StagePlan, spec: Spec, using: Using) -> Value:
    stages = spec.stages
    here = net.scope(f"stages.{index}", at=("stages", "depths", index))
    first = stages.downsample.block_stride(stage.stride)
    for number in range(stage.depth):
        place = Place(stage.width, 1 if number else first, number)
        shaped = not number and "shortcut" in stages.model_fields_set
        at: Loc = ("stages", "shortcut" if shaped else "block")
        x = stages.block.build(here.scope(str(number), at=at), x, place, using)
    return stages.downsample.after(here, x, stage.stride)


def plan(loaded: Loaded) -> list[StagePlan]:
    """The stages with their defaults filled in; raises `Refused` if lists differ in length."""
    stages = loaded.spec.stages
    n = len(stages.depths)
    strides = stages.strides or stages.downsample.default_strides(n)
    _same_length(loaded, strides, ("stages", "strides"))
    widths = stages.widths.widths(stages.downsample.entering(strides))
    _same_length(loaded, widths, ("stages", "widths"))
    if sum(stages.depths) > MAX_BLOCKS:
        where = loaded.source.span(("stages", "depths"))
        raise refuse(f"stages.depths: more than {MAX_BLOCKS:,} blocks", where)
    return [StagePlan(*stage) for stage in zip(stages.depths, widths, strides, strict=True)]


def _same_length(loaded: Loaded, values: Sequence[int], loc: Loc) -> None:
    n = len(loaded.spec.stages.depths)
    if len(values) != n:
        name = ".".join(map(str, loc))
        message = f"{name}: {several(len(values), 'value')} for {several(n, 'stage')}"
        here, depths = loaded.source.span(loc), loaded.source.span(("stages", "depths"))
        inherited = here and depths and here.document != depths.document
        hint = f"write one for each stage; 'depths' is at {depths}" if inherited else "write one for each stage"
        raise refuse(message, here, hint)


def _published(graph: Graph, spec: Spec) -> Graph:
    """The graph under the names that the naming scheme publishes; its output says what it holds."""
    output = "probabilities" if isinstance(graph.nodes[-1].op, Softmax) else "logits"
    return renamed(graph, spec.naming.names([node.path for node in graph.nodes]), output)
