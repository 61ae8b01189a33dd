"""Which nodes a specification keeps in float: its exceptions from INT8 and FP8."""

from __future__ import annotations

import re
from fnmatch import translate

from resnet_gen.graph import Graph, Node
from resnet_gen.language.load import Loaded
from resnet_gen.language.plan import matches_block
from resnet_gen.ops import Add, Conv, Flatten, GlobalAvgPool, Linear
from resnet_gen.problems import refuse, suggest


def float_nodes(graph: Graph, loaded: Loaded) -> frozenset[str]:
    """The names of the nodes that stay in float; raises `Refused` for an exception that means none."""
    exceptions = loaded.spec.quantization
    if exceptions is None:
        return frozenset()
    found: set[str] = set()
    nodes = [node for node in graph.nodes if isinstance(node.op, _QUANTIZED)]
    if len(exceptions.keep) * len(nodes) > _MOST_MATCHED:
        message = f"quantization.keep: more exceptions than are looked for among {len(nodes):,} operations"
        raise refuse(message, loaded.source.span(("quantization", "keep"), key=True))
    for index, key in enumerate(exceptions.keep):
        pattern = re.compile(translate(key))  # once: what is remembered of them is forgotten among a thousand
        names = {node.name for node in nodes if _matches_node(key, node) or pattern.match(node.name)}
        if not names:
            where = loaded.source.span(("quantization", "keep", index))
            raise refuse(
                f"quantization.keep: nothing here is called '{key}'", where, suggest(key, _list_known_names(graph))
            )
        found |= names
    return frozenset(found)


def _matches_node(key: str, node: Node) -> bool:
    steps = node.path.split(".")
    if steps[0] == "stages" and steps[2].isdecimal() and matches_block(key, int(steps[1]) + 1, int(steps[2]) + 1):
        return True
    return key == steps[0]


_MOST_MATCHED = 1_000_000
"""Exceptions times operations, each of which may be the other's."""
_QUANTIZED = (Add, Conv, Flatten, GlobalAvgPool, Linear)
"""What reads an operand in eight bits."""


def _list_known_names(graph: Graph) -> list[str]:
    nodes = [node for node in graph.nodes if isinstance(node.op, _QUANTIZED)]
    stages = (f"stage{int(steps[1]) + 1}" for n in nodes if (steps := n.path.split("."))[0] == "stages")
    ends = (steps[0] for n in nodes if (steps := n.path.split("."))[0] != "stages")
    return list(dict.fromkeys((*ends, *stages, *(node.name for node in nodes))))
