"""The specification of a checkpoint, as far as names and shapes of weights show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from resnet_gen.infer.checkpoints.names import WeightNames, find_schemes, list_layouts, propose_specs
from resnet_gen.infer.checkpoints.nearest import find_nearest, first_missing_tensor, order_networks, state_of
from resnet_gen.infer.checkpoints.state_names import StateNames, derive_all, explain_rivals
from resnet_gen.infer.proof import load_recovered
from resnet_gen.infer.spec_text import spec_yaml
from resnet_gen.language.load import Loaded, load
from resnet_gen.language.lower import lower
from resnet_gen.language.plan import plan
from resnet_gen.ops import Shape
from resnet_gen.parts.registry import load_parts
from resnet_gen.problems import Problem, Refused
from resnet_gen.system.resources import shipped_specs
from resnet_gen.weights import checkpoint
from resnet_gen.weights.prefixes import prefixes, without_prefix

_VGG = ("torchvision_vgg", "timm_vgg")
_HIDDEN = ("title", "paper", "reference", "name", "claims", "deviations", "quantization", "extends", "parts")
_NAMED = 12


class CheckpointMatch(NamedTuple):
    """A specification with a checkpoint's names and shapes; others that have the same, and what differs in them.

    `prefix` stands before each of the file's names and none of the specification's.
    """

    data: dict[str, Any]
    loaded: Loaded
    others: dict[str, list[str]]
    prefix: str = ""
    names: StateNames | None = None
    """What each tensor is called in the file, where that is more than a prefix of all."""

    def state_names(self) -> StateNames:
        """What each tensor of the specification is called in the file."""
        return self.names or StateNames({name: self.prefix + name for name in state_of(self.loaded)})


def recognize(path: Path, called: str) -> CheckpointMatch | Problem:
    """The specification of a checkpoint, or the first tensor that does not fit the closest network."""
    whole = {name: tensor.shape for name, tensor in checkpoint.read(path).items()}
    shipped = _load_shipped()
    readings = list(_list_readings(whole))
    for attempt in (_recognize_network, _recognize_backbone, _recognize_unknown_backbone):
        for reading in readings:
            if found := attempt(reading, shipped, called):
                return found._replace(prefix=reading.prefix, names=reading.names)
    near = find_nearest(whole, shipped)
    twice = explain_rivals(whole, near.state) if near else None
    missing = first_missing_tensor(near, whole, str(path))
    return replace(missing, hint=twice or missing.hint)


@dataclass(frozen=True)
class _Reading:
    """Shapes by names that may be a network's, and what was done for that: a prefix taken off all, or each renamed."""

    shapes: Mapping[str, Shape]
    prefix: str = ""
    names: StateNames | None = None

    @cached_property
    def schemes(self) -> list[WeightNames]:
        """The naming schemes under which the names are those of blocks."""
        return find_schemes(self.shapes)


def _list_readings(whole: Mapping[str, Shape]) -> Iterator[_Reading]:
    """The tensors without what stands before all names, then without what wrappers put before some."""
    tried = []
    for prefix in prefixes(whole):
        tried.append(without_prefix(prefix, whole))
        yield _Reading(tried[-1], prefix)
    for derived in (names for layout in list_layouts() for names in derive_all(whole, layout)):
        if (shapes := derived.rename(whole)) not in tried:
            tried.append(shapes)
            yield _Reading(shapes, names=derived)


def _recognize_network(reading: _Reading, shipped: Mapping[str, Loaded], called: str) -> CheckpointMatch | None:
    """The shipped network with these names and shapes, or one of usual blocks, with a head."""
    fitting = dict(_match_shipped(reading, shipped)) or dict(_match_renamed(reading, shipped, None))
    return _choose_network(fitting, called) if fitting else _propose_network(reading, called, headless=False)


