"""Names of modules and classes: a topic each, and one meaning in the whole package."""

import ast
import re
from collections import Counter

import pytest

from tests.house.rooms import MODULES, parsed

SAY_NOTHING = {
    "account", "apart", "asking", "beside", "built", "carried", "checked", "chosen", "common", "core", "fit", "found",
    "given", "held", "helper", "helpers", "isolated", "keep", "kept", "look", "made", "misc", "put", "said",
    "settled", "shown", "stated", "stuff", "things", "told", "tool", "tools", "util", "utils", "wish", "written",
}  # fmt: skip
"""Participles and everyday words that say nothing to somebody who has not read the file."""


def public_classes():
    """(class, module) of every class without an underscore, wherever it stands."""
    for name, path in MODULES.items():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                yield node.name, name


def public_aliases():
    """(alias, module) of every name of a type, such as `Shape = tuple[int, ...]`, at the top of a module."""
    for name, path in MODULES.items():
        for node in parsed(path).body:
            targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
            for target in targets:
                if isinstance(target, ast.Name) and re.fullmatch(r"[A-Z]+[a-z]\w*", target.id):
                    yield target.id, name


def test_no_name_of_a_public_class_or_alias_stands_for_two_things():
    named = [*public_classes(), *public_aliases()]
    times = Counter(name for name, _ in named)
    assert len(times) > 400
    assert "Shape" in times
    assert {name: [module for other, module in named if other == name] for name in twice(times)} == {}


def twice(times):
    return [name for name, count in times.items() if count > 1]


def test_no_module_and_no_class_is_called_by_a_word_that_says_nothing():
    modules = {name.rpartition(".")[2] for name in MODULES}
    classes = {name.lower() for name, _ in [*public_classes(), *public_aliases()]}
    assert (modules | classes) & SAY_NOTHING == set()


def participles(names):
    return {name for name in names if re.fullmatch(r"[a-z]+ed", name)} - {"speed"}


@pytest.mark.parametrize("name", ["checked", "isolated", "stored"])
def test_participles_are_seen(name):
    assert participles([name]) == {name}


def test_no_module_is_called_by_a_participle_alone():
    """Parts are called after their kinds, which specs write."""
    modules = {name.rpartition(".")[2] for name in MODULES if ".parts." not in name}
    assert participles(modules) == set()


PUBLIC = {"built", "called", "fitted", "normed", "registered", "resolved", "used"}
"""Methods of the API (`Loaded.built`, `Loaded.resolved`) and of what parts are built from, which are documented."""
IRREGULAR = {"begun", "built", "bound", "chosen", "drawn", "given", "gone", "held", "kept", "known", "left", "made",
             "meant", "said", "seen", "shown", "spoken", "taken", "told", "written"}  # fmt: skip


def functions():
    """(function, module) of every function and method; properties are adjectives of what has them."""
    for name, path in MODULES.items():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.FunctionDef) and not any("property" in ast.unparse(d) for d in node.decorator_list):
                yield node.name.strip("_"), name


def test_no_function_is_called_by_a_participle_alone():
    found = {(name, module) for name, module in functions() if name in participles([name]) | IRREGULAR}
    assert {(name, module) for name, module in found if name not in PUBLIC} == set()
    assert {name for name, _ in found} == PUBLIC
