"""The network that a checkpoint is nearest to where its names and shapes are none's: by the share that fits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower
from resnet_gen.ops import Shape
from resnet_gen.ops.base import format_shape
from resnet_gen.problems import Problem, Refused, several, shorten
from resnet_gen.weights.prefixes import MOST, without_prefix
from resnet_gen.weights.references import list_references


class NearestNetwork(NamedTuple):
    """A network, its names and shapes, and how many of a file's are among them without `prefix` before them."""

    name: str
    state: Mapping[str, Shape]
    prefix: str
    shared: int


def state_of(loaded: Loaded) -> dict[str, Shape]:
    """Names and shapes; none where the network cannot be built."""
    try:
        return {name: tensor.shape for name, tensor in lower(loaded).state().items()}
    except Refused:
        return {}


def order_networks(networks: Mapping[str, Loaded]) -> list[str]:
    """The names in the order in which they are told: what a library publishes, then residual networks, then others.

    A plain network has the names and shapes of the residual one that it is the control of; what a library calls its
    legacy comes behind what has the same.
    """
    return sorted(networks, key=lambda name: _rank(name, networks[name]))


def _rank(name: str, loaded: Loaded) -> tuple[bool, bool, bool]:
    return not loaded.spec.reference, not loaded.spec.stages.block.has_shortcut, name.startswith("legacy_")


def find_nearest(whole: Mapping[str, Shape], shipped: Mapping[str, Loaded]) -> NearestNetwork | None:
    """The network that has most of these names and shapes and fewest others, the first of several; None where none."""
    files = [(prefix, without_prefix(prefix, whole)) for prefix in _find_outer_prefixes(whole)]
    best, most = None, 0.0
    for name, state in _list_networks(shipped):
        for prefix, shapes in files:
            shared = sum(shapes.get(n) == shape for n, shape in state.items())
            part = shared / (len(whole) + len(state) - shared)
            if part > most:
                best, most = NearestNetwork(name, state, prefix, shared), part
    return best


def _list_networks(shipped: Mapping[str, Loaded]) -> Iterator[tuple[str, Mapping[str, Shape]]]:
    """Every published network, then every shipped one that is none of those."""
    yield from ((reference.name, reference.state) for reference in list_references())
    for name in order_networks(shipped):
        if not shipped[name].spec.reference:
            yield name, state_of(shipped[name])


def _find_outer_prefixes(names: Mapping[str, Shape]) -> list[str]:
    """Nothing, then what most names begin with up to each of their first dots, whether or not all of them do."""
    found, rest = [""], list(names)
    for _ in range(MOST):
        start = len(found[-1])
        heads = Counter(name[: name.index(".", start) + 1] for name in rest if "." in name[start:])
        if not heads:
            break
        found.append(min(heads, key=lambda head: (-heads[head], head)))
        rest = [name for name in rest if name.startswith(found[-1])]
    return found


def first_missing_tensor(near: NearestNetwork | None, whole: Mapping[str, Shape], where: str) -> Problem:
    """The first tensor that the nearest network has not."""
    if near is None:
        return Problem("none of its names and shapes are those of a known network", where)
    taken_off = f", without '{shorten(near.prefix)}' before names" * bool(near.prefix)
    helps = f"{near.shared:,} of {several(len(whole), 'tensor')} fit it{taken_off}"
    if _is_whole(near, whole):
        helps += "; what is of no layer, `weights convert --rename PATTERN=` leaves out"
    return Problem(_describe_misfit(near, whole), where, helps)


def _is_whole(near: NearestNetwork, whole: Mapping[str, Shape]) -> bool:
    """Whether the network is all there, and something beside it."""
    return len(near.state) < len(whole) and all(
        (shape := whole.get(near.prefix + name)) is not None and _is_alike(near.prefix + name, shape, near)
        for name in near.state
    )


def _describe_misfit(near: NearestNetwork, whole: Mapping[str, Shape]) -> str:
    """The first tensor that is in the way: another number of classes is not."""
    named = {name: near.state.get(name.removeprefix(near.prefix)) for name in whole}
    closest = f"'{near.name}', the closest network"
    first = next((name for name, shape in whole.items() if not _is_alike(name, shape, near)), None)
    if first is None:
        return _describe_missing(near, whole, closest)
    if theirs := named[first]:
        return f"'{shorten(first)}' is {format_shape(whole[first])}, and {format_shape(theirs)} in {closest}"
    return f"'{shorten(first)}' ({format_shape(whole[first])}) is not in {closest}"


def _is_alike(name: str, shape: Shape, near: NearestNetwork) -> bool:
    """Whether a tensor is the network's; the last layer's may be for any number of classes."""
    inner = name.removeprefix(near.prefix)
    theirs = near.state.get(inner)
    if theirs is None or shape == theirs:
        return shape == theirs
    last = list(near.state)[-1].rpartition(".")[0]
    return inner.rpartition(".")[0] == last and len(shape) == len(theirs) and shape[1:] == theirs[1:]


def _describe_missing(near: NearestNetwork, whole: Mapping[str, Shape], closest: str) -> str:
    """Where each tensor fits: the first that is missing, or that has not the others' prefix."""
    found = {name.removeprefix(near.prefix) for name in whole}
    lost = next((name for name in near.state if name not in found), None)
    if lost is not None:
        return f"'{lost}' is missing: {format_shape(near.state[lost])} in {closest}"
    odd = next((name for name in whole if not name.startswith(near.prefix)), "")
    return f"'{shorten(odd)}' has no '{shorten(near.prefix)}' before it, as others have that fit {closest}"
