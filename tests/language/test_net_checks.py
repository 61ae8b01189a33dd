"""What code of parts hands to a spec's net: the package's operations, settings of their types, values of that net."""

from dataclasses import dataclass, fields, is_dataclass
from typing import get_type_hints

import pytest

from resnet_gen import ops
from resnet_gen.graph import Value
from resnet_gen.language.custom_parts.net_checks import OPERATIONS, CheckedNet
from resnet_gen.language.load import load
from resnet_gen.language.lower import lower
from resnet_gen.onnx.writing import RULES
from resnet_gen.ops.types import TypeChange
from resnet_gen.problems import Refused

WRONG = [None, "x", "", -1, 1.5, float("nan"), float("inf"), True, [], (), {}, object(), b"x", 1 + 1j, int]
"""Values of which most fit no setting."""
KINDS = sorted(OPERATIONS, key=lambda op: op.__name__)
GOOD = {int: 1, float: 1.0, bool: True}


def made(op, **settings):
    """An operation whose needed settings have some good value."""
    hints = get_type_hints(op)
    needed = [one.name for one in fields(op)] if is_dataclass(op) else []
    return op(**{name: GOOD.get(hints[name], "relu" if name == "function" else None) for name in needed} | settings)


def fits(kind, setting, value):
    """Whether a value is one of a type, worked out in another way than by the code."""
    if kind is int:
        return type(value) is int and value >= 0
    if kind is bool:
        return type(value) is bool
    if kind is float:
        real = type(value) in (int, float) and value - value == 0
        return real and (setting not in ("eps", "standardize") or value > 0)
    return value is None if "None" in str(kind) and not isinstance(value, float) else fits(float, setting, value)


def net():
    return CheckedNet(Value("input", (4, 8, 8)))


def settings():
    for op in KINDS:
        for one in fields(op) if is_dataclass(op) else ():
            yield pytest.param(op, one.name, get_type_hints(op)[one.name], id=f"{op.__name__}.{one.name}")


def refused_as(op):
    """The refusal of an operation itself; None where it is taken, or its shapes alone do not go together."""
    try:
        net().add("layer", op, Value("input", (4, 8, 8)))
    except Refused as refused:
        return str(refused) if f"{type(op).__name__}: " in str(refused) or "no operation" in str(refused) else None
    except (TypeError, ValueError, ZeroDivisionError, IndexError):
        return None  # one operand for two, a stride of none: the part's own line is told of it


@pytest.mark.parametrize("op", KINDS)
def test_every_operation_is_taken_as_it_is_made(op):
    assert refused_as(made(op)) is None


@pytest.mark.parametrize(("op", "setting", "kind"), list(settings()))
def test_a_setting_of_another_type_is_refused_by_its_name(op, setting, kind):
    for value in WRONG:
        told = refused_as(made(op, **{setting: value}))
        if setting not in ("function", "stored"):
            assert (told is None) == fits(kind, setting, value), value
        elif (setting, value) != ("stored", None):
            assert f": {setting} is " in (told or ""), value


@pytest.mark.parametrize("function", [*get_type_hints(ops.Activation)["function"].__args__, "cube"])
def test_functions_are_those_that_there_are(function):
    assert (refused_as(ops.Activation(function)) is None) == (function != "cube")


@dataclass(frozen=True)
class Mine(ops.Op):
    """An operation of somebody's own."""


class Wider(ops.Conv):
    """One that derives from an operation of the package."""


@pytest.mark.parametrize(
    "op", [Mine(), Wider(8, kernel=1), ops.Cast("float16"), ops.Quantize("int8", 0.1), "x", None, ops.Conv, 3]
)
def test_what_is_no_operation_of_parts_is_refused(op):
    with pytest.raises(Refused, match="is no operation that parts are made of"):
        net().add("layer", op, Value("input", (4, 8, 8)))


def test_operations_of_parts_are_all_that_can_be_written_but_changes_of_type():
    assert {op for op in RULES if not issubclass(op, TypeChange)} == OPERATIONS


@pytest.mark.parametrize(
    "forged",
    [
        lambda value: value._replace(shape=(1, 2, 3)),
        lambda value: value._replace(name="nowhere"),
        lambda value: value._replace(dtype="float16"),
        lambda value: value._replace(shape=[4, 8, 8]),
        lambda value: tuple(value),
        lambda value: None,
        lambda value: [value],
        lambda value: "layer",
    ],
)
def test_values_that_the_net_has_not_made_are_refused(forged):
    found = net()
    value = found.scope("stem").add("conv", ops.Conv(4, kernel=1), found.input)
    assert found.scope("head").add("relu", ops.Activation("relu"), value).shape == (4, 8, 8)
    with pytest.raises(Refused, match="is no value of this network"):
        found.scope("head").add("again", ops.Activation("relu"), forged(value))
    with pytest.raises(Refused, match="is no value of this network"):
        found.graph("forged", [value, forged(value)])


NO_NAMES = [
    "",
    "a\nb",
    "a\r",
    "a b",
    "a/b",
    "../a",
    "a\\b",
    "a:b",
    "::stop::",
    "\x1b[31m",
    "\u202ea",
    "ä",
    "a\0",
    '"',
    None,
    3,
    b"a",
]
NAMES = ["conv", "block1-0.f.a.0", "0", "Conv_2", "a.b.c"]


@pytest.mark.parametrize("name", NO_NAMES, ids=repr)
def test_what_would_be_obeyed_or_cut_is_no_name_of_an_operation(name):
    """Names stand in files, in code that is generated, in lines of reports, and in paths."""
    with pytest.raises(Refused, match="is no name"):
        net().add(name, ops.Activation("relu"), Value("input", (4, 8, 8)))


@pytest.mark.parametrize("name", NAMES)
def test_names_that_libraries_use_are_names(name):
    assert net().add(name, ops.Activation("relu"), Value("input", (4, 8, 8))).name == name


@pytest.mark.parametrize("name", NO_NAMES, ids=repr)
def test_a_scheme_of_naming_gives_no_other_names(name, monkeypatch):
    loaded = load("cifar-resnet20")
    scheme = type(loaded.spec.naming)
    monkeypatch.setattr(scheme, "names", lambda self, paths: [*paths[:-1], name])
    with pytest.raises(Refused, match=r"naming: .* is no name"):
        lower(loaded)
