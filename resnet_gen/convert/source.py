"""Which scheme a file's names are of, and what is said where they are of none."""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import NamedTuple

from resnet_gen.convert.schemes import Network, Scheme, wanted
from resnet_gen.infer.checkpoint import shipped_with
from resnet_gen.load import Loaded
from resnet_gen.ops import Shape
from resnet_gen.problems import Refused, refuse
from resnet_gen.weights.prefix import prefixes
from resnet_gen.weights.stored import differences, listed


class Source(NamedTuple):
    """The scheme of a file's names, and what stands before each of them."""

    scheme: Scheme
    prefix: str


def find(network: Network, shapes: Mapping[str, Shape], called: str | None, where: str) -> Source:
    """The one scheme whose names a file has; `called` says which it must be.

    Raises `Refused` with what differs from the nearest where there is none, and where the names are of two that mean
    different layers by them.
    """
    schemes = network.schemes if called is None else [wanted(called, network, "--from")]
    found = _fitting(network, schemes, shapes.keys())
    if not found:
        nearest = max(schemes, key=lambda scheme: len(shapes.keys() & set(scheme.names.values())))
        unlike = differences(network.shapes(nearest), shapes, network.graph.name)
        raise Refused(listed(unlike, where, hint(network.graph.name, shapes)))
    other = next((source for source in found if source.scheme.names != found[0].scheme.names), None)
    if other:
        kinds = f"'{found[0].scheme.kind}' and of '{other.scheme.kind}'"
        raise refuse(f"its names are of {kinds}, which mean different layers", where, "--from says which")
    return found[0]


def _fitting(network: Network, schemes: list[Scheme], names: Set[str]) -> list[Source]:
    """The schemes whose names these are, no more and, but for the head's, no fewer."""
    return [
        Source(scheme, prefix)
        for prefix in prefixes(sorted(names))
        for scheme in schemes
        if _is_of(scheme, {name.removeprefix(prefix) for name in names}, network)
    ]


def _is_of(scheme: Scheme, names: Set[str], network: Network) -> bool:
    whole = set(scheme.names.values())
    return names <= whole and whole - names <= {scheme.names[slot.key] for slot in network.head}


def hint(network: str, shapes: Mapping[str, Shape]) -> str | None:
    """The shipped networks that a file which is not of this one is of, if there are any."""
    found = shipped_with(shapes)
    return f"its names and shapes are those of {_each(found)}" if found and network not in found else None


def _each(names: list[str]) -> str:
    first, *more = (f"'{name}'" for name in names)
    return f"{first}, and of {', '.join(more)}" if more else first


def hint_for(loaded: Loaded, shapes: Mapping[str, Shape]) -> str | None:
    """What would make a file's tensors those of a network that takes its names as they are, if anything would."""
    from resnet_gen.convert.schemes import network as network_of

    network = network_of(loaded)
    own = network.schemes[0]
    found = _fitting(network, network.schemes, shapes.keys())
    if not found:
        return hint(network.graph.name, shapes)
    if found[0].scheme.names == own.names:
        return "weights convert changes the number of classes and of input channels"
    return f"its names are those of '{found[0].scheme.kind}': weights convert --to {own.kind} changes them"
