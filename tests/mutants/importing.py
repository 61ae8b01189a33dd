"""Brings one mutant to this process: the import of its file finds the changed code."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path

from tests.mutants.mutate import ROOT, mutated

VARIABLE = "RESNET_GEN_MUTANT"
"""The environment variable that names a mutant: `FILE NUMBER`."""


def module_of(file: str) -> str:
    """The name that a file is imported by."""
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


class _Loader(importlib.machinery.SourceFileLoader):
    number: int

    def get_code(self, fullname: str):
        """The changed code; nothing is cached."""
        with open(self.path, encoding="utf-8") as stream:  # noqa: PTH123 - before pathlib is needed
            return compile(mutated(stream.read(), self.number), self.path, "exec")


class _Finder(importlib.abc.MetaPathFinder):
    def __init__(self, file: str, number: int) -> None:
        self.module = module_of(file)
        self.path, self.number = str(ROOT / file), number

    def find_spec(self, fullname, path=None, target=None):
        """The mutant's module, and no other."""
        if fullname != self.module:
            return None
        loader = _Loader(fullname, self.path)
        loader.number = self.number
        return importlib.util.spec_from_file_location(
            fullname, self.path, loader=loader, submodule_search_locations=self._inside()
        )

    def _inside(self):
        return [str(Path(self.path).parent)] if self.path.endswith("__init__.py") else None


def install() -> None:
    """Bring the mutant that the environment names, if it names one."""
    if named := os.environ.get(VARIABLE):
        file, number = named.split()
        sys.meta_path.insert(0, _Finder(file, int(number)))
