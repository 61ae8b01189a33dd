"""Imports run downwards through one list of rooms, and third-party libraries stay in theirs."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter

import pytest

from tests.house.rooms import MODULES, PACKAGE, ROOMS, ROOT, arrows, files, imports, inside, parsed, room

MOST_ENTRIES, MOST_ARROWS = 22, 160

THIRD_PARTY = {
    "PIL": "engine.image engine.image_decoders",
    "click": "cli",
    "huggingface_hub": "weights.downloads.hub",
    "pooch": "weights.downloads",
    "requests": "weights.downloads.http",
    "cuda": "engine.tensorrt_run",
    "jinja2": "system.templates",
    "matplotlib": "speed.plot",
    "ml_dtypes": "weights onnx.reading engine.base",
    "numpy": "weights onnx infer engine quantization speed build compare api cli",
    "onnx": "onnx",
    "onnx_graphsurgeon": "onnx.wrapping",
    "onnxruntime": "engine.onnxruntime",
    "openvino": "engine.openvino",
    "pydantic": "parts language infer speed.targets build project cli",
    "pydantic_core": "parts language speed.targets build project",
    "pytest": "cli.pytest_plugin",
    "rich": "cli",
    "safetensors": "weights.formats",
    "tomli": "project",
    "typing_extensions": "parts.base api",
    "yaml": "language",
}
"""Which rooms, folders or modules may import each library."""


def test_every_entry_of_the_package_is_a_room_of_the_list():
    entries = {path.name for path in (ROOT / PACKAGE).iterdir()} - {"__pycache__", "_data"}
    rooms = {name.removesuffix(".py") for name in entries} - {"__init__", "__main__", "py.typed"}
    assert rooms == set(ROOMS)
    assert len(entries) <= MOST_ENTRIES


def test_every_room_says_what_it_is_for():
    for name in ROOMS:
        text = ast.get_docstring(parsed(MODULES[f"{PACKAGE}.{name}"])) or ""
        assert len(text.split("\n\n")) >= 2, f"{name}: what it is for, and what comes in and goes out"


def test_imports_run_downwards_alone():
    upwards = {(name, other) for name, other in inside() if is_upwards(room(name), room(other))}
    assert sorted(upwards) == []


def is_upwards(lower, upper):
    return bool(lower and upper) and ROOMS.index(lower) < ROOMS.index(upper)


def test_few_arrows_run_between_rooms():
    assert len(arrows()) <= MOST_ARROWS


def test_modules_import_each_other_in_no_circle():
    """Function-level imports included; the package's own file names its API for type checkers, and is left out."""
    graph = {}
    for name, other in inside():
        if other in MODULES and PACKAGE not in (name, other) and name != other:
            graph.setdefault(name, set()).add(other)
    order = list(TopologicalSorter(graph).static_order())  # it raises CycleError
    assert order.index(f"{PACKAGE}.ops") < order.index(f"{PACKAGE}.language.lower")


def test_importing_the_package_imports_nothing_of_it():
    code = (
        "import sys, resnet_gen\nprint(*sorted(n for n in sys.modules if n.startswith('resnet_gen') or n == 'typing'))"
    )
    result = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.split() == [PACKAGE]


def test_third_party_libraries_stay_in_their_rooms():
    found = {(library, name) for name, path in MODULES.items() for library in libraries(path)}
    assert {library for library, _ in found} == set(THIRD_PARTY)
    wrong = [(library, name) for library, name in found if not stands_in(name, THIRD_PARTY[library].split())]
    assert sorted(wrong) == []


def libraries(path):
    ours = {*sys.stdlib_module_names, "tomllib", PACKAGE}  # 3.10 lacks tomllib
    return {other.split(".")[0] for other in imports(parsed(path))} - ours


def stands_in(name, places):
    return any(f"{name}.".startswith(f"{PACKAGE}.{place}.") for place in places)


LAZY = {
    "onnx_graphsurgeon",
    "tensorrt",
    "tensorrt_rtx",
    "onnxruntime",
    "openvino",
    "cuda",
    "matplotlib",
    "torch",
    "rich",
}


def test_runtimes_and_plotting_are_never_imported_at_a_module_s_top():
    for path in files():
        top = {n.split(".")[0] for node in parsed(path).body for n in imports_of(node)}
        assert not top & LAZY, path


def imports_of(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) else []


HEAVY = {"numpy", "onnx", "pydantic", "onnxruntime", "tensorrt_rtx", "PIL", "jinja2", "rich", "yaml", "ml_dtypes"}


def modules_after(*arguments):
    """What stands in `sys.modules` after a command, in a process of its own."""
    code = (
        "import sys\n"
        "from resnet_gen.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as left: assert not left.code, left.code\n"
        "print(*sys.modules, file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return result.stderr.splitlines()[-1].split()


def loaded_after(*arguments):
    """The heavy libraries among these modules."""
    return {name.split(".")[0] for name in modules_after(*arguments)} & HEAVY


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("build", "--help"), ("verify", "--help")])
def test_help_loads_no_heavy_library(arguments):
    assert loaded_after(*arguments) == set()


def test_help_imports_no_operation_and_no_graph():
    imported = {name for name in modules_after("--help") if name.startswith((f"{PACKAGE}.ops.", f"{PACKAGE}.graph"))}
    assert imported == {
        f"{PACKAGE}.ops.{name}" for name in ("counters", "limits", "precision", "runtime_words", "serving_words")
    }


def test_looking_at_a_spec_loads_only_what_reads_it():
    assert loaded_after("count", "resnet50") == {"pydantic", "yaml"}
    assert loaded_after("verify", "resnet50") == {"pydantic", "yaml"}


def test_looking_at_a_spec_imports_its_parts_and_no_others():
    code = (
        "import sys\n"
        "from resnet_gen.language.load import load\n"
        "load('resnet50')\n"
        "print(*sorted(n.rpartition('.')[2] for n in sys.modules if n.count('.') == 3 and '.parts.' in n))\n"
        "try: load(sys.argv[1])\n"
        "except Exception as refused: print(refused)\n"
        "print(load('highway-b').spec.stages.block, load('vgg16_bn').spec.head.kind)"
    )
    spec = str(ROOT / "tests" / "bad_specs" / "unknown_kind_long.yaml")
    result = subprocess.run([sys.executable, "-c", code, spec], capture_output=True, text=True, check=True)
    used, *message, later = result.stdout.splitlines()
    needed = (
        "batch bottleneck conv7x7 double linear list narrowed none none paths pooled projection relu scores stride "
        "tables torchvision"
    )
    assert used == needed
    assert "known: linear, mlp, none, policy_value; " in message[-1], "a message names every kind, used or not"
    assert later.startswith("kind='highway'")
    assert later.endswith(" mlp")


def test_building_onnx_loads_no_runtime(tmp_path):
    libraries = loaded_after("build", "cifar-resnet20", "-o", str(tmp_path))
    assert "numpy" in libraries
    assert not libraries & {"onnx", "onnxruntime", "tensorrt_rtx", "PIL", "jinja2", "rich"}
