"""The rooms of the package in one ordered list, and who imports what.

The tests here and the picture in docs/design.md are made of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = "resnet_gen"

ROOMS = (
    "problems",
    "system",
    "ops",
    "graph",
    "parts",
    "language",
    "weights",
    "onnx",
    "infer",
    "engine",
    "quantization",
    "speed",
    "build",
    "project",
    "verify",
    "generate",
    "compare",
    "api",
    "cli",
)
"""From the ground up: each imports from those before it alone."""


def files() -> list[Path]:
    """Every file of the package."""
    return sorted((ROOT / PACKAGE).rglob("*.py"))


def module(path: Path) -> str:
    """The dotted name of a file's module."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module(path): path for path in files()}


def room(name: str) -> str:
    """The room of a module; empty for the package's own file. `__main__` belongs to the command line that it starts."""
    first = name.removeprefix(PACKAGE).removeprefix(".").partition(".")[0]
    return "cli" if first == "__main__" else first


def imports(tree: ast.AST) -> Iterator[str]:
    """Every module that code imports, at its top or inside a function, as a full name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import"
            for alias in node.names:
                inner = f"{node.module}.{alias.name}"
                yield inner if inner in MODULES else str(node.module)


@cache
def parsed(path: Path) -> ast.Module:
    """The code of a file."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def arrows() -> set[tuple[str, str]]:
    """(room, imported room) of every import between two rooms."""
    pairs = {(room(name), room(other)) for name, other in inside()}
    return {(a, b) for a, b in pairs if a and b and a != b}


@cache
def inside() -> set[tuple[str, str]]:
    """(module, imported module) of every import inside the package."""
    return {
        (name, other)
        for name, path in MODULES.items()
        for other in imports(parsed(path))
        if other.split(".")[0] == PACKAGE
    }


WALK = (
    "cli.build_files.build_all",
    "build.request_resolution.resolve_request",
    "language.load.load",
    "build.build.build",
    "build.passes.prepare",
    "language.lower.lower",
    "graph.counts.count",
    "quantization.quantizer.quantize_network",
    "quantization.float_types.set_precision",
    "build.build.onnx_file",
    "onnx.witness.process.start_readback",
    "system.write.Transaction.write",
    "engine.tensorrt.build",
    "build.manifest.manifest_text",
)
"""The functions through which `resnet-gen build` takes a spec, in the order in which each is first entered."""


def purpose(name: str) -> str:
    """What the docstring of a module says first, as one paragraph."""
    return " ".join((ast.get_docstring(parsed(MODULES[name])) or "").partition("\n\n")[0].split())


def flow(name: str) -> str:
    """What the docstring of a room says comes in and goes out: its second paragraph."""
    return " ".join((ast.get_docstring(parsed(MODULES[name])) or "").split("\n\n")[1].split())
