"""Parts from outside the package: Python files that a spec names, and installed packages that offer some.

Their code is run, so that whoever reads such a spec is told; faults in it are
reported as those of a spec are.
"""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import PydanticUserError

from resnet_gen.parts.base import FAMILIES, Part
from resnet_gen.parts.registry import forget, members
from resnet_gen.problems import Problem, Refused, Span, refuse, several

GROUP = "resnet_gen.parts"
"""Entry points of this group are modules that define parts."""

_MODULES = "resnet_gen_outside_"
_run: dict[str, str] = {}
"""Name of each module from outside, and how messages call it."""


class CodeWarning(UserWarning):
    """Code from outside the package is run."""


def run_file(path: Path, where: Span | None) -> str:
    """Run the parts in a Python file, once a process; returns the SHA-256 of its text.

    Warns with `CodeWarning`. Raises `Refused` if it cannot be read or run, or defines no sound part.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise refuse(f"parts: cannot be read: {error.strerror}", where) from None
    digest = hashlib.sha256(text).hexdigest()
    name = _MODULES + hashlib.sha256(f"{path.resolve()}\0{digest}".encode()).hexdigest()[:16]
    if name not in _run:
        _warn(f"the Python code in '{path}' is run", where)
        _load(name, path, where)
    return digest


def run_installed() -> None:
    """Run the parts that installed packages offer; warns with `CodeWarning` of each."""
    from importlib.metadata import entry_points  # takes as long to import as a spec to read

    for entry in entry_points(group=GROUP):
        if entry.value not in _run:
            package = entry.dist.name if entry.dist else entry.value
            _warn(f"the parts of the installed package '{package}' are run", None)
            with _adding(entry.value, f"entry point '{entry.name}' of '{package}'", None):
                entry.load()


def _warn(message: str, where: Span | None) -> None:
    warnings.warn(CodeWarning(str(Problem(message, where, severity="warning"))), stacklevel=2)


def _load(name: str, path: Path, where: Span | None) -> None:
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None:
        raise refuse("parts: not a Python file", where, "write parts in a file that ends in '.py'")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    with _adding(name, str(path), where):
        found.loader.exec_module(module)


@contextmanager
def _adding(name: str, shown: str, where: Span | None) -> Iterator[None]:
    """What runs inside defines parts; none of them is kept if anything is wrong."""
    before = set(_parts())
    _run[name] = shown
    try:
        yield
        fault = _fault(_new(before), before)
    except Exception as error:  # whatever somebody's code raises
        fault = _told(error, shown)
    if fault:
        _run.pop(name)
        forget(_new(before))
        raise refuse(f"parts: {fault}", where)


def _parts() -> list[type[Part]]:
    return [part for family in FAMILIES for part in members(family)]


def _new(before: set[type[Part]]) -> list[type[Part]]:
    return [part for part in _parts() if part not in before]


def _fault(added: list[type[Part]], before: set[type[Part]]) -> str | None:
    """What is wrong with new parts; None if nothing is."""
    if not added:
        return "no part is defined there"
    for part in added:
        family = next(family for family in FAMILIES if issubclass(part, family))
        if any(issubclass(other, family) and other.kind_name() == part.kind_name() for other in before):
            return f"there is a '{part.kind_name()}' already"
        if missing := sorted(part.__abstractmethods__):
            return f"'{part.kind_name()}' lacks {several(len(missing), 'method')}: {', '.join(missing)}"
        try:
            part.model_rebuild(force=True)
        except PydanticUserError as error:
            return f"'{part.kind_name()}' has settings that cannot be read: {error.message}"
    return None


def _told(error: BaseException, shown: str) -> str:
    """An exception in a file from outside, with the line where it rose."""
    import traceback

    frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == shown]
    line = frames[-1].lineno if frames else getattr(error, "lineno", None)
    place = f"{shown}:{line}" if line else shown
    return f"{place}: {type(error).__name__}: {error}"


def blamed(error: Exception) -> Exception:
    """A refusal that names the line of code from outside in which an exception rose; else the exception itself."""
    shown = None if isinstance(error, Refused) else _culprit(error)
    return error if shown is None else refuse(f"parts: {_told(error, shown)}")


def _culprit(error: BaseException) -> str | None:
    """The file from outside that an exception passed through, None if none."""
    names: list[Any] = []
    at = error.__traceback__
    while at:
        names.append(at.tb_frame.f_globals.get("__name__"))
        at = at.tb_next
    return next((_run[name] for name in reversed(names) if name in _run), None)
