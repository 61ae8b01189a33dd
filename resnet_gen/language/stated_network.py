"""What a spec says of what is put around its network, and that network as a file of it shows it."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from resnet_gen.graph import Graph
from resnet_gen.graph.serving import find_inside, put_around
from resnet_gen.graph.surrounding_terms import simplify_surroundings
from resnet_gen.graph.surroundings import NOTHING_AROUND, Surroundings
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower
from resnet_gen.language.served_outputs import find_surroundings, with_served_maps


class StatedNetwork(NamedTuple):
    """What a spec says of what is put around its network, and the network as a file of it shows that."""

    surroundings: Surroundings
    graph: Graph


def read_stated_network(loaded: Loaded) -> StatedNetwork | None:
    """What a spec says of what is put around its network; None where it says nothing."""
    if loaded.spec.serve is None:
        return None
    wider = with_served_maps(loaded)
    graph = lower(wider)
    around = find_surroundings(wider, graph)
    return StatedNetwork(around, _find_inside(graph, around)) if around else None


def _find_inside(graph: Graph, around: Surroundings) -> Graph:
    """What a file's reader takes for the network; all of it where nothing tells that from what is around."""
    bare = simplify_surroundings(around) == NOTHING_AROUND
    return put_around(graph, replace(around, input=None)) if bare else find_inside(graph, around)
