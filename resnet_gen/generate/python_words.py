"""Names, parameters and arguments as generated Python writes them."""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Mapping, Sequence
from typing import Any

from resnet_gen import ops
from resnet_gen.generate.modules.classes import ModuleCall, ModuleClass, OperationCall
from resnet_gen.generate.modules.patterns import Pattern
from resnet_gen.generate.spelling import find_free_name, format_slice

_WORDS = {
    *keyword.kwlist, *dir(builtins), "index", "layer", "layers", "maps", "nn", "self", "split_softmax", "torch", "x",
}  # fmt: skip
"""Words that have another meaning where functions are called, or in them."""


def name_functions(classes: Sequence[ModuleClass]) -> dict[ModuleClass, str]:
    """What the functions are called that write the layers of a class each: by a name that nothing else has."""
    taken = {*_WORDS, *(parameter.name for kind in classes for parameter in kind.parameters)}
    found: dict[ModuleClass, str] = {}
    for kind in classes:
        if kind.unit.spread:
            word = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", kind.name).lower()
            found[kind] = find_free_name([word, f"{word}_layers"], taken)
            taken.add(found[kind])
    return found


def format_parameters(kind: ModuleClass) -> list[str]:
    """The parameters of a class's constructor, with their types and defaults."""
    usual = kind.instances[kind.unit] if kind.unit.level == "network" else {}
    return [_format_parameter(p.name, p.setting, usual.get(p.name, p.default)) for p in kind.parameters]


def _format_parameter(name: str, setting: str, default: int | None) -> str:
    kind = "bool" if setting == "present" else "int"
    return f"{name}: {kind}" if default is None else f"{name}: {kind} = {bool(default) if kind == 'bool' else default}"


def format_member_key(names: Pattern) -> str:
    """What a block of a run is called, as a formatted text of its index."""
    number = f"{{{names.number}}}" if names.number else ""
    return f'f"{names.head}{number}{names.separator}{{index}}"'


def format_arguments(what: ModuleCall) -> list[str]:
    """What a module of a class is made with."""
    named = [(p, what.arguments[p.name]) for p in what.kind.parameters if p.name in what.arguments]
    return [text if p.positional else f"{p.name}={text}" for p, text in named]


def find_constructor(what: OperationCall, known: Mapping[type[ops.Op], tuple[str, ...]]) -> tuple[str, list[str]]:
    """The class of an operation and what it is made with, but for what it would be anyway (`key=value|usual`)."""
    op = what.leaf.op
    name, *words = known[type(op)]
    if isinstance(op, ops.Conv) and op.standardize is not None:
        name = "StdConv2d"
    if isinstance(op, ops.MaxPool) and op.zeros:
        name = "ZeroMaxPool2d"
    values = operation_values(op, what.arguments)
    pairs = (word.format_map(values).partition("|") for word in words)
    return name, [text for text, _, usual in pairs if text.partition("=")[2] != usual or not usual]


def operation_values(op: ops.Op, arguments: Mapping[str, str]) -> dict[str, Any]:
    """What stands for the words in braces: an operation's fields, its settings as expressions, what follows them."""
    values = {**vars(op), **arguments}
    match op:
        case ops.Conv(standardize=added):
            values["added"] = 1e-06 if added is None else added
        case ops.Concat(axis):
            values |= {"first": axis + 1, "last": axis or 3}
        case ops.PadChannels():
            wide, narrow = arguments["out_channels"], arguments["in_channels"]
            numbers = wide.isdecimal() and narrow.isdecimal()
            values["more"] = str(int(wide) - int(narrow)) if numbers else f"{wide} - {narrow}"
        case ops.TakeChannels():
            values["section"] = format_slice(arguments["start"], arguments["stop"])
        case ops.Subsample():
            values["step"] = f":{format_slice('', arguments['stride'])}"
    return values
