"""What a network's tensors are called under each naming scheme, and which scheme a library has for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import NamedTuple

from resnet_gen.graph import Graph
from resnet_gen.infer.conversion.slots import TensorSlot, flax_leaf, flax_shape, list_slots
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower
from resnet_gen.ops import Shape
from resnet_gen.parts.base import Naming
from resnet_gen.parts.heads.none import NoHead
from resnet_gen.parts.registry import load_parts, members
from resnet_gen.problems import refuse, suggest
from resnet_gen.weights import references

FLAX = "flax"
LIBRARIES = ("timm", "torchvision")
TensorKey = tuple[str, str]


@dataclass(frozen=True)
class NamingScheme:
    """What each tensor of a network is called, by the layer's path and the tensor's role; where `flax`, Flax's way."""

    kind: str
    naming: Naming
    names: Mapping[TensorKey, str]

    @property
    def flax(self) -> bool:
        """Whether names of leaves and layouts of arrays are Flax's."""
        return self.kind == FLAX

    def shape(self, slot: TensorSlot) -> Shape:
        """The shape that a tensor has where no library is known to write its layer otherwise."""
        return flax_shape(slot) if self.flax else slot.shape


class SchemeNetwork(NamedTuple):
    """A network, its tensors in order, and every scheme that gives each of them a name of its own.

    The spec's own scheme comes first, Flax's last.
    """

    loaded: Loaded
    graph: Graph
    slots: list[TensorSlot]
    schemes: list[NamingScheme]

    @property
    def head(self) -> list[TensorSlot]:
        """The tensors that make the scores of classes: the last layer's, where the spec says how many classes."""
        if not hasattr(self.loaded.spec.head, "classes"):
            return []
        return [slot for slot in self.slots if slot.node is self.slots[-1].node]

    def shapes(self, scheme: NamingScheme) -> dict[str, Shape]:
        """Names and shapes under a scheme."""
        return {scheme.names[slot.key]: scheme.shape(slot) for slot in self.slots}


def build_network(loaded: Loaded) -> SchemeNetwork:
    """The network of a specification; raises `Refused` as `lower` does."""
    graph = lower(loaded)
    tensors = list_slots(graph)
    own = loaded.spec.naming
    kinds = loaded.spec.stages.block_kinds
    others = [naming for naming in list_namings() if naming.kind != own.kind]
    others.sort(key=lambda naming: not kinds <= naming.blocks)  # of two with the same names, the network's own
    every = [_make_scheme(naming, naming.kind, graph, tensors) for naming in (own, *others)]
    every.append(_make_scheme(own, FLAX, graph, tensors))
    return SchemeNetwork(loaded, graph, tensors, [scheme for scheme in every if scheme])


def strip_head(whole: SchemeNetwork) -> SchemeNetwork:
    """The network up to its head, whichever maps it outputs."""
    spec = whole.loaded.spec.model_copy(update={"head": NoHead(), "outputs": ()})
    return build_network(replace(whole.loaded, spec=spec))


def list_namings() -> list[Naming]:
    """Every scheme that needs no settings, by kind."""
    load_parts()
    found = [part for part in members(Naming) if not any(f.is_required() for f in part.model_fields.values())]
    return [part.model_validate({"kind": part.kind_name()}) for part in found]  # type: ignore[misc]


def _make_scheme(naming: Naming, kind: str, graph: Graph, slots: list[TensorSlot]) -> NamingScheme | None:
    layers = dict(zip((n.path for n in graph.nodes), naming.names([n.path for n in graph.nodes]), strict=True))
    leaf = flax_leaf if kind == FLAX else (lambda slot: slot.role)
    names = {slot.key: f"{layers[slot.node.path]}.{leaf(slot)}" for slot in slots}
    return NamingScheme(kind, naming, names) if len(set(names.values())) == len(names) else None


