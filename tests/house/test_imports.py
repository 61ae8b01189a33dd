"""Imports flow one way, and third-party libraries stay in their rooms."""

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = "resnet_gen"

MAY_IMPORT = {
    "files": "",
    "forking": "",
    "isolated": "",
    "synonyms": "",
    "problems": "synonyms",
    "printed": "",
    "resources": "",
    "docstrings": "",
    "nesting": "",
    "source": "files nesting problems",
    "yaml_writer": "problems source",
    "ops": "",
    "graph": "ops problems",
    "parts.base": "graph ops",
    "parts.registry": "parts.base",
    "parts": "parts.base parts.registry graph ops problems",
    "results": "parts.base problems",
    "beside": "links resources",
    "outside": "beside digest files parts.base parts.registry problems results",
    "toml_places": "problems source",
    "toml_source": "problems source toml_places",
    "budgets": "count precision printed",
    "faults": "parts.base parts.registry problems source",
    "spec": "budgets count faults outside parts.base parts.registry printed problems source",
    "schema": "spec",
    "precision": "ops",
    "targets": "faults precision problems resources source spec",
    "project_files": "files",
    "project": "budgets faults links problems project_files resources source spec toml_source",
    "language": "budgets parts.base parts.registry render spec",
    "inherited": "problems source spec",
    "load": "digest inherited links outside spec source problems resources",
    "plan": "spec load parts.base parts.registry problems source",
    "notes": "load lower outside parts.base plan problems source spec",
    "keep": "graph load ops plan problems",
    "checked": "graph ops problems",
    "lower": "spec inherited keep load outside parts.base plan checked graph ops problems source",
    "design": "graph load lower ops plan problems",
    "count": "graph ops",
    "fingerprint": "digest graph ops",
    "lock": "count faults fingerprint graph load problems source spec stated toml_source",
    "lock_changes": "lock",
    "torch_modules": "graph ops",
    "conventions": "count graph ops torch_modules",
    "papers": "conventions load problems spec",
    "matching": "graph ops",
    "stated": "load",
    "difference": "digest files count graph links load lock lower matching ops outside passes problems project "
    "project_files reading resources source spec stated targets verify",
    "reference": "files ops problems resources",
    "kernels": "graph ops",
    "predict": "graph kernels load lower ops precision problems targets",
    "comments": "problems source",
    "verify": "budgets build comments count design graph links load lock lock_changes lower notes ops plan "
    "precision predict printed problems project reference source spec targets",
    "weights": "files graph ops problems",
    "reading": "files forking graph isolated journal ops problems weights",
    "passes": "graph ops problems weights",
    "render": "files problems resources",
    "links": "problems project_files",
    "digest": "files",
    "locks": "",
    "staging": "files locks",
    "journal": "digest files locks problems staging",
    "commit": "files journal problems staging",
    "write": "commit files journal links locks problems staging",
    "witness": "count graph ops",
    "witness.onnx": "count graph ops witness",
    "witness.reading": "forking graph witness witness.onnx",
    "emit.onnx": "graph ops problems weights",
    "emit.text": "count graph ops problems",
    "emit.catalogue": "count load lower render resources spec verify",
    "emit.api": "api precision render weights",
    "emit.findings": "problems verify",
    "emit.rules": "verify",
    "emit.report": "emit.text count graph load lower render spec verify write",
    "emit.difference": "count difference emit.text graph ops problems stated",
    "emit.trtexec": "graph",
    "emit.bundle": "emit.trtexec graph render weights",
    "emit.triton": "graph render spec",
    "engine.signals": "",
    "engine.base": "problems weights",
    "engine.onnxruntime": "files engine.base problems weights",
    "engine.openvino": "engine.base problems weights",
    "engine.runtimes": "files engine.base engine.onnxruntime engine.openvino engine.tensorrt engine.tensorrt_run "
    "problems "
    "reading",
    "engine.tensorrt": "engine.signals graph problems witness",
    "engine.tensorrt_run": "files engine.base engine.tensorrt problems weights",
    "shapes": "problems",
    "bench": "engine.base problems weights",
    "plot": "bench problems",
    "image_limits": "",
    "image_decoders": "image_limits",
    "image": "files image_decoders image_limits problems spec weights",
    "calibrate": "digest emit.onnx engine.base engine.onnxruntime graph image ops passes precision problems spec "
    "weights",
    "quantization": "calibrate graph keep load ops passes precision problems weights",
    "sample": "calibrate graph image ops problems spec weights",
    "deliver": "emit.bundle emit.triton graph load sample targets weights",
    "manifest": "files count digest graph load problems",
    "told": "faults files manifest problems",
    "engine.machine": "files engine.tensorrt problems",
    "engine.processor": "engine.base files problems reading",
    "fit": "digest engine.machine engine.onnxruntime journal load problems targets told",
    "against": "calibrate checkpoint count digest emit.text fit graph lower matching ops passes precision problems "
    "reading spec told verify weights",
    "request": "engine.tensorrt ops precision targets",
    "prepare": "checkpoint count graph load lower passes quantization request weights",
    "cost": "calibrate load ops prepare problems request",
    "build": "cost deliver emit.onnx engine.tensorrt journal load manifest precision prepare problems request "
    "witness.reading write",
    "models": "files build engine.base engine.runtimes engine.tensorrt journal load manifest problems request "
    "spec weights",
    "comparison": "difference emit.difference precision predict targets",
    "choose": "engine.tensorrt ops precision problems request targets",
    "convert": "graph infer load lower ops parts parts.base parts.registry problems reference weights write",
    "checkpoint": "convert graph load lower ops problems weights",
    "infer": "design faults graph load lower matching ops parts parts.base parts.registry passes plan problems reading "
    "reference resources source spec weights yaml_writer",
    "starter": "faults problems render spec",
    "batches": "engine.tensorrt lower problems request shapes",
    "modules": "graph load lower ops parts.base plan problems",
    "generate.base": "count graph load lower",
    "generate.docstrings": "generate.base generate.layout ops render",
    "generate.layout": "",
    "generate.output": "files journal problems write",
    "generate.torch_calls": "modules ops",
    "generate.torch_names": "problems",
    "generate.spelling": "",
    "generate.python": "generate.layout generate.spelling modules ops",
    "generate.targets": "deliver digest emit.report generate.base generate.docstrings generate.layout "
    "generate.python generate.spelling generate.torch_calls generate.torch_names graph manifest modules ops problems "
    "render request told",
    "pytest_plugin": "cli difference problems verify",
    "api": "against batches bench build choose comparison conventions convert cost count difference emit.difference "
    "emit.report emit.text engine.base engine.processor engine.runtimes fit generate.base generate.output graph image "
    "infer journal load lower models papers precision predict problems request resources schema source starter targets "
    "torch_modules verify weights write yaml_writer",
    "cli": "*",
    "__main__": "cli",
}
"""Which rooms of the package each room may import from; `*` is all of them."""

