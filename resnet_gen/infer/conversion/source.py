"""Which scheme a file's names are of, and what is said where they are of none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import NamedTuple

from resnet_gen.infer.checkpoints.recognition import find_shipped
from resnet_gen.infer.conversion.heads import HINT
from resnet_gen.infer.conversion.schemes import NamingScheme, SchemeNetwork, TensorKey, choose_schemes, strip_head
from resnet_gen.language.load import Loaded
from resnet_gen.ops import Shape
from resnet_gen.problems import Refused, refuse
from resnet_gen.weights.checkpoint import differences, find_left_out, list_faults
from resnet_gen.weights.prefixes import prefixes


class SchemeSource(NamedTuple):
    """The scheme of a file's names, what stands before each of them, and the tensors that are no layer's of ours.

    Those in `foreign`, without the prefix, are of another head, or of layers behind a backbone.
    """

    scheme: NamingScheme
    prefix: str
    foreign: frozenset[str] = frozenset()


def find_source(
    network: SchemeNetwork, shapes: Mapping[str, Shape], called: str | None, where: str, *, any_head: bool = False
) -> SchemeSource:
    """The one scheme whose names a file has; `called` says which it must be, `any_head` takes one with another head.

    Raises `Refused` with what differs from the nearest where there is none, and where the names are of two that mean
    different layers by them.
    """
    schemes = choose_schemes(called, network)
    found = _match_schemes(network, schemes, shapes.keys())
    others = [] if found else _match_with_another_head(network, schemes, shapes.keys())
    if any_head:
        found = found or others
    if not found:
        nearest = max(schemes, key=lambda scheme: len(shapes.keys() & set(scheme.names.values())))
        unlike = differences(network.shapes(nearest), shapes, network.graph.name)
        helps = _head_hint(network) if others else suggest_network(network.graph.name, shapes)
        raise Refused(list_faults(unlike, where, helps))
    meant = _map_names(found[0], shapes)
    other = next((source for source in found if _map_names(source, shapes) != meant), None)
    if other:
        kinds = f"'{found[0].scheme.kind}' and of '{other.scheme.kind}'"
        raise refuse(f"its names are of {kinds}, which mean different layers", where, "--from says which")
    return found[0]


def has_source(network: SchemeNetwork, names: Set[str], called: str | None, *, any_head: bool) -> bool:
    """Whether names are those of a scheme, as `find_source` finds it."""
    schemes = choose_schemes(called, network)
    found = _match_schemes(network, schemes, names)
    return bool(found or (any_head and _match_with_another_head(network, schemes, names)))


def _match_schemes(network: SchemeNetwork, schemes: list[NamingScheme], names: Set[str]) -> list[SchemeSource]:
    """The schemes whose names these are, no more and, but for the head's, no fewer."""
    return [
        SchemeSource(scheme, prefix)
        for prefix in prefixes(sorted(names))
        for scheme in schemes
        if _has_names_of(scheme, {name.removeprefix(prefix) for name in names}, network)
    ]


def _has_names_of(scheme: NamingScheme, names: Set[str], network: SchemeNetwork) -> bool:
    whole = set(scheme.names.values())
    return names <= whole and whole - names <= {scheme.names[slot.key] for slot in network.head}


def _match_with_another_head(
    network: SchemeNetwork, schemes: list[NamingScheme], names: Set[str]
) -> list[SchemeSource]:
    """The schemes whose names a file has up to the head, whatever it has there; those by which least is left over."""
    bodies = {scheme.kind: {n: path for (path, _), n in scheme.names.items()} for scheme in strip_head(network).schemes}
    found = [
        SchemeSource(scheme, prefix, left)
        for prefix in prefixes(sorted(names))
        for scheme in schemes
        if scheme.kind in bodies
        for left in _find_leftovers(scheme, {name.removeprefix(prefix) for name in names}, bodies[scheme.kind])
    ]
    least = min((len(source.foreign) for source in found), default=0)
    return [source for source in found if len(source.foreign) == least]


def _find_leftovers(scheme: NamingScheme, names: Set[str], body: Mapping[str, str]) -> Iterator[frozenset[str]]:
    """What a file has of another head, or behind a backbone, if its other names are all of the body and our head's."""
    own = set(scheme.names.values())
    more, head = names - own, own - body.keys()
    left = find_left_out(body, own, more)
    if head and head <= names:  # it is there: what is in no module of it is of no head
        left = {name for name in left if _outer_module(name) in set(map(_outer_module, head))}
    if own & body.keys() <= names and left == more:
        yield frozenset(left)


def _outer_module(name: str) -> str:
    return name.partition(".")[0]


def _map_names(source: SchemeSource, shapes: Mapping[str, Shape]) -> dict[TensorKey, str]:
    """The layer that each name of a file is for."""
    return {key: name for key, name in source.scheme.names.items() if source.prefix + name in shapes}


def _head_hint(network: SchemeNetwork) -> str:
    return HINT if network.head else "--head drop leaves out what is not of this network"


def suggest_network(network: str, shapes: Mapping[str, Shape]) -> str | None:
    """The shipped networks that a file which is not of this one is of, if there are any."""
    found = find_shipped(shapes)
    return f"its names and shapes are those of {_list_names(found)}" if found and network not in found else None


def _list_names(names: list[str]) -> str:
    first, *more = (f"'{name}'" for name in names)
    return f"{first}, and of {', '.join(more)}" if more else first


def suggest_conversion(loaded: Loaded, shapes: Mapping[str, Shape]) -> str | None:
    """What would make a file's tensors those of a network that takes its names as they are, if anything would."""
    from resnet_gen.infer.conversion.schemes import build_network

    network = build_network(loaded)
    own = network.schemes[0]
    found = _match_schemes(network, network.schemes, shapes.keys())
    if not found:
        return suggest_network(network.graph.name, shapes)
    if found[0].scheme.names == own.names:
        return "weights convert changes the number of classes and of input channels"
    return f"its names are those of '{found[0].scheme.kind}': weights convert --to {own.kind} changes them"