def find_scheme(called: str, network: SchemeNetwork, option: str) -> NamingScheme:
    """The scheme of that kind, or the one that a library of that name has for this network; raises `Refused`."""
    by_kind = {scheme.kind: scheme for scheme in network.schemes}
    if called in LIBRARIES:
        return _find_library_scheme(called, network, option)
    if called in by_kind:
        return by_kind[called]
    known = {scheme.kind for scheme in list_namings()} | {FLAX, *LIBRARIES}
    if called in known:
        message = f"{option}: '{called}' gives two tensors of '{network.graph.name}' one name"
        raise refuse(message, hint="the scheme is for other networks")
    raise refuse(f"{option}: there is no naming scheme '{called}'", hint=suggest(called, known))


def choose_schemes(called: str | None, network: SchemeNetwork) -> list[NamingScheme]:
    """The schemes that a file's names may be of: all, or the one that somebody says; raises `Refused` for another."""
    return network.schemes if called is None else [find_scheme(called, network, "--from")]


def _find_library_scheme(library: str, network: SchemeNetwork, option: str) -> NamingScheme:
    own = network.schemes[0]
    if own.naming.library == library:
        return own
    stages = network.loaded.spec.stages
    blocks = stages.block_kinds
    fitting = [s for s in network.schemes if s.naming.library == library and blocks <= s.naming.blocks]
    if not fitting:
        kinds = " and ".join(f"'{kind}'" for kind in sorted(blocks))
        raise refuse(f"{option}: {library} has no network of {kinds} blocks", hint=_BY_KIND)
    strange = _find_strange_tensor(fitting[0])
    if strange:
        raise refuse(f"{option}: {library} has no tensor like '{strange}'", hint=_BY_KIND)
    return fitting[0]


_BY_KIND = "a naming scheme by its own name is taken for any network: see docs/weights.md"


def _find_strange_tensor(scheme: NamingScheme) -> str | None:
    """The first tensor that no network of the library has one like, whatever the numbers in its name."""
    known = {name for _, ranks in _list_published(scheme.naming.library) for name in ranks}
    return next((name for name in scheme.names.values() if number_pattern(name) not in known), None)


def scheme_shape(scheme: NamingScheme, slot: TensorSlot, kin: Mapping[str, set[int]]) -> Shape:
    """The shape that the scheme's library gives a tensor, `kin` being how many sides its like have there.

    Raises `Refused` where no writing of the layer has as many.
    """
    sides = kin.get(number_pattern(scheme.names[slot.key])) if not scheme.flax else None
    if not sides or len(slot.shape) in sides:
        return scheme.shape(slot)
    fitting = [shape for shape in slot.shapes if len(shape) in sides]
    if not fitting:
        raise refuse(
            f"'{scheme.names[slot.key]}' has {min(sides)} sides in {scheme.naming.library}, here {len(slot.shape)}"
        )
    return fitting[0]


def library_tensor_ranks(scheme: NamingScheme) -> dict[str, set[int]]:
    """How many sides tensors have in the library's networks most like this one, by the pattern of their names."""
    own = set(map(number_pattern, scheme.names.values()))
    published = _list_published(scheme.naming.library) if not scheme.flax else []
    most = max((len(own & ranks.keys()) for _, ranks in published), default=0)
    found: dict[str, set[int]] = {}
    for _, ranks in published:
        if most and len(own & ranks.keys()) == most:
            for name, sides in ranks.items():
                found.setdefault(name, set()).update(sides)
    return found


@cache
def _list_published(library: str) -> list[tuple[str, dict[str, set[int]]]]:
    """Each network that a library publishes, and how many sides its tensors have, by the pattern of their names."""
    networks = []
    for network in references.references_of(library) if library else ():
        ranks: dict[str, set[int]] = {}
        for name, shape in network.state.items():
            ranks.setdefault(number_pattern(name), set()).add(len(shape))
        networks.append((network.name, ranks))
    return networks


_COUNTED = re.compile(r"(?<![^.])(|layer|block|s|b|block\d+-)\d+(?![^.])")


@lru_cache(maxsize=65_536)
def number_pattern(name: str) -> str:
    """A tensor's name with the numbers of stages, blocks and layers in a list left open: `layer#.#.conv2.weight`."""
    return _COUNTED.sub(lambda found: re.sub(r"\d+", "#", found[0]), name)