THIRD_PARTY = {
    "PIL": "image image_decoders",
    "click": "cli",
    "cuda": "engine.tensorrt_run",
    "jinja2": "render",
    "matplotlib": "plot",
    "ml_dtypes": "engine.base reading weights",
    "numpy": "against api bench calibrate cli convert emit.bundle emit.onnx engine.base engine.onnxruntime "
    "engine.openvino engine.tensorrt_run image infer models passes reading sample weights",
    "onnx": "reading witness.onnx",
    "onnxruntime": "engine.onnxruntime",
    "pydantic": "budgets cli faults infer lock models outside parts parts.base parts.registry project schema spec "
    "language targets told",
    "pydantic_core": "budgets faults lock parts parts.base parts.registry project spec targets told",
    "openvino": "engine.openvino",
    "rich": "cli",
    "pytest": "pytest_plugin",
    "safetensors": "weights",
    "tomli": "toml_places toml_source",
    "typing_extensions": "api parts.base",
    "yaml": "nesting comments source yaml_writer",
}
"""Which rooms may import each library."""


def files():
    return sorted((ROOT / PACKAGE).rglob("*.py"))


def module(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in files()}


def room(name):
    """The row of the table that a module stands in; None for the package itself and for folders' docstrings."""
    name = name.removeprefix(PACKAGE).removeprefix(".")
    while name and name not in MAY_IMPORT:
        name = name.rpartition(".")[0]
    return name or None


