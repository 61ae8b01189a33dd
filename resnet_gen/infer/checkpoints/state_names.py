"""Which of a file's names are which of a network's, where what wraps the network, or its head, has changed them.

Wrappers put modules around a network and around its parts (`backbone.layer1...` beside `head.fc...`), and whoever
trains for other classes puts the last layer into a `Sequential` (`fc.1.weight`). What a module of the network is called
stands in each name; what is before it is the wrappers'. Nothing is taken for a tensor that has not its shape: whoever
asks compares all of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from typing import NamedTuple, TypeVar

from resnet_gen.graph import Graph
from resnet_gen.ops import Linear, Shape
from resnet_gen.problems import Refused, several, shorten, visible

T = TypeVar("T")
_AVERAGE = "ema"
_MOST_SHOWN = 6


class StateNames(NamedTuple):
    """The names of a network's tensors with those that they have in a file, and the file's that are of none.

    `averages` are those among the latter that are a second set of the same, averaged while the network was trained.
    """

    names: Mapping[str, str]
    left: tuple[str, ...] = ()
    averages: tuple[str, ...] = ()

    def rename(self, tensors: Mapping[str, T]) -> dict[str, T]:
        """The tensors by the network's names."""
        return {name: tensors[old] for name, old in self.names.items()}

    def describe(self) -> list[str]:
        """What is said of it: which beginnings were taken off, which layers are called otherwise, what was left."""
        return [*self._describe_prefixes(), *self._describe_layers(), *self._describe_rest()]

    def _describe_prefixes(self) -> Iterator[str]:
        found = Counter(old.removesuffix(name) for name, old in self.names.items() if old.endswith(name))
        for prefix, count in found.items():
            if prefix:
                yield f"'{_show(prefix)}' is taken off {several(count, 'name')}"
        given = Counter(name.removesuffix(old) for name, old in self.names.items() if name.endswith(old))
        for prefix, count in given.items():
            if prefix:
                yield f"'{prefix}' is put before {several(count, 'name')}"

    def _describe_layers(self) -> Iterator[str]:
        other = {
            name.rpartition(".")[0]: old.rpartition(".")[0]
            for name, old in self.names.items()
            if not old.endswith(name) and not name.endswith(old)
        }
        for name, old in list(other.items())[:_MOST_SHOWN]:
            yield f"'{_show(old)}' is '{name}'"
        if len(other) > _MOST_SHOWN:
            yield f"and {len(other) - _MOST_SHOWN:,} more layers are called otherwise"

    def _describe_rest(self) -> Iterator[str]:
        for what, names in (
            ("an average of the weights, not read", self.averages),
            ("of no layer, left out", [name for name in self.left if name not in set(self.averages)]),
        ):
            if names:
                shown = ", ".join(f"'{_show(name)}'" for name in names[:_MOST_SHOWN])
                yield f"{several(len(names), 'tensor')} {what}: {shown}{', ...' * (len(names) > _MOST_SHOWN)}"


def _show(name: str) -> str:
    return shorten(visible(name))


class StateLayout(NamedTuple):
    """What is known of a network's names: the first words of them, and what its last layers are called, in order.

    `heads` are the layers that may be called otherwise, if a file has as many. `outer` is the one module that a library
    puts around the body, with its dot, where `body` is without it.
    """

    body: frozenset[str]
    heads: tuple[str, ...]
    outer: str = ""

    @property
    def anchors(self) -> Set[str]:
        """The first words of all names."""
        return self.body | {head.partition(".")[0] for head in self.heads}


def list_head_layers(graph: Graph) -> list[str]:
    """The names of the linear layers of a network's head, in order."""
    return [node.name for node in graph.nodes if node.path.startswith("head.") and isinstance(node.op, Linear)]


def find_layouts(names: Iterable[str], heads: Sequence[str]) -> list[StateLayout]:
    """The layout of a network with these names, and the one without the module around its body, if there is one."""
    body = [name for name in names if not any(name.startswith(f"{head}.") for head in heads)]
    first = Counter(name.partition(".")[0] for name in body)
    layouts = [StateLayout(frozenset(first), tuple(heads))]
    if len(first) == 1 and len(body) > 1:
        (outer,) = first
        inner = {name.removeprefix(f"{outer}.").partition(".")[0] for name in body}
        layouts.append(StateLayout(frozenset(inner), tuple(heads), f"{outer}."))
    return layouts


def derive_all(shapes: Mapping[str, Shape], layout: StateLayout) -> Iterator[StateNames]:
    """What `derive_names` finds in all tensors, then what it finds in those of one body, whose like is nowhere else.

    A decoder beside an encoder may have modules that are called as the network's are.
    """
    if whole := derive_names(shapes, layout):
        yield whole
    strays = _find_strays(shapes, layout)
    if not strays:
        return
    rest = derive_names({name: shape for name, shape in shapes.items() if name not in strays}, layout)
    if rest:
        yield rest._replace(left=(*rest.left, *strays))


def _find_strays(shapes: Mapping[str, Shape], layout: StateLayout) -> dict[str, None]:
    """The tensors that are called as the body's are, behind another wrapper than most; none where one of them is twice.

    The body behind no wrapper has none: whatever stands beside it may be a layer of its own.
    """
    split = {name: _split_name(name, layout.body) for name in shapes}
    inside = {name: parts for name, parts in split.items() if parts}
    counts = Counter(prefix for prefix, _ in inside.values())
    if len(counts) < 2:
        return {}
    main = min(counts, key=lambda prefix: (-counts[prefix], prefix))
    own = {rest for prefix, rest in inside.values() if prefix == main}
    others = {name: rest for name, (prefix, rest) in inside.items() if prefix != main}
    return {} if not main or own & set(others.values()) else dict.fromkeys(others)


