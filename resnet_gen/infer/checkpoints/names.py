"""A specification from the names and shapes of weights, as far as those show one.

What has no weights (strides, pooling, activations, the image's size) is what
published networks have. A candidate counts only if its names and shapes are
exactly those that were given.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from functools import cached_property
from itertools import takewhile
from typing import Any

from resnet_gen.infer.attentions import ATTENTIONS
from resnet_gen.infer.block_features import SharedSettings
from resnet_gen.infer.blocks import BLOCKS, ConvolutionTriple
from resnet_gen.infer.checkpoints.state_names import StateLayout, find_layouts
from resnet_gen.infer.part_settings import make_part, part_data
from resnet_gen.infer.widths import find_width_rule
from resnet_gen.ops import Shape
from resnet_gen.parts import base
from resnet_gen.parts.naming.tables import Tabled
from resnet_gen.parts.registry import default_part, members

FOREIGN = ("transformers_regnet", "transformers_resnet", "mmpretrain_resnet", "mmdetection_resnet")
"""Schemes of libraries none of whose networks is shipped, as others have the same."""
_MOST_STAGES, _MOST_BLOCKS = 16, 4_096
MOST_HIDDEN = 3
"""Hidden layers of a head that are looked for."""
_SAMPLES = (
    *(f"stem.{layer}" for layer in ("conv", "norm", "conv1", "norm1", "conv2", "norm2", "conv3", "norm3")),
    *(f"stem.pool.{layer}" for layer in ("conv", "norm")),
    *(f"stages.{stage}.0.conv1" for stage in range(8)),
    *(f"head.{layer}" for layer in ("norm", "features.conv", "features.norm")),
)
"""Paths of layers in each place that has some, so that the names of a scheme are seen."""
_PLAIN = {"bottleneck": "preact_bottleneck", "basic": "preact_basic", "regnet": "preact_regnet"}


class WeightNames:
    """Names and shapes of weights, looked up by our own paths under a naming scheme."""

    def __init__(self, shapes: Mapping[str, Shape], kind: str) -> None:
        self.shapes, self.kind = shapes, kind
        self._scheme = default_part(base.Naming, kind)

    @property
    def foreign(self) -> bool:
        """Whether these are names of a library none of whose networks is shipped, as others have the same."""
        return self.kind in FOREIGN

    def names_blocks(self, kinds: Set[str]) -> bool:
        """Whether the scheme's library may call blocks of these kinds so; others' schemes are taken for any."""
        return not self.foreign or kinds <= self._scheme.blocks

    def shape(self, path: str, role: str = "weight") -> Shape | None:
        """The shape of a layer's weight; None where there is none of that name.

        What a layer is called may depend on another of its block, so it is looked for as both make it.
        """
        names = self._scheme.names([path])
        crowd = self._scheme.crowd if isinstance(self._scheme, Tabled) else None
        if crowd and path.startswith("stages."):
            names += self._scheme.names([path, f"{path[: _end_block(path)]}.{crowd.layer}"])[:1]
        return next((shape for name in names if (shape := self.shapes.get(f"{name}.{role}"))), None)

    def _block(self, stage: int, number: int) -> str:
        """What stands before the names of a block's layers."""
        (name,) = self._scheme.names([f"stages.{stage}.{number}.layer"])
        return name.removesuffix("layer")

    @cached_property
    def depths(self) -> list[int]:
        """Blocks of each stage."""
        modules = {name[: dot + 1] for name in self.shapes for dot in _dots(name)}

        def depth(stage: int) -> int:
            return len(list(takewhile(lambda n: self._block(stage, n) in modules, range(_MOST_BLOCKS))))

        return list(takewhile(bool, map(depth, range(_MOST_STAGES))))

    @property
    def blocks(self) -> list[tuple[str, int]]:
        """The path of each block, and its number in its stage."""
        return [(f"stages.{stage}.{n}", n) for stage, depth in enumerate(self.depths) for n in range(depth)]