def imports(path):
    """Every module that a file imports, at its top or inside a function, as a full name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else node.module


def inside():
    """(room, imported room) of every import inside the package."""
    pairs = {
        (room(name), room(other))
        for name, path in MODULES.items()
        for other in imports(path)
        if other.split(".")[0] == PACKAGE
    }
    return {(a, b) for a, b in pairs if a and b and a != b}


def test_every_module_has_a_room():
    without = {name for name in MODULES if not room(name)}
    assert without == {PACKAGE, f"{PACKAGE}.emit", f"{PACKAGE}.engine", f"{PACKAGE}.generate"}
    for name in without - {PACKAGE}:
        assert list(imports(MODULES[name])) == [], f"{name} is a docstring and nothing more"


def test_importing_the_package_imports_nothing_of_it():
    code = (
        "import sys, resnet_gen\nprint(*sorted(n for n in sys.modules if n.startswith('resnet_gen') or n == 'typing'))"
    )
    result = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.split() == [PACKAGE]


def test_every_room_of_the_table_is_there():
    assert {room(name) for name in MODULES} - {None} == set(MAY_IMPORT)
    assert {word for words in MAY_IMPORT.values() for word in words.split()} <= {*MAY_IMPORT, "*"}


def test_rooms_import_from_the_rooms_that_the_table_allows():
    wrong = [(a, b) for a, b in inside() if b not in MAY_IMPORT[a].split() and MAY_IMPORT[a] != "*"]
    assert sorted(wrong) == []


def test_imports_between_rooms_have_no_circle():
    graph = {}
    for a, b in inside():
        graph.setdefault(a, set()).add(b)
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("ops") < order.index("graph") < order.index("lower") < order.index("build") < order.index("cli")


def test_nothing_but_the_command_line_and_pytest_s_knows_the_command_line():
    assert {a for a, b in inside() if b == "cli"} == {"__main__", "pytest_plugin"}


def test_third_party_libraries_stay_in_their_rooms():
    found = {}
    for name, path in MODULES.items():
        for other in imports(path):
            library = other.split(".")[0]
            if library != PACKAGE and library not in {*sys.stdlib_module_names, "tomllib"}:  # which 3.10 lacks
                found.setdefault(library, set()).add(room(name))
    assert found.keys() <= THIRD_PARTY.keys()
    wrong = {library: rooms - set(THIRD_PARTY[library].split()) for library, rooms in found.items()}
    assert {library: rooms for library, rooms in wrong.items() if rooms} == {}


LAZY = {"tensorrt", "tensorrt_rtx", "onnxruntime", "openvino", "cuda", "matplotlib", "torch", "rich"}


def test_runtimes_and_plotting_are_never_imported_at_a_module_s_top():
    for path in files():
        tree = ast.parse(path.read_text(encoding="utf-8"))
        top = {n.split(".")[0] for node in tree.body for n in imports_of(node)}
        assert not top & LAZY, path


def imports_of(node):
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) else []


HEAVY = {"numpy", "onnx", "pydantic", "onnxruntime", "tensorrt_rtx", "PIL", "jinja2", "rich", "yaml", "ml_dtypes"}


def loaded_after(*arguments):
    """The libraries that stand in `sys.modules` after a command, in a process of its own."""
    code = (
        "import sys\n"
        "from resnet_gen.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as left: assert not left.code, left.code\n"
        "print(*{name.split('.')[0] for name in sys.modules}, file=sys.stderr)\n"
    )
    result = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
    return set(result.stderr.splitlines()[-1].split()) & HEAVY


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("build", "--help"), ("verify", "--help")])
def test_help_loads_no_heavy_library(arguments):
    assert loaded_after(*arguments) == set()


def test_looking_at_a_spec_loads_only_what_reads_it():
    assert loaded_after("count", "resnet50") == {"pydantic", "yaml"}
    assert loaded_after("verify", "resnet50") == {"pydantic", "yaml"}


def test_looking_at_a_spec_imports_its_parts_and_no_others():
    code = (
        "import sys\n"
        "from resnet_gen.load import load\n"
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