def _recognize_backbone(reading: _Reading, shipped: Mapping[str, Loaded], called: str) -> CheckpointMatch | None:
    """The shipped network that a checkpoint without a head is the rest of."""
    fitting = dict(_match_backbones(reading, shipped)) or dict(_match_renamed(reading, shipped, "none"))
    return _choose_network(fitting, called) if fitting else None


def _recognize_unknown_backbone(
    reading: _Reading, shipped: Mapping[str, Loaded], called: str
) -> CheckpointMatch | None:
    """A network of usual blocks and no head."""
    return _propose_network(reading, called, headless=True)


def _propose_network(reading: _Reading, called: str, *, headless: bool) -> CheckpointMatch | None:
    for data in (data for names in reading.schemes for data in propose_specs(names, called)):
        if (data["head"]["kind"] == "none") != headless:
            continue
        with suppress(Refused):
            loaded = load_recovered(spec_yaml(data))
            if state_of(loaded) == reading.shapes:
                return CheckpointMatch(data, loaded, {})
    return None


def find_shipped(whole: Mapping[str, Shape]) -> list[str]:
    """The shipped networks with a checkpoint's names and shapes, for as many classes and channels as it has."""
    shipped = _load_shipped()
    for prefix in prefixes(whole):
        fitting = dict(_match_shipped(_Reading(without_prefix(prefix, whole)), shipped))
        if fitting:
            return order_networks(fitting)
    return []


@cache
def _load_shipped() -> dict[str, Loaded]:
    """Every shipped network by its name; the files are the package's own and do not change."""
    load_parts()
    return {name: load(name) for name in shipped_specs()}


def _match_shipped(reading: _Reading, shipped: Mapping[str, Loaded]) -> Iterator[tuple[str, Loaded]]:
    """The shipped networks with these names and shapes, for as many classes and channels as they have."""
    depths = {names.kind: names.depths for names in reading.schemes}
    for name, loaded in shipped.items():
        kind = loaded.spec.naming.kind
        alike = kind in _VGG or _list_depths(loaded) == depths.get(kind)
        if alike and (fitting := _fit_network(name, (), reading.shapes)):
            yield name, fitting


def _match_renamed(reading: _Reading, shipped: Mapping[str, Loaded], head: str | None) -> Iterator[tuple[str, Loaded]]:
    """The shipped networks that have these names and shapes under a scheme that no shipped one has."""
    more = [f"head={head}"] if head else []
    for names in (names for names in reading.schemes if names.foreign):
        for name, loaded in shipped.items():
            if names.names_blocks(loaded.spec.stages.block_kinds) and _list_depths(loaded) == names.depths:
                settings = (f"naming={names.kind}", "reference=null", *more)
                if fitting := _fit_network(name, settings, reading.shapes):
                    yield name, fitting


def _list_depths(loaded: Loaded) -> list[int]:
    return [stage.depth for stage in plan(loaded)]


def _match_backbones(reading: _Reading, shipped: Mapping[str, Loaded]) -> Iterator[tuple[str, Loaded]]:
    """The shipped networks that have these names and shapes where their head is left out."""
    depths = {names.kind: names.depths for names in reading.schemes}
    for name, loaded in shipped.items():
        alike = _list_depths(loaded) == depths.get(loaded.spec.naming.kind)
        if alike and (fitting := _fit_network(name, ("head=none", "reference=null"), reading.shapes)):
            yield name, fitting


class _Variant(NamedTuple):
    """A shipped network with settings of its own, and its names and shapes; none where there is no such network."""

    loaded: Loaded
    state: Mapping[str, Shape]


@lru_cache(maxsize=512)
def _load_variant(name: str, settings: tuple[str, ...]) -> _Variant | None:
    try:
        loaded = load(name, settings)
    except Refused:  # a head that is more than the last layers cannot be left out
        return None
    return _Variant(loaded, state_of(loaded))