def _end_block(path: str) -> int:
    """Where the path of a block ends in that of one of its layers: `stages.0.2`."""
    return len(".".join(path.split(".", 3)[:3]))


def _dots(name: str) -> Iterator[int]:
    return (place for place, letter in enumerate(name[:200]) if letter == ".")


def find_schemes(shapes: Mapping[str, Shape]) -> list[WeightNames]:
    """The naming schemes under which the names are those of blocks."""
    return [names for names in (WeightNames(shapes, kind) for kind in _list_kinds()) if names.depths]


def _list_kinds() -> list[str]:
    """The naming schemes that are tried, those of shipped networks first."""
    tabled = [m.kind_name() for m in members(base.Naming) if issubclass(m, Tabled)]
    return ["paths", *(kind for kind in tabled if kind not in FOREIGN), *FOREIGN]


def list_layouts() -> Iterator[StateLayout]:
    """How names of each scheme begin, with heads of one linear layer and of several."""
    for kind in _list_kinds():
        scheme = default_part(base.Naming, kind)
        heads = [["head.fc"], *([f"head.fc{n + 1}" for n in range(hidden + 1)] for hidden in range(1, MOST_HIDDEN + 1))]
        for head in heads:
            yield from find_layouts(scheme.names(_SAMPLES), scheme.names(head))


def propose_specs(names: WeightNames, called: str) -> Iterator[dict[str, Any]]:
    """Specifications that may have these names and shapes, as plain data; `head: none` where no name is a head's."""
    stem, head, norm = _stem(names), _head(names) or {"kind": "none"}, _norm(names)
    if not stem:
        return
    channels, stem_data = stem
    size = 32 if stem_data["kind"] == "conv3x3" else 224
    first = {"name": called, "input": {"channels": channels, "size": size}, "stem": stem_data}
    last = {**norm, "head": head, **({} if names.kind == "paths" else {"naming": names.kind})}
    for stages in filter(None, (_stages(names, kind) for kind in _kinds(names))):
        for shortcut in _shortcuts(names):
            own = {} if shortcut == "projection" else {"shortcut": shortcut}
            yield {**first, "stages": {**stages, **own}, **last}


def _stem(names: WeightNames) -> tuple[int, dict[str, Any]] | None:
    """Channels of the image, and the stem."""
    one = names.shape("stem.conv")
    if one and len(one) == 4 and one[2] in (3, 7):
        return one[1], {"kind": "conv7x7" if one[2] == 7 else "conv3x3", "width": one[0], **_pool(names, one[2] == 7)}
    first = names.shape("stem.conv1")
    widths: list[int] = []
    while (shape := names.shape(f"stem.conv{len(widths) + 1}")) and len(widths) < 16:
        widths.append(shape[0])
    return (first[1], {"kind": "deep", "widths": widths, **_pool(names, True)}) if first and len(first) == 4 else None


def _pool(names: WeightNames, pooled: bool) -> dict[str, Any]:
    return {"pool": "conv"} if pooled and names.shape("stem.pool.conv") else {}


def _head(names: WeightNames) -> dict[str, Any] | None:
    layer, features = names.shape("head.fc"), names.shape("head.features.conv")
    if layer is None:
        return _hidden_head(names)
    found: dict[str, Any] = {"kind": "linear", "classes": layer[0], "conv": len(layer) == 4}
    found["features"] = features and features[0]
    return {key: value for key, value in found.items() if value}


def _hidden_head(names: WeightNames) -> dict[str, Any] | None:
    """A head of several linear layers, each of which takes what the one before it gives."""
    numbered = (names.shape(f"head.fc{number}") for number in range(1, MOST_HIDDEN + 2))
    *hidden, last = [*takewhile(lambda shape: shape is not None and len(shape) == 2, numbered)] or [None]
    if not hidden or not last:
        return None
    return {"kind": "mlp", "classes": last[0], "pool": 1, "hidden": [shape[0] for shape in hidden if shape]}


