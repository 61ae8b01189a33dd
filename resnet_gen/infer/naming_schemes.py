"""The naming scheme whose names a graph's layers have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from resnet_gen.graph import Graph, Node
from resnet_gen.parts import base
from resnet_gen.parts.registry import default_part, members


class SchemeMatch(NamedTuple):
    """A naming scheme, and the layers whose names it changes: as they are, and as they become."""

    kind: str
    renamed: dict[str, str]
    unknown: int
    """Layers with weights that the scheme has no word of its own for."""


_FIRST = ("paths", "torchvision", "timm_resnet")
"""The schemes to prefer where several give equally many names."""


def find_best_naming(graph: Graph, pairs: Sequence[tuple[Node, Node]]) -> SchemeMatch:
    """The scheme that gives most layers with weights their names; our own if none gives half of them.

    `pairs` are nodes of the graph, as it is called by paths, with those whose names are wanted.
    """
    wanted = {ours.path: theirs.name for ours, theirs in pairs if theirs.tensors}
    kinds = [member.kind_name() for member in members(base.Naming)]
    tried = [_try_scheme(kind, graph, wanted) for kind in sorted(kinds, key=_rank)]
    best = min((naming for naming in tried if naming), key=lambda naming: (len(naming.renamed), naming.unknown))
    return best if 2 * len(best.renamed) <= len(wanted) else _try_scheme("paths", graph, wanted) or best


def _rank(kind: str) -> tuple[int, str]:
    return (_FIRST.index(kind) if kind in _FIRST else len(_FIRST), kind)


def _try_scheme(kind: str, graph: Graph, wanted: dict[str, str]) -> SchemeMatch | None:
    """What the scheme changes; None if two layers would have one name."""
    paths = [node.path for node in graph.nodes]
    names = default_part(base.Naming, kind).names(paths)
    if len(set(names)) < len(names):
        return None
    renamed = {wanted[p]: n for p, n in zip(paths, names, strict=True) if p in wanted and n != wanted[p]}
    layers = [(node, n) for node, n in zip(graph.nodes, names, strict=True) if node.tensors]
    return SchemeMatch(kind, renamed, sum(name.endswith(f".{_path_in_block(node)}") for node, name in layers))


def _path_in_block(node: Node) -> str:
    """A node's path within its block."""
    return node.path.removeprefix(f"{node.block}.")
