"""A specification as classes: what is a number of the network's, and what an argument of its constructor."""

from __future__ import annotations

from collections.abc import Iterator

from resnet_gen.graph import Graph
from resnet_gen.load import Loaded
from resnet_gen.lower import at_numbers, lower
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
    classes = getattr(spec.head, "classes", None)
    others = [at_numbers(loaded, classes=classes + _MORE)] if classes is not None else []
    for other in (*others, at_numbers(loaded, channels=spec.input.channels + _MORE)):
        try:
            yield lower(other)
        except Refused:  # a network whose parts allow no other number
            continue
