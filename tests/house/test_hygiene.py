"""Small functions, no loose ends, nothing of the machine it was written on."""

import ast
import re
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from statistics import median

import pytest

from tests.house.rooms import parsed

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "resnet_gen").rglob("*.py"))
UNFINISHED = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|XX" + r"X|NotImplementedError)\b")
OF_A_MACHINE = re.compile(r"(?<![\w.~])/(home|root|Users|work|mnt|private)/\w|\blocalhost\b|\b[A-Z]:\\\\Users\b")


def tracked():
    """The text files that git knows, or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout, so nothing says which files are tracked")
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        data = path.read_bytes() if path.is_file() else b"\0"
        if b"\0" not in data:
            yield name, data.decode("utf-8", "replace")


def functions():
    for path in FILES:
        for node in defined(path):
            length = node.end_lineno - node.lineno + 1 - described(path, node)
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", length


def every_function():
    return (node for path in FILES for node in defined(path))


def defined(path):
    nodes = ast.walk(parsed(path))
    return (node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def described(path, node):
    """The lines of a docstring that is a section of docs/api.md; others count as part of their function."""
    return len(ast.get_docstring(node).splitlines()) if "api" in path.parts and ast.get_docstring(node) else 0


def test_nothing_in_the_package_is_unfinished():
    found = [
        str(p) for p in [*FILES, *(ROOT / "templates").rglob("*.jinja")] if UNFINISHED.search(p.read_text("utf-8"))
    ]
    assert found == []


def test_no_tracked_file_names_a_path_or_a_host_of_somebody_s_machine():
    found = {name: OF_A_MACHINE.search(text).group() for name, text in tracked() if OF_A_MACHINE.search(text)}
    found.pop("tests/house/test_hygiene.py", None)
    assert found == {}


def test_generated_and_built_binaries_are_not_tracked():
    ends = (".onnx", ".engine", ".data", ".pyc")
    assert [name for name, _ in tracked() if name.endswith(ends)] == []


def test_functions_are_short():
    lengths = [length for _, length in functions()]
    assert median(lengths) <= 7
    assert [name for name, length in functions() if length > 45] == []
    assert max(node.end_lineno - node.lineno + 1 for node in every_function()) <= 60


def test_files_are_short():
    lengths = {str(p.relative_to(ROOT)): p.read_text(encoding="utf-8").count("\n") for p in FILES}
    assert {name: n for name, n in lengths.items() if n > 380} == {}


def test_every_module_is_described():
    assert [str(p) for p in FILES if not ast.get_docstring(parsed(p))] == []


def public(tree):
    """Public functions, classes and methods; a method that overrides one is described there."""
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and not node.name.startswith("_") and not overload(node):
            yield node
            if isinstance(node, ast.ClassDef) and not node.bases:
                yield from (m for m in node.body if isinstance(m, ast.FunctionDef) and not m.name.startswith("_"))


def overload(node):
    """Whether it is one signature of a function that is described where its body stands."""
    return any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in node.decorator_list)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_everything_public_is_described(path):
    tree = parsed(path)
    assert [node.name for node in public(tree) if not ast.get_docstring(node)] == []


def printing(path):
    """Where a module prints by itself."""
    for node in ast.walk(parsed(path)):
        name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
        if name in ("print", "click.echo", "click.secho") or re.fullmatch(r"sys\.(stdout|stderr)\.write(lines)?", name):
            yield f"{path.relative_to(ROOT)}:{node.lineno}"


def test_everything_is_printed_through_one_door_which_makes_it_visible():
    found = [
        place for path in FILES for place in printing(path) if path.name != "output.py" or path.parent.name != "cli"
    ]
    assert found == []


def test_every_folder_of_tests_is_looked_into(request):
    passed_over = request.config.getini("norecursedirs")
    folders = {parent for path in (ROOT / "tests").rglob("test_*.py") for parent in path.relative_to(ROOT).parents}
    assert [str(f) for f in folders if f.name and any(fnmatch(f.name, pattern) for pattern in passed_over)] == []
