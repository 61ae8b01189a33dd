"""Names for classes, and what their docstrings say."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Sequence
from inspect import cleandoc

from resnet_gen import ops
from resnet_gen.generate.modules.classes import ModuleClass
from resnet_gen.generate.modules.tree import ModuleUnit, OperationLeaf
from resnet_gen.generate.spelling import find_free_name
from resnet_gen.language.load import Loaded
from resnet_gen.language.plan import matches_block
from resnet_gen.parts.base import Part

RESERVED = (
    *("F", "Tensor", "OrderedDict", "StdConv2d", "ChannelConv", "BlurPool2d", "ZeroMaxPool2d", "PadChannels"),
    *("Array", "ArrayLike", "Callable", "DTypeLike", "Function", "GroupNorm", "Iterator", "Mapping", "Sequential"),
    "Window",
)
"""Names that generated source has another use for."""


def name_classes(classes: Sequence[ModuleClass], loaded: Loaded) -> None:
    """Give every class a name of its own, and what its docstring says."""
    taken = {*RESERVED, *keyword.kwlist, *dir(builtins)}
    *inner, network = classes
    for kind in (network, *inner):
        part = _find_part(kind.unit, loaded)
        name = _spell_network(loaded) if kind.unit.level == "network" else _choose_name(kind.unit, part)
        kind.name = find_free_name([name], taken)
        kind.doc = _first_paragraph(part) if part else _describe_structure(kind.unit)
        taken.add(kind.name)


def _spell_network(loaded: Loaded) -> str:
    """The network's name, in capitals where its title has them: `resnext50_32x4d` of ResNeXt-50."""
    found = ""
    for word in re.findall(r"[a-zA-Z0-9]+", loaded.spec.name):
        letters = re.match(r"[a-zA-Z]*", word)[0]  # type: ignore[index]
        title = re.search(letters, loaded.spec.title, re.IGNORECASE) if letters else None
        spelled = (title[0] if title else letters) + word[len(letters) :]
        found += ("_" if found and word[0].isdigit() else "") + spelled[0].upper() + spelled[1:]
    return found if found[:1].isalpha() else f"Net{found}"


def _find_part(unit: ModuleUnit, loaded: Loaded) -> Part | None:
    """The part of the spec that a module is made by."""
    spec = loaded.spec
    if unit.level == "stem":
        return spec.stem
    if unit.level == "head" and unit.place.count(".") == 1:
        return spec.head
    steps = unit.place.split(".")
    if steps[0] != "stages" or unit.level == "stage":
        return None
    inside = unit.level == "inner" and unit.role == "attention" and len(steps) == 5 and steps[3] == "attention"
    block, attention = spec.stages.block, spec.stages.attention
    for key, override in spec.stages.overrides.items():
        if matches_block(key, int(steps[1]) + 1, int(steps[2]) + 1):
            block, attention = override.block or block, override.attention or attention
    return attention if inside else block if unit.level == "block" else None


def _choose_name(unit: ModuleUnit, part: Part | None) -> str:
    if unit.level in ("stem", "head"):
        return _camel_case(unit.name) or unit.level.title()
    if unit.level == "stage":
        return "Stage"
    if part:
        name = type(part).__name__
        return name if unit.level != "block" or re.search("Block|Bottleneck|Layer$", name) else f"{name}Block"
    kinds = [type(step.what.op) for step in unit.steps if isinstance(step.what, OperationLeaf)]
    normed = len(kinds) == len(unit.steps) and kinds[:1] == [ops.Conv] and kinds[1:2] in _NORMS
    if normed and kinds[2:] in ([], [ops.Activation]):
        return "ConvNormAct" if kinds[2:] else "ConvNorm"
    if any(kind is ops.SplitSoftmax for kind in kinds):
        return "SplitAttention"
    return _camel_case(unit.name) or "Inner"


_NORMS = ([ops.BatchNorm], [ops.GroupNorm])


def _camel_case(name: str) -> str:
    words = re.findall(r"[a-zA-Z]+", re.sub(r"\.\d+$", "", name).rpartition(".")[2])
    found = "".join(word[0].upper() + word[1:] for word in words)
    return found if len(found) != 1 else "Branch"


def _first_paragraph(part: Part) -> str:
    return " ".join(cleandoc(type(part).__doc__ or "").partition("\n\n")[0].split())


_WORDS = {
    ops.Conv: "convolution",
    ops.BatchNorm: "norm",
    ops.GroupNorm: "norm",
    ops.Activation: "activation",
    ops.AvgPool: "average pooling",
    ops.MaxPool: "max pooling",
    ops.Linear: "linear layer",
}


def _describe_structure(unit: ModuleUnit) -> str:
    """What a module consists of, where no part of the spec says it."""
    if unit.level == "stage":
        return "The blocks of one stage."
    kinds = [_WORDS.get(type(s.what.op), "") if isinstance(s.what, OperationLeaf) else "" for s in unit.steps]
    if not all(kinds) or not unit.chain:
        return f"What its owner calls `{unit.name}`." if unit.level == "inner" else f"The {unit.level}."
    words = [("an " if word[0] in "aeiou" else "a ") + word for word in kinds]
    text = words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
    return text[0].upper() + text[1:] + "."
