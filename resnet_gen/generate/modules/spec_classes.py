"""A specification as classes: what is a number of the network's, and what an argument of its constructor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from resnet_gen.generate.modules.classes import ModuleClasses
from resnet_gen.generate.modules.naming import name_classes
from resnet_gen.generate.modules.numbered_layers import group_layers
from resnet_gen.generate.modules.training import with_training
from resnet_gen.generate.modules.tree import ModuleUnit, build_tree
from resnet_gen.graph import Graph
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower, with_classes_and_channels
from resnet_gen.problems import Refused

_NUMBERS = {"in_channels", "classes"}
"""What the constructor of a network can be given."""

_MORE = 7919
"""Added to the number of classes and of channels; a prime, so that no other number becomes a multiple of it.

Where that is refused, the channels are multiplied by it.
"""


def classes_of_spec(loaded: Loaded, *, spreads: bool = False) -> ModuleClasses:
    """The classes of a network, which take the number of classes and of input channels if its spec has them.

    With `spreads`, layers that are numbered through all stages come in groups.

    The network is compared with itself for other numbers of both: what follows them comes from them. Where something
    follows one of them by no rule that is known here, that number is none of the constructor's. Raises `Refused`
    where the spec does.
    """
    trees = [build_tree(graph) for graph in (with_training(loaded, lower(loaded)), *_lower_others(loaded))]
    classes = _make_classes(trees, spreads)
    while not {parameter.name for parameter in classes.network.parameters} <= _NUMBERS:
        classes = _make_classes(trees := trees[:-1], spreads)
    name_classes(classes.all, loaded)
    return classes


def _make_classes(trees: Sequence[ModuleUnit], spreads: bool) -> ModuleClasses:
    return ModuleClasses([group_layers(root) for root in trees] if spreads else trees)


def _lower_others(loaded: Loaded) -> Iterator[Graph]:
    classes, channels = getattr(loaded.spec.head, "classes", None), loaded.spec.input.channels
    if classes is not None:
        yield from _lower_first(with_classes_and_channels(loaded, classes=classes + _MORE))
    yield from _lower_first(
        *(with_classes_and_channels(loaded, channels=other) for other in (channels + _MORE, channels * _MORE))
    )


def _lower_first(*networks: Loaded) -> list[Graph]:
    """The graph of the first of some networks that is possible: their parts may allow only a multiple, or no other."""
    for network in networks:
        try:
            return [with_training(network, lower(network))]
        except Refused:
            continue
    return []
