"""What our nodes are called: after a file's weights, its scopes, or its nodes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from onnx import NodeProto

_SCOPES = "pkg.torch.onnx.name_scopes"
_LONGEST = 200


class NodeNames:
    """Gives each node a name of its own."""

    def __init__(self, nodes: Sequence[NodeProto], taken: Iterable[str]) -> None:
        self._nodes = nodes
        self._taken = set(taken)
        self._scopes = [scope_of(node) for node in nodes]
        self._containers = {
            scope[: match.start()] for scope in set(self._scopes) for match in re.finditer(r"\.", scope)
        }
        self._used: Counter[str] = Counter()
        self.origins: Counter[str] = Counter()

    def name(self, index: int, weights: Iterable[str] = ()) -> str:
        """The name of what node `index` makes; `weights` are names of its weight, best first."""
        for weight in weights:
            if weight.endswith(".weight") and len(weight) > len(".weight") and not weight.startswith("onnx::"):
                self.origins["weights"] += 1
                return self._make_unique(weight.removesuffix(".weight"))
        return self._make_unique(self._after_node(index, weighted=bool(weights)))

    def _after_node(self, index: int, *, weighted: bool) -> str:
        node, scope = self._nodes[index], self._scopes[index]
        if not scope:
            self.origins["nodes"] += 1
            top = node.name.startswith("/") or not node.name
            return node.op_type.lower() if top else node.name
        self.origins["scopes"] += 1
        return scope if weighted or scope not in self._containers else f"{scope}.{node.op_type.lower()}"

    def _make_unique(self, wanted: str) -> str:
        wanted = wanted[:_LONGEST] or "node"
        name = wanted
        while name in self._taken:
            self._used[wanted] += 1
            name = f"{wanted}_{self._used[wanted]}"
        self._taken.add(name)
        return name


def scope_of(node: NodeProto) -> str:
    """The module that a node was exported from, as PyTorch's exporters write it; empty where none is stated."""
    for entry in node.metadata_props:
        if entry.key == _SCOPES:
            steps = re.findall(r"'([^']*)'", entry.value[: 1 << 14])
            return steps[-2] if len(steps) > 1 else ""
    if not node.name.startswith("/"):
        return ""
    steps = []
    for step in node.name[1:].split("/")[:-1]:
        if steps and step.startswith(f"{steps[-1]}."):
            steps[-1] = step
        else:
            steps.append(step)
    return ".".join(steps)
