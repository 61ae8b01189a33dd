"""The specification of a checkpoint, as far as names and shapes of weights show it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from resnet_gen.infer.by_names import Names, candidates, schemes
from resnet_gen.infer.proof import loaded_from
from resnet_gen.infer.written import written
from resnet_gen.load import Loaded, load
from resnet_gen.lower import lower
from resnet_gen.ops import Shape
from resnet_gen.parts.registry import load_parts
from resnet_gen.plan import plan
from resnet_gen.problems import Problem, Refused, several, shortened
from resnet_gen.reference import read as read_reference
from resnet_gen.resources import references, shipped_specs
from resnet_gen.weights import stored
from resnet_gen.weights.prefix import prefixes, without

_VGG = ("torchvision_vgg", "timm_vgg")
_HIDDEN = ("title", "paper", "reference", "name", "claims", "deviations", "quantization", "extends", "parts")
_NAMED = 12


class Recognized(NamedTuple):
    """A specification with a checkpoint's names and shapes; others that have the same, and what differs in them.

    `prefix` stands before each of the file's names and none of the specification's.
    """

    data: dict[str, Any]
    loaded: Loaded
    others: dict[str, list[str]]
    prefix: str


def holds_weights(path: Path) -> bool:
    """Whether a file's first bytes are those of weights without a graph."""
    return stored.is_stored(path)


def recognize(path: Path, called: str) -> Recognized | Problem:
    """The specification of a checkpoint, or the first tensor that does not fit the closest network."""
    whole = {name: tensor.shape for name, tensor in stored.read(path).items()}
    shipped = _every()
    for prefix in prefixes(whole):
        found = _recognized(without(prefix, whole), shipped, called, prefix)
        if found:
            return found
    return _closest(whole, path)


def _recognized(
    shapes: Mapping[str, Shape], shipped: Mapping[str, Loaded], called: str, prefix: str
) -> Recognized | None:
    found = schemes(shapes)
    fitting = dict(_shipped(shapes, found, shipped))
    if fitting:
        return _one_of(fitting, called, prefix)
    for data in (data for names in found for data in candidates(names, called)):
        loaded = _loaded(data)
        if loaded and _state(loaded) == shapes:
            return Recognized(data, loaded, {}, prefix)
    return None


def shipped_with(whole: Mapping[str, Shape]) -> list[str]:
    """The shipped networks with a checkpoint's names and shapes, for as many classes and channels as it has."""
    shipped = _every()
    for prefix in prefixes(whole):
        shapes = without(prefix, whole)
        fitting = dict(_shipped(shapes, schemes(shapes), shipped))
        if fitting:
            return preferred(fitting)
    return []


def _every() -> dict[str, Loaded]:
    load_parts()
    return {name: load(name) for name in shipped_specs()}


def _shipped(
    shapes: Mapping[str, Shape], found: list[Names], shipped: Mapping[str, Loaded]
) -> Iterator[tuple[str, Loaded]]:
    """The shipped networks with these names and shapes, for as many classes and channels as they have."""
    depths = {names.kind: names.depths for names in found}
    for name, loaded in shipped.items():
        kind = loaded.spec.naming.kind
        alike = kind in _VGG or [stage.depth for stage in plan(loaded)] == depths.get(kind)
        if alike and _state(loaded).keys() == shapes.keys():
            resized = _resized(name, loaded, shapes)
            if _state(resized) == shapes:
                yield name, resized


def _resized(name: str, loaded: Loaded, shapes: Mapping[str, Shape]) -> Loaded:
    """The network with as many classes and channels as a checkpoint of the same names has."""
    layers = [node for node in lower(loaded).nodes if node.tensors]
    first, last = (shapes[layer.weight_name("weight")] or (0,) for layer in (layers[0], layers[-1]))
    texts = []
    if hasattr(loaded.spec.head, "classes"):
        texts += [f"head.classes={last[0]}"] * (last[0] != loaded.spec.head.classes)
    if len(first) == 4 and first[1] != loaded.spec.input.channels:
        texts += [f"input.channels={first[1]}", "input.mean=null", "input.std=null"]
    try:
        return load(name, texts) if texts else loaded
    except Refused:
        return loaded


def _loaded(data: Mapping[str, Any]) -> Loaded | None:
    try:
        return loaded_from(written(data))
    except Refused:
        return None


