"""Spec to Graph: the only place that knows "stem, stages, head"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from resnet_gen.graph import Graph, Net, Value, live, rename_nodes
from resnet_gen.language.custom_parts.files import blame_part, has_run
from resnet_gen.language.custom_parts.net_checks import NAME_HINT, CheckedNet, find_naming_fault
from resnet_gen.language.float_exceptions import float_nodes
from resnet_gen.language.inheritance import with_changes
from resnet_gen.language.load import Loaded
from resnet_gen.language.plan import BlockChoice, StagePlan, choose_for_all, plan
from resnet_gen.language.served_outputs import find_surroundings
from resnet_gen.language.spec import Spec
from resnet_gen.language.training_places import check_training
from resnet_gen.ops import Op
from resnet_gen.parts.base import Place, Using
from resnet_gen.problems import Refused, refuse, visible

INPUT = "input"


def lower(loaded: Loaded) -> Graph:
    """The graph of a specification; raises `Refused` at the line that makes it impossible."""
    try:
        return _lower_spec(loaded)
    except Refused as refused:
        raise Refused(with_changes(problem, loaded.source, loaded.own) for problem in refused.problems) from None
    except BaseException as error:
        raise blame_part(error) from None


def without_outputs(loaded: Loaded) -> Loaded:
    """The same network up to its head, whichever maps it outputs."""
    return replace(loaded, spec=loaded.spec.model_copy(update={"outputs": ()}))


def with_input_size(loaded: Loaded, size: tuple[int, ...]) -> Loaded:
    """The same network for images of another height and width."""
    taken = loaded.spec.input.model_copy(update={"size": size})
    return replace(loaded, spec=loaded.spec.model_copy(update={"input": taken}))


def with_classes_and_channels(loaded: Loaded, classes: int | None = None, channels: int | None = None) -> Loaded:
    """The same network for other numbers of classes and of input channels.

    Mean and standard deviation are those of the channels that there were, so other ones have none. Raises
    `Refused` for a number of classes where the head has none.
    """
    spec = loaded.spec
    changes: dict[str, object] = {}
    if classes is not None:
        if not hasattr(spec.head, "classes"):
            raise refuse(f"classes: a head of kind '{spec.head.kind}' has no number of classes")
        changes["head"] = spec.head.model_copy(update={"classes": classes})
    if channels not in (None, spec.input.channels):
        changes["input"] = spec.input.model_copy(update={"channels": channels, "mean": None, "std": None})
    if changes:
        changes["serve"] = None  # whose labels and pixels were the other network's
    return replace(loaded, spec=spec.model_copy(update=changes))


def _lower_spec(loaded: Loaded) -> Graph:
    spec = loaded.spec
    stages = plan(loaded)
    net = (CheckedNet if has_run() else Net)(Value(INPUT, spec.input.shape), loaded.source.span)
    outputs = _build_parts(net, spec, stages)
    ordered = {name: outputs[name] for name in (*spec.outputs, *outputs)}
    return _publish_names(live(net.graph(spec.name, ordered.values())), list(ordered), loaded)


def is_built_alike(loaded: Loaded, other: Spec) -> bool:
    """Whether another spec has the same operations; False where either cannot be built, or has code of its own."""
    if loaded.code:
        return False
    net = Net(Value(INPUT, loaded.spec.input.shape))
    try:
        outputs = _build_parts(net, loaded.spec, plan(loaded))
        others = _build_parts(_ComparingNet(net), other, plan(replace(loaded, spec=other)))
    except (_OperationDiffers, Refused):
        return False
    return outputs == others  # what is only in one of them leads to no output


class _OperationDiffers(Exception):
    """An operation is another, or stands elsewhere."""


class _ComparingNet(Net):
    """Builds what another net built; raises `_OperationDiffers` at the first operation that is another."""

    def __init__(self, wanted: Net) -> None:
        super().__init__(wanted.input)
        self._wanted = wanted.nodes

    def add(self, name: str, op: Op, *inputs: Value) -> Value:
        made = super().add(name, op, *inputs)
        nodes = self.nodes
        if len(nodes) > len(self._wanted) or nodes[-1] != self._wanted[len(nodes) - 1]:
            raise _OperationDiffers
        return made


def _build_parts(net: Net, spec: Spec, stages: Sequence[StagePlan]) -> dict[str, Value]:
    """Stem, stages and head; returns what the network outputs, by name."""
    bare = spec.stages.block.preactivated
    x = spec.stem.build(
        net.scope("stem", at=("stem",)), net.input, _gather_parts(spec, choose_for_all(spec.stages)), bare=bare
    )
    outputs: dict[str, Value] = {}
    for stage in stages:
        x, before_pooling = _build_stage(net, x, stage, spec)
        if f"stage{stage.number + 1}" in spec.outputs:
            outputs[f"stage{stage.number + 1}"] = before_pooling
    if not spec.outputs or spec.head.kind != "none":
        outputs.update(_build_head(net, x, spec))
    return outputs


def _gather_parts(spec: Spec, chosen: BlockChoice) -> Using:
    return Using(
        spec.norm,
        spec.activation,
        chosen.shortcut,
        chosen.attention,
        spec.antialias,
        bare_shortcut=chosen.block.preactivated,
        standardize=spec.weight_standardization,
        shortcut_at=chosen.shortcut_at,
        attention_at=chosen.attention_at,
    )


def _build_head(net: Net, x: Value, spec: Spec) -> dict[str, Value]:
    """What follows the last stage, and what it outputs."""
    using = _gather_parts(spec, choose_for_all(spec.stages))
    x = spec.stages.block.finish(net.scope("head", at=("stages", "block")), x, using)
    inside = net.scope("head", at=("head",))
    outputs = spec.head.build(inside, x, using)
    if spec.head.kind != "none" and not (outputs and all(map(str.isidentifier, outputs))):
        raise inside.refusal(f"a head outputs values by names, and these are {visible(str(list(outputs)))}")
    if len(set(outputs.values())) < len(outputs):
        raise inside.refusal("a head outputs each value under one name")
    return outputs


def _build_stage(net: Net, x: Value, stage: StagePlan, spec: Spec) -> tuple[Value, Value]:
    """A stage; returns what the next one gets, and what the last block output."""
    here = net.scope(f"stages.{stage.number}", at=("stages", "depths", stage.number))
    downsample = spec.stages.downsample
    first = downsample.block_stride(stage.stride)
    entering = stage.entering_dilation
    for index, (width, chosen) in enumerate(zip(stage.widths, stage.chosen, strict=True)):
        stride, number = 1 if index else first, stage.first + index
        place = Place(width, stride, index, number, stage.dilation, entering, stage.withheld)
        x = chosen.block.build(here.scope(str(index), at=chosen.block_at), x, place, _gather_parts(spec, chosen))
        entering = stage.dilation
    return downsample.after(here, x, stage.stride), x


def _publish_names(graph: Graph, outputs: list[str], loaded: Loaded) -> Graph:
    """The graph under the names that the naming scheme publishes."""
    names = loaded.spec.naming.names([node.path for node in graph.nodes])
    if fault := find_naming_fault(names):
        raise refuse(f"naming: {fault}", loaded.source.span(("naming",)), NAME_HINT)
    try:
        named = rename_nodes(graph, names, outputs)
    except ValueError as error:
        message = f"naming: {error}"
        raise refuse(message, loaded.source.span(("naming",)), "the scheme is for other networks") from None
    float_nodes(named, loaded)  # whose refusals belong to the spec, whatever it is built in
    check_training(loaded, named)  # as well, though no file shows it
    find_surroundings(loaded, named)
    return replace(named, registered=tuple(loaded.spec.naming.registered(list(named.used()))))