def derive_names(shapes: Mapping[str, Shape], layout: StateLayout) -> StateNames | None:
    """The network's names of a file's tensors; None where two may be the same, or some are of nothing and not outside.

    What stands beside the body in the same wrapper may be a layer of its own, and is called so. The layers of the head
    may have any names, if they are as many as `layout` has, in the order of their numbers.
    """
    split = {name: _split_name(name, layout.anchors) for name in shapes}
    inside = {name: parts for name, parts in split.items() if parts is not None}
    averages = _find_averages(inside)
    inside = {name: parts for name, parts in inside.items() if name not in averages}
    names = {_restore_outer(rest, layout): name for name, (_, rest) in inside.items()}
    if not names or len(names) < len(inside):
        return None
    left = tuple(name for name in shapes if name not in inside)
    found = _map_head(StateNames(names, left, tuple(averages)), shapes, layout)
    around = {prefix for prefix, rest in inside.values() if rest.partition(".")[0] in layout.body}
    if "" in around:
        return None if set(found.left) - set(averages) else found
    beside = {name.removeprefix(p): name for p in around for name in found.left if name.startswith(p)}
    more = {name: old for name, old in beside.items() if old not in averages and name not in found.names}
    left = tuple(name for name in found.left if name not in more.values())
    return found._replace(names={**found.names, **more}, left=left)


def explain_rivals(shapes: Mapping[str, Shape], names: Iterable[str]) -> str | None:
    """What helps where a file has a network of these names twice, behind two wrappers; None where it has not."""
    (layout, *_) = find_layouts(names, ())
    split = [parts for name in shapes if (parts := _split_name(name, layout.anchors))]
    counts = Counter(prefix for prefix, _ in split)
    twice = Counter(rest for _, rest in split).most_common(1)
    if not twice or twice[0][1] < 2:
        return None
    first, second = sorted(counts, key=lambda prefix: (-counts[prefix], prefix))[:2]
    which = f"weights convert --rename '{_show(second)}*=' --rename '{_show(first)}*=*' takes one"
    return f"it is there as '{_show(first)}' and '{_show(second)}': {which}"


def with_hint(refused: Refused, hint: str | None) -> Refused:
    """The same refusal with a hint, where it has none."""
    *others, last = refused.problems
    return Refused([*others, replace(last, hint=last.hint or hint)])


def _split_name(name: str, anchors: Set[str]) -> tuple[str, str] | None:
    """What wrappers put before a name, and the network's; None where no word is one of the network's."""
    start = 0
    while True:
        end = name.find(".", start)
        if (name[start:end] if end >= 0 else name[start:]) in anchors:
            return name[:start], name[start:]
        if end < 0:
            return None
        start = end + 1


def _restore_outer(rest: str, layout: StateLayout) -> str:
    return layout.outer + rest if rest.partition(".")[0] in layout.body else rest


def _find_averages(inside: Mapping[str, tuple[str, str]]) -> dict[str, None]:
    """The names that are a second set of the same, and stand in a module that says of itself that it is an average."""
    plain = {rest for prefix, rest in inside.values() if _AVERAGE not in prefix}
    twice = {p for p, rest in inside.values() if _AVERAGE in p and rest in plain}
    return {name: None for name, (prefix, _) in inside.items() if prefix in twice}


def _map_head(found: StateNames, shapes: Mapping[str, Shape], layout: StateLayout) -> StateNames:
    """The same with the last layers by their names, where some are missing and as many others are in their place."""
    heads = [head for head in layout.heads if f"{head}.weight" not in found.names]
    if not heads:
        return found
    there = tuple(f"{head}." for head in layout.heads if head not in heads)
    spare = {
        **{name: old for name, old in found.names.items() if _is_of_head(name, layout) and not name.startswith(there)},
        **{name: name for name in found.left if name not in found.averages},
    }
    layers = _find_linear_layers({name: shapes[old] for name, old in spare.items()})
    if len(layers) != len(heads):
        return found
    if _has_siblings(layers, spare):
        return found
    taken = {f"{layer}.{role}" for layer in layers for role in ("weight", "bias")}
    names = {name: old for name, old in found.names.items() if name not in taken}
    for head, layer in zip(heads, layers, strict=True):
        names |= {f"{head}.{role}": spare[f"{layer}.{role}"] for role in ("weight", "bias")}
    return found._replace(names=names, left=tuple(name for name in found.left if name not in taken))


def _is_of_head(name: str, layout: StateLayout) -> bool:
    """Whether a name is a last layer's, or of what stands in its place, also in a module of other layers than it."""
    if name.startswith(tuple(f"{head}." for head in layout.heads)):
        return True
    return name.removeprefix(layout.outer).partition(".")[0] not in layout.body


def _find_linear_layers(shapes: Mapping[str, Shape]) -> list[str]:
    """The layers that have a matrix and a bias for it, and nothing else, in the file's order of their numbers."""
    found = []
    for name, shape in shapes.items():
        layer, _, role = name.rpartition(".")
        if role == "weight" and len(shape) == 2 and shapes.get(f"{layer}.bias") == shape[:1]:
            found.append(layer)
    return sorted(found, key=_list_numbers)


def _list_numbers(layer: str) -> list[tuple[int, str]]:
    """The numbers in a layer's name, as texts that may be of any length, in the order of their values."""
    return [(len(word), word) for word in layer.split(".") if word.isdecimal()]


def _has_siblings(layers: Sequence[str], spare: Mapping[str, str]) -> bool:
    """Whether something else stands in the module of the head's layers, such as a norm, which would be lost."""
    modules = {layer.rpartition(".")[0] for layer in layers if "." in layer}
    return any(
        name.rpartition(".")[0] not in layers and any(name.startswith(f"{module}.") for module in modules)
        for name in spare
    )
