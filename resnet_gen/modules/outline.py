"""A specification as classes: what is a number of the network's, and what an argument of its constructor."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from resnet_gen.graph import Graph
from resnet_gen.load import Loaded
from resnet_gen.lower import lower
from resnet_gen.modules.classes import Classes
from resnet_gen.modules.naming import name_classes
from resnet_gen.modules.spread import spread
from resnet_gen.modules.tree import tree
from resnet_gen.problems import Refused

_MORE = 7919
"""Added to the number of classes and of channels; a prime, so that no other number becomes a multiple of it."""


def outline(loaded: Loaded, *, spreads: bool = False) -> Classes:
    """The classes of a network, which take the number of classes and of input channels if its spec has them.

    With `spreads`, layers that are numbered through all stages come in groups.

    The network is compared with itself for other numbers of both: what follows them is told by them. Raises
    `Refused` where the spec does.
    """
    trees = [tree(graph) for graph in (lower(loaded), *_others(loaded))]
    classes = Classes([spread(root) for root in trees] if spreads else trees)
    name_classes(classes.all, loaded)
    return classes


def _others(loaded: Loaded) -> Iterator[Graph]:
    spec = loaded.spec
    wanted: list[dict[str, object]] = []
    if (number := getattr(spec.head, "classes", None)) is not None:
        wanted.append({"head": spec.head.model_copy(update={"classes": number + _MORE})})
    wanted.append({"input": spec.input.model_copy(update={"channels": spec.input.channels + _MORE})})
    for changes in wanted:
        other = replace(loaded, spec=spec.model_copy(update=changes))
        try:
            yield lower(other)
        except Refused:  # a network whose parts allow no other number
            continue
