"""Which nodes a specification keeps in float: its exceptions from INT8 and FP8."""

from __future__ import annotations

from fnmatch import fnmatchcase

from resnet_gen.graph import Graph, Node
from resnet_gen.load import Loaded
from resnet_gen.plan import fits
from resnet_gen.problems import refuse, suggest


def kept(graph: Graph, loaded: Loaded) -> frozenset[str]:
    """The names of the nodes that stay in float; raises `Refused` for an exception that means none."""
    exceptions = loaded.spec.quantization
    found: set[str] = set()
    for index, key in enumerate(exceptions.keep if exceptions else ()):
        names = {node.name for node in graph.nodes if _means(key, node)}
        if not names:
            where = loaded.source.span(("quantization", "keep", index))
            raise refuse(f"quantization.keep: nothing here is called '{key}'", where, suggest(key, _known(graph)))
        found |= names
    return frozenset(found)


def _means(key: str, node: Node) -> bool:
    steps = node.path.split(".")
    if steps[0] == "stages" and steps[2].isdecimal() and fits(key, int(steps[1]) + 1, int(steps[2]) + 1):
        return True
    return key == steps[0] or fnmatchcase(node.name, key)


def _known(graph: Graph) -> list[str]:
    return ["stem", "head", *(node.name for node in graph.nodes if node.op.is_layer)]