def _state(loaded: Loaded) -> dict[str, Shape]:
    """Names and shapes; none where the network cannot be built."""
    try:
        return {name: tensor.shape for name, tensor in lower(loaded).state().items()}
    except Refused:
        return {}


def _one_of(fitting: Mapping[str, Loaded], called: str, prefix: str) -> Recognized:
    """The network that is told first, and how the others differ from it."""
    chosen, *more = preferred(fitting)
    spec, shipped = fitting[chosen].spec, load(chosen).spec
    data: dict[str, Any] = {"name": called, "extends": chosen}
    if spec.input.channels != shipped.input.channels:
        data["input"] = {"channels": spec.input.channels, "mean": None, "std": None}
    classes = getattr(spec.head, "classes", None)
    if classes != getattr(shipped.head, "classes", None):
        data["head"] = {"classes": classes}
    own = fitting[chosen].resolved()
    others = {name: sorted(_differing(own, fitting[name].resolved(), "")) for name in more}
    return Recognized(data, loaded_from(written(data)), others, prefix)


def preferred(networks: Mapping[str, Loaded]) -> list[str]:
    """The names in the order in which they are told: what a library publishes, then residual networks, then others.

    A plain network has the names and shapes of the residual one that it is the control of.
    """
    return sorted(networks, key=lambda name: _rank(networks[name]))


def _rank(loaded: Loaded) -> tuple[bool, bool]:
    return not loaded.spec.reference, not loaded.spec.stages.block.has_shortcut


def _differing(one: Any, two: Any, key: str) -> Iterator[str]:
    """The keys in which two specifications differ."""
    if isinstance(one, dict) and isinstance(two, dict) and one.get("kind") == two.get("kind"):
        for inner in {**one, **two}:
            if key or inner not in _HIDDEN:
                yield from _differing(one.get(inner), two.get(inner), f"{key}.{inner}" if key else inner)
    elif one != two:
        yield key


def _nearest(shapes: Mapping[str, Shape]) -> tuple[str, dict[str, Shape]]:
    """The published network that has most of these names and shapes and fewest others; none where it has none."""
    best, state, most = "", dict[str, Shape](), 0.0
    for file in sorted(references().glob("*/*.json")):
        name = f"{file.parent.name}/{file.stem}"
        other = dict(read_reference(name, None).state)
        shared = sum(other.get(n) == shape for n, shape in shapes.items())
        part = shared / (len(shapes) + len(other) - shared)
        if part > most:
            best, state, most = name, other, part
    return best, state


def _closest(shapes: Mapping[str, Shape], path: Path) -> Problem:
    """The first tensor that the nearest published network has not."""
    best, state = _nearest(shapes)
    shared = sum(state.get(name) == shape for name, shape in shapes.items())
    if not best:
        return Problem("none of its names and shapes are those of a known network", str(path))
    first = next((name for name, shape in shapes.items() if state.get(name) != shape), None)
    if first is None:
        lost = next((name for name in state if name not in shapes), None)
        if lost is None:
            return Problem(f"its names and shapes are those of '{best}', which no spec here is for", str(path))
        what = f"'{lost}' is missing: {_x(state[lost])} in '{best}', the closest network"
    elif first in state:
        what = f"'{shortened(first)}' is {_x(shapes[first])}, and {_x(state[first])} in '{best}', the closest network"
    else:
        what = f"'{shortened(first)}' ({_x(shapes[first])}) is not in '{best}', the closest network"
    return Problem(what, str(path), f"{shared:,} of {several(len(shapes), 'tensor')} fit it")


def _x(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a scalar"


def account(found: Recognized) -> list[str]:
    """Lines about what was recognized, each of a word, a colon and a sentence."""
    lines = ["proof: all names and shapes of weights are the spec's, and no more"]
    if found.prefix:
        lines.append(f"names: each has '{found.prefix}' before it, which the spec's have not")
    for name, keys in list(found.others.items())[:_NAMED]:
        lines.append(f"same: '{name}' has the same names and shapes; it differs in {', '.join(keys) or 'nothing'}")
    if len(found.others) > _NAMED:
        lines.append(f"same: and {len(found.others) - _NAMED} more")
    hidden = "strides, padding, dilation, pooling, activations, eps, the image's size and how a picture becomes it"
    return [*lines, f"not shown by names and shapes: {hidden}; they are those of {_origin(found)}"]


def _origin(found: Recognized) -> str:
    parent = found.data.get("extends")
    return f"'{parent}'" if parent else "the usual network of this kind"