def _fit_network(name: str, settings: tuple[str, ...], shapes: Mapping[str, Shape]) -> Loaded | None:
    """A shipped network for a checkpoint's classes and channels; None where its names or shapes are others."""
    variant = _load_variant(name, settings)
    if variant is None or variant.state.keys() != shapes.keys():
        return None
    resized = _resize_network(name, variant.loaded, shapes)
    return resized if state_of(resized) == shapes else None


def _resize_network(name: str, loaded: Loaded, shapes: Mapping[str, Shape]) -> Loaded:
    """The network with as many classes and channels as a checkpoint of the same names has."""
    layers = [node for node in lower(loaded).nodes if node.tensors]
    first, last = (shapes[layer.weight_name("weight")] or (0,) for layer in (layers[0], layers[-1]))
    texts: list[str] = []
    if hasattr(loaded.spec.head, "classes"):
        texts += [f"head.classes={last[0]}"] * (last[0] != loaded.spec.head.classes)
    if len(first) == 4 and first[1] != loaded.spec.input.channels:
        texts += [f"input.channels={first[1]}", "input.mean=null", "input.std=null"]
    try:
        return load(name, [*(document.text for document in loaded.own[1:]), *texts]) if texts else loaded
    except Refused:
        return loaded


def _choose_network(fitting: Mapping[str, Loaded], called: str) -> CheckpointMatch:
    """The network that is named first, and how the others differ from it."""
    chosen, *more = order_networks(fitting)
    spec, shipped = fitting[chosen].spec, load(chosen).spec
    data: dict[str, Any] = {"name": called, "extends": chosen}
    if spec.naming != shipped.naming:
        data["naming"] = spec.naming.kind
    if spec.input.channels != shipped.input.channels:
        data["input"] = {"channels": spec.input.channels, "mean": None, "std": None}
    classes = getattr(spec.head, "classes", None)
    if spec.head.kind != shipped.head.kind:
        data["head"] = spec.head.kind
    elif classes != getattr(shipped.head, "classes", None):
        data["head"] = {"classes": classes}
    own = fitting[chosen].resolved()
    others = {name: sorted(_list_differences(own, fitting[name].resolved(), "")) for name in more}
    return CheckpointMatch(data, load_recovered(spec_yaml(data)), others)


def _list_differences(one: Any, two: Any, key: str) -> Iterator[str]:
    """The keys in which two specifications differ."""
    if isinstance(one, dict) and isinstance(two, dict) and one.get("kind") == two.get("kind"):
        for inner in {**one, **two}:
            if key or inner not in _HIDDEN:
                yield from _list_differences(one.get(inner), two.get(inner), f"{key}.{inner}" if key else inner)
    elif one != two:
        yield key


def describe_match(found: CheckpointMatch) -> list[str]:
    """Lines about what was recognized, each of a word, a colon and a sentence."""
    lines = ["proof: all names and shapes of weights are the spec's, and no more"]
    if found.names:
        lines += [f"names: {line}" for line in found.names.describe()]
    if found.prefix:
        lines.append(f"names: each has '{found.prefix}' before it, which the spec's have not")
    if found.loaded.spec.head.kind == "none":
        known = " that is known, but what was left out" * bool(found.names and found.names.left)
        lines.append(f"names: the file has no head{known}, so the spec has none")
    for name, keys in list(found.others.items())[:_NAMED]:
        lines.append(f"same: '{name}' has the same names and shapes; it differs in {', '.join(keys) or 'nothing'}")
    if len(found.others) > _NAMED:
        lines.append(f"same: and {len(found.others) - _NAMED} more")
    hidden = "strides, padding, dilation, pooling, activations, eps, the image's size and how a picture becomes it"
    return [*lines, f"not shown by names and shapes: {hidden}; they are those of {_origin(found)}"]


def _origin(found: CheckpointMatch) -> str:
    parent = found.data.get("extends")
    return f"'{parent}'" if parent else "the usual network of this kind"
