"""Where a network's training settings apply: its residual sums, the last norm of each branch, and its last layer."""

from __future__ import annotations

from functools import cached_property

from resnet_gen.graph import Graph, Node, Value, is_block
from resnet_gen.language.load import Loaded
from resnet_gen.ops import Activation, Add, BatchNorm, GroupNorm, Mul
from resnet_gen.problems import Problem, Refused


class TrainingPlaces:
    """The places of one graph that settings of training mean."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._makers = {node.output.name: node for node in graph.nodes}

    @cached_property
    def residual_sums(self) -> tuple[Node, ...]:
        """The sums of a block's branch, which is their first operand, and its shortcut.

        Blocks without a shortcut, or with gates for branch and shortcut, have none.
        """
        return tuple(node for node in self._graph.nodes if _is_join(node) and not self._is_gated(node))

    @cached_property
    def last_norms(self) -> tuple[Node, ...]:
        """The norms that end branches, seen through activations and what weighs the branch."""
        found = (self._find_last_norm(self._makers.get(node.inputs[0].name)) for node in self.residual_sums)
        return tuple(norm for norm in found if norm)

    @cached_property
    def last_layer(self) -> Node | None:
        """The layer of the head that makes the one output; None where there are several heads, or none."""
        ends = [node for node in self._graph.nodes if node.stage == "head" and node.output in self._graph.outputs]
        node = ends[0] if len(ends) == 1 else None
        while node and not node.op.is_layer:
            node = self._makers.get(node.inputs[0].name) if len(node.inputs) == 1 and not node.tensors else None
        return node if node and node.stage == "head" else None

    def _find_last_norm(self, node: Node | None) -> Node | None:
        while node and not isinstance(node.op, (BatchNorm, GroupNorm)):
            node = self._makers.get(before.name) if (before := self._find_branch(node)) else None
        return node if node and any(tensor.role == "weight" for tensor in node.tensors) else None

    def _find_branch(self, node: Node) -> Value | None:
        """What an operation behind a branch's last norm takes of it; None where that is a layer, or not one value."""
        if isinstance(node.op, Activation):
            return node.inputs[0]
        if not isinstance(node.op, Mul):
            return None
        wide = [value for value in node.inputs if value.shape == node.shape and value.name in self._makers]
        main = [value for value in wide if len(wide) == 1 or self._makers[value.name].role == "main"]
        return main[0] if len(main) == 1 else None

    def _is_gated(self, node: Node) -> bool:
        """Whether a branch is weighed by a gate before it is added."""
        maker = self._makers.get(node.inputs[0].name)
        read = maker.inputs if maker and isinstance(maker.op, Mul) else ()
        return any(value.name in self._makers and self._makers[value.name].role == "gate" for value in read)


def _is_join(node: Node) -> bool:
    """Whether it is the sum that a block's shortcut ends in."""
    plain = isinstance(node.op, Add) and node.role == "main" and node.path.rpartition(".")[2] == "add"
    return plain and node.path.startswith("stages.") and is_block(node.block)


_FIRST_ALONE = "the one branch there is comes first, and 'decay: linear' never leaves that out; 'uniform' does"


def check_training(loaded: Loaded, graph: Graph) -> None:
    """Refuse settings of training that nothing in this network heeds, each at its key."""
    settings = loaded.spec.training
    if settings is None:
        return
    places = TrainingPlaces(graph)
    without = None if places.residual_sums else "no block adds a branch to a shortcut"
    unheeded: dict[str, str | None] = {}
    if settings.dropout and not places.last_layer:
        unheeded["dropout"] = "there is no one last layer, before which it would stand"
    if drops := settings.branch_drops:
        alone = len(places.residual_sums) == 1 and drops.decay == "linear"
        unheeded["stochastic_depth"] = without or (_FIRST_ALONE if alone else None)
    if settings.zero_init_last_norm and not places.last_norms:
        unheeded["zero_init_last_norm"] = without or "no branch ends in a norm: a layer stands behind the last one"
    problems = [
        Problem(
            f"training.{key}: changes nothing: {why}",
            loaded.source.span(("training", key), key=True),
            "leave this key away",
        )
        for key, why in unheeded.items()
        if why
    ]
    if problems:
        raise Refused(problems)
