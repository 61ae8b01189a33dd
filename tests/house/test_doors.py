"""The command line and the Python API are two doors of the same rooms: what both state, they have from there."""

import ast
import dataclasses
import inspect
import re

import click
import numpy as np
import pytest

import resnet_gen
from resnet_gen.build.output_kinds import LIBRARIES
from resnet_gen.build.request_resolution import BuildWishes
from resnet_gen.cli import cli
from resnet_gen.onnx.wrapping.request import WrapRequest
from resnet_gen.problems import suggest
from tests.house.rooms import MODULES, parsed
from tests.refresh.api_page import ARGUMENTS, COMMANDS

MORE_ARGUMENTS = {"--from": "names", "--against-backend": "against_runtime", "--output": "folder"}
"""What arguments are called otherwise, beside what the page says."""
WISHES = {field.name: field.default for field in dataclasses.fields(BuildWishes)}
OPTIONS = {"Options": WISHES, "WrapOptions": WrapRequest._field_defaults}
"""The defaults of each set of options."""
VALUES = {("typed_io", "fp32"): False, ("proof", False): True}
"""What an argument is where an option has this word."""
COMMANDS_ALONE = {"--target": {"report"}, "--convention": {"all"}}
"""Words of an option that are no argument's: `report` and `count` are functions of their own."""
UNCHECKED = {("check_engine", "seed"): "no engine is built from a seed out of the range, and it says so"}
"""Arguments of any value, and why."""
GIVEN = {
    "spec": "cifar-resnet20", "model": "cifar-resnet20", "network": "cifar-resnet20", "before": "cifar-resnet20",
    "after": "cifar-resnet20", "device": "t4", "to": "pytorch", "convention": "macs", "folder": "out",
    "files": "out.json", "path": "out.npz", "file": "none.onnx", "checkpoint": "none.npz", "data": "none.npz",
    "images": np.zeros((1, 3, 32, 32), np.float32),
}  # fmt: skip
"""What else a function wants."""
BESIDE = {"against_runtime": {"against": "cifar-resnet20"}}
"""What an argument means nothing without."""


def option_pairs():
    """(function, argument, option) of every command, where an option is an argument of one of its functions."""
    for name, functions in COMMANDS.items():
        for function in functions.split(", "):
            known = defaults(function)
            for option in options(name):
                for argument in called(option).split(", "):
                    if argument in known:
                        yield pytest.param(function, argument, option, id=f"{function}-{argument}")


def options(name):
    command = cli.get_command(None, name)
    found = [*command.commands.values()] if isinstance(command, click.Group) else [command]
    return [option for each in found for option in each.params if isinstance(option, click.Option)]


def called(option):
    """The arguments that an option is."""
    name = max(option.opts, key=len)
    return {**ARGUMENTS, **MORE_ARGUMENTS}.get(name, name.removeprefix("--").replace("-", "_"))


def defaults(function):
    """The arguments of a function with their defaults; those of `Options` are the defaults of a wish."""
    parameters = inspect.signature(getattr(resnet_gen, function)).parameters.values()
    unpacked = [re.fullmatch(r"Unpack\[(\w+)\]", p.annotation)[1] for p in parameters if p.kind is p.VAR_KEYWORD]
    more = {name: OPTIONS[of].get(name) for of in unpacked for name in getattr(resnet_gen, of).__annotations__}
    return {**{p.name: p.default for p in parameters}, **more}


def default(option):
    """An option's default, or the one that its help names; None where it has neither."""
    value = option.get_default(click.Context(click.Command("any")))
    shown = re.search(r"\[default: ([\w.-]+)\]", option.help or "")
    if isinstance(value, (str, int, float, tuple)):
        return value
    return shown[1] if shown else None


PAIRS = [*option_pairs()]
CHOICES = [
    pair
    for pair in PAIRS
    if isinstance(pair.values[2].type, click.Choice) and pair.values[1] not in {name for name, _ in VALUES}
]
RANGES = [
    pair
    for pair in PAIRS
    if isinstance(pair.values[2].type, (click.IntRange, click.FloatRange)) and pair.values[:2] not in UNCHECKED
]


def test_most_options_are_arguments():
    assert len(PAIRS) > 60
    assert len(RANGES) > 10
    assert len(CHOICES) > 15


@pytest.mark.parametrize(("function", "argument", "option"), PAIRS)
def test_an_option_and_its_argument_have_one_default(function, argument, option):
    there, here = defaults(function)[argument], default(option)
    if there in (None, inspect.Parameter.empty) or here is None:
        return
    assert VALUES.get((argument, here), here) in (there, f"{there:g}" if type(there) in (int, float) else there)


@pytest.mark.parametrize(("function", "argument", "option"), RANGES)
def test_an_argument_has_the_range_of_its_option(function, argument, option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    least, most = option.type.min, option.type.max
    for value in (least - 1, most + 1):
        assert f"from {least:,} to {most:,}" in refusal(function, argument, value).message


@pytest.mark.parametrize(("function", "argument", "option"), CHOICES)
def test_an_argument_has_the_choices_of_its_option(function, argument, option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = set(option.type.choices) - COMMANDS_ALONE.get(option.opts[0], set())
    if argument == "library":
        words &= set(LIBRARIES)
    problem = refusal(function, argument, "nothing-such")
    assert problem.message.endswith(": there is no 'nothing-such'")
    assert problem.hint == suggest("nothing-such", words)


def refusal(function, argument, value):
    wanted = inspect.signature(getattr(resnet_gen, function)).parameters.values()
    given = {p.name: GIVEN[p.name] for p in wanted if p.default is p.empty and p.kind is not p.VAR_KEYWORD}
    given.pop(argument, None)
    with pytest.raises(resnet_gen.Refused) as refused:
        getattr(resnet_gen, function)(**given, **BESIDE.get(argument, {}), **{argument: value})
    return refused.value.problems[0]


@pytest.mark.parametrize("door", ["api", "cli"])
def test_neither_door_states_a_range_or_words_that_both_have(door):
    """Each is a name; a range of the command line alone may stand in its option."""
    for name, path in MODULES.items():
        if name.startswith(f"resnet_gen.{door}."):
            calls = [node for node in ast.walk(parsed(path)) if isinstance(node, ast.Call)]
            stated = {ast.unparse(call) for call in calls if is_limit(call) and has_literals(call)}
            assert stated <= COMMAND_LINE_ALONE, name


COMMAND_LINE_ALONE = {
    "click.IntRange(1, 100)", "click.IntRange(1, 10000)", "click.IntRange(1, 1024)", "Finite(0.1, 86400)",
    "click.Choice(['fp32', 'typed'])", "click.Choice((*CONVENTION_NAMES, 'all'))",
}  # fmt: skip
"""Classes and timed runs of `run`, threads of `bench`, patience with parts, `--io`, and all of the conventions."""


def is_limit(call):
    name = ast.unparse(call.func).split(".")[-1]
    return name in ("check_within", "check_one_of", "IntRange", "Finite", "Choice")


def has_literals(call):
    skipped = 2 if ast.unparse(call.func).startswith("check_") else 0
    arguments = call.args[skipped:]
    return any(isinstance(node, ast.Constant) for a in arguments for node in (a, *getattr(a, "elts", ())))
