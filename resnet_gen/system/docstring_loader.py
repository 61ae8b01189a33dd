"""Docstrings of this package are data: help, rules, the schema and generated code show them.

`python -OO` compiles code without them. Where it does, the modules below this package are compiled with theirs, so
that the same input gives the same bytes.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType

PACKAGE = "resnet_gen."


class _Documented(SourceFileLoader):
    """Compiles a module with its docstrings, and leaves Python's cache, whose code has none, alone."""

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        code: CodeType = compile(self.get_data(path), path, "exec", dont_inherit=True, optimize=1)
        return code


class _Finder:
    """Finds the modules of this package that stand in files."""

    @staticmethod
    def find_spec(name: str, path: object = None, _target: object = None) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path) if name.startswith(PACKAGE) else None  # type: ignore[arg-type]
        if spec and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Documented(spec.loader.name, spec.loader.path)
        return spec


def install_loader() -> None:
    """Keep the docstrings of what is imported from now on."""
    if _Finder not in sys.meta_path:
        sys.meta_path.insert(0, _Finder)
