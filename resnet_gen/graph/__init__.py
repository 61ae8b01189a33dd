"""A network as a graph of operations: built node by node, compared, counted, distinguished by its hash.

Operations and names come in; graphs whose shapes are right go out, with exact counts, fingerprints and tables.

Nothing here knows of YAML, of ResNets or of a file format. Parts are built with `Net` and `Value` (docs/parts.md).
"""

from resnet_gen.graph.net import (
    MAX_ELEMENTS,
    Graph,
    Net,
    Node,
    Role,
    Value,
    is_block,
    live,
    longest_path,
    rename_nodes,
    stage_and_block,
    stages_of,
)
from resnet_gen.problems import Loc

__all__ = [
    "MAX_ELEMENTS",
    "Graph",
    "Loc",
    "Net",
    "Node",
    "Role",
    "Value",
    "is_block",
    "live",
    "longest_path",
    "rename_nodes",
    "stage_and_block",
    "stages_of",
]