def _norm(names: WeightNames) -> dict[str, Any]:
    if names.shape("stages.0.0.norm1", "running_mean"):
        return {}
    return {"norm": "group" if names.shape("stages.0.0.norm1") else "none"}


def _kinds(names: WeightNames) -> list[str]:
    """Blocks with and without pre-activation, by how many layers they have."""
    kinds = ("bottleneck", "regnet") if names.shape("stages.0.0.conv3") else ("basic",)
    return [kind for kind in (*kinds, *(_PLAIN[kind] for kind in kinds)) if names.names_blocks({kind})]


def _stages(names: WeightNames, kind: str) -> dict[str, Any] | None:
    raws = [_raw_features(names, path, kind) for path, _ in names.blocks]
    if None in raws:
        return None
    settled = BLOCKS[kind].settle(raws, [number for _, number in names.blocks])
    made = settled and make_part(base.Block, kind, settled.settings)
    rule = settled and made and _widths(settled, names.depths)
    if not rule or not made:
        return None
    attention = _attention(names)
    data = {"depths": names.depths, "widths": rule, "block": part_data(made)}
    return {**data, "attention": attention} if attention else data


def _widths(settled: SharedSettings, depths: list[int]) -> Any:
    rest = list(settled.widths)
    stages = [[rest.pop(0) for _ in range(depth)] for depth in depths]
    return find_width_rule(stages, (1, *(2 for _ in depths[1:])), {})


def _raw_features(names: WeightNames, path: str, kind: str) -> Any:
    """What a block's kind is read from, out of the shapes of its layers; None where they are not of that kind."""
    convs = [names.shape(f"{path}.conv{n}") for n in (1, 2, 3)]
    first, second, third = (shape if shape and len(shape) == 4 else None for shape in convs)
    if not first or not second:
        return None
    if kind in ("basic", "preact_basic"):
        return (first[0], False) if kind == "basic" else first[0]
    if not third or first[0] % second[1]:
        return None
    groups = first[0] // second[1]
    if kind in ("bottleneck", "preact_bottleneck"):
        return ConvolutionTriple(third[0], first[0], second[0], groups, None)
    return (third[0], second[0], groups, False)[: 4 if kind == "regnet" else 3]


def _shortcuts(names: WeightNames) -> list[Any]:
    """The shortcuts that have such weights."""
    plain = [shape for path, _ in names.blocks if (shape := names.shape(f"{path}.shortcut.conv"))]
    if not plain:
        averaged = any(names.shape(f"{path}.shortcut.avg.conv") for path, _ in names.blocks)
        return ["avg_projection"] if averaged else ["projection", "zero_pad"]
    wide = max(shape[-1] for shape in plain)
    if wide > 1:
        return [{"kind": "wide_projection", "kernel": wide}]
    return ["projection", "avg_projection", "projection_all"]


def _attention(names: WeightNames) -> Any:
    """Squeeze and excitation or ECA on every block, by the shapes of its layers."""
    raws: dict[str, list[Any]] = {"se": [], "eca": []}
    for path, _ in names.blocks:
        squeeze, window, out = (names.shape(f"{path}.{n}") for n in ("attention.fc1", "attention.conv", "conv1"))
        if squeeze and out:
            raws["se"].append((squeeze[1], out[1], squeeze[0], "relu"))
        if window:
            raws["eca"].append((_block_width(names, path), window[-1]))
    for kind, found in raws.items():
        settings = ATTENTIONS[kind].settle(found) if len(found) == len(names.blocks) else None
        made = None if settings is None else make_part(base.Attention, kind, settings)
        if made:
            return part_data(made)
    return None


def _block_width(names: WeightNames, path: str) -> int:
    last = names.shape(f"{path}.conv3") or names.shape(f"{path}.conv2")
    return last[0] if last else 0
