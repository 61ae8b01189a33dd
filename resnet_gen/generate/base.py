"""What a target is given, what it returns, and how targets are found."""

from __future__ import annotations

import importlib
import keyword
import re
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import ModuleType

from resnet_gen.graph.counts import Counts, count
from resnet_gen.infer.network_sources import SpecNetwork


@dataclass(frozen=True)
class CodeSubject(SpecNetwork):
    """The network that something is generated for."""

    build: Path | None = None
    """A folder in which it may have been built, whose manifest names files."""

    @cached_property
    def counts(self) -> Counts:
        """The counts of its graph, for one image."""
        return count(self.graph)

    @property
    def module(self) -> str:
        """The name as a Python module has it: `cifar_resnet20`."""
        return make_identifier(self.name)


def make_identifier(text: str) -> str:
    """A text as the name of a module: other characters become `_`, and what has another meaning gets one behind it."""
    name = re.sub(r"\W", "_", text, flags=re.ASCII)
    name = f"_{name}" if name[:1].isdigit() else name
    taken = keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in (*_IMPORTED, *sys.stdlib_module_names)
    return f"{name}_" if taken else name


_IMPORTED = ("flax", "jax", "numpy", "torch")
"""What generated files import; a file of such a name beside one would be imported instead."""


TARGETS = "resnet_gen.generate.targets"
"""The package that holds a module for each target; they import this one, not the other way round."""


def import_target(name: str) -> ModuleType:
    """The module of a target: its docstring says what it is, `files(subject)` gives texts by their file names."""
    return importlib.import_module(f"{TARGETS}.{name}")


def generate_files(subject: CodeSubject, to: str) -> dict[str, str]:
    """The files of one target, by name, `/` between folders. Raises `Refused` where it cannot be done."""
    files: dict[str, str] = import_target(to).files(subject)
    return files
