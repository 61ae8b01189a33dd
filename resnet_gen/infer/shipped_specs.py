"""Which shipped specifications compute what a graph computes, and a specification as changes to another."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, NamedTuple

from resnet_gen.graph import Graph
from resnet_gen.graph.matching import match
from resnet_gen.infer.proof import RecoveredSpec, load_recovered, match_folded
from resnet_gen.infer.spec_text import spec_yaml
from resnet_gen.language.load import Loaded, load
from resnet_gen.language.lower import lower
from resnet_gen.language.plan import plan
from resnet_gen.language.spec import OWN_KEYS
from resnet_gen.problems import refuse
from resnet_gen.system.resources import shipped_specs


class EquivalentSpec(NamedTuple):
    """A shipped specification that computes what a file does.

    `standardized` says that it standardizes its weights where the recovered one takes them as they are.
    """

    name: str
    standardized: bool


def find_equivalents(found: RecoveredSpec, given: Graph) -> list[EquivalentSpec]:
    """The shipped specifications whose graph, with its norms folded if need be, is the one that was given."""
    same, wanted = [], _outline(found.loaded)
    for name in shipped_specs():
        if _outline_shipped(name) == wanted:
            loaded = load(name)
            graph = lower(loaded)
            if match(graph, given).same or match_folded(graph, given).same:
                eps = loaded.spec.weight_standardization
                same.append(EquivalentSpec(name, eps != found.loaded.spec.weight_standardization))
    return same


def describe_equivalents(same: Sequence[EquivalentSpec]) -> Iterator[str]:
    """In words what is computed: of the specifications that do the same, and then of those that standardize too."""
    for standardized in (False, True):
        names = ", ".join(f"'{one.name}'" for one in same if one.standardized == standardized)
        if names:
            yield f"what the shipped {names} does" + standardized * " with its weights standardized already"


@cache
def _outline_shipped(name: str) -> tuple[Any, ...]:
    return _outline(load(name))


def _outline(loaded: Loaded) -> tuple[Any, ...]:
    """What is seen of a network without building it: image, outputs, scores, blocks.

    Of blocks that are chains of convolutions nobody can say how many there are.
    """
    spec = loaded.spec
    chained = spec.stages.block.kind in _CHAINS
    depth = 0 if chained else sum(stage.depth for stage in plan(loaded))
    return spec.input.shape, len(spec.outputs), getattr(spec.head, "classes", None), depth


_CHAINS = ("conv", "highway", "plain")


def derive_extension(found: RecoveredSpec, parent: str) -> dict[str, Any]:
    """The recovered specification as what it changes of a shipped one.

    Raises `Refused` if `parent` is none, or if keys of it that cannot be taken back make another network.
    """
    if parent not in shipped_specs():
        load(parent)
        raise refuse(f"--extends: '{parent}' is not a shipped spec")
    old, new = load(parent).resolved(), found.loaded.resolved()
    data = {"name": found.data["name"], "extends": parent, **_find_changes(old, new, found.data)}
    graph = lower(load_recovered(spec_yaml(data)))
    if not match(graph, found.graph).same:
        raise refuse(f"--extends: what '{parent}' has beside it cannot be taken back", hint="leave out --extends")
    return data


def _find_changes(old: dict[str, Any], new: dict[str, Any], short: dict[str, Any]) -> dict[str, Any]:
    """What changes between two mappings of resolved specifications; `short` is the second as it was recovered."""
    keys = [key for key in (*new, *(key for key in old if key not in new)) if key not in _KEPT]
    found = {key: _find_value_change(old.get(key), new.get(key), short.get(key)) for key in keys}
    if old.get("channels") != new.get("channels"):
        found.update(mean=None, std=None)
    return {key: change for key, change in found.items() if change is not _SAME}


_SAME: dict[str, Any] = {}
"""Where nothing changes; compared by identity."""
_KEPT = (*OWN_KEYS, "version", "quantization", "crop", "mean", "std")
"""Keys that no graph shows, or that are not inherited."""


def _find_value_change(old: Any, new: Any, short: Any) -> Any:
    """One value of the second specification: `_SAME`, what changes in a mapping, or all of it."""
    if old == new:
        return _SAME
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return new if short is None else short
    if old.get("kind") != new.get("kind"):
        return new["kind"] if short is None else short
    return _find_changes(old, new, short if isinstance(short, dict) else {}) or _SAME
