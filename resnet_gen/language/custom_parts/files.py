"""Parts from outside the package: Python files that a spec names, and installed packages that offer some.

Their code is run, so that whoever reads such a spec is warned; faults in it are reported as those of a spec are.
"""

from __future__ import annotations

import builtins
import importlib.util
import os
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from threading import Event
from types import TracebackType
from typing import NoReturn, TypeAlias, TypeVar

from pydantic import PydanticUserError

from resnet_gen.language.custom_parts.access import MODULES, import_for_parts, restrict_file_access
from resnet_gen.language.custom_parts.return_types import check_returns
from resnet_gen.parts.base import FAMILIES, Part
from resnet_gen.parts.registry import forget_parts, load_parts, members
from resnet_gen.problems import Problem, Refused, Span, refuse, several
from resnet_gen.system.digest import digest_text
from resnet_gen.system.files import read_regular_file, why_unread

GROUP = "resnet_gen.parts"
"""Entry points of this group are modules that define parts."""

T = TypeVar("T")
Permit: TypeAlias = Callable[[bytes], str | None]
"""Says why the text of a file of parts is not run; None where it is."""
permit: ContextVar[Permit | None] = ContextVar("permit", default=None)
"""What lets files of parts run; None lets all."""
notice: ContextVar[Callable[[str], None] | None] = ContextVar("notice", default=None)
"""What gets the name of each file of parts whose code is about to be used."""
_run: dict[str, str] = {}
"""Name of each module from outside, and how messages call it."""
_has_run = Event()
"""Set once any was run: they may be forgotten, and some spec still have their parts."""


class CodeWarning(UserWarning):
    """Code from outside the package is run."""


@contextmanager
def hold_value(variable: ContextVar[T], value: T) -> Iterator[None]:
    """Inside, a variable has a value."""
    before = variable.set(value)
    try:
        yield
    finally:
        variable.reset(before)


def give_notice(shown: str) -> None:
    """Tell whoever asked for it that code of parts is about to be used."""
    if notify := notice.get():
        notify(shown)


def run_file(path: Path, where: Span | None, shown: str) -> str:
    """Run the parts in a Python file, which messages call `shown`, once a process; returns the SHA-256 of its text.

    Warns with `CodeWarning`. Raises `Refused` if it cannot be read or run, may not be, or defines no sound part.
    """
    permitted = permit.get()
    try:
        text = read_regular_file(path)
    except OSError as error:
        raise refuse(f"parts: {why_unread(error)}", where) from None
    if permitted and (reason := permitted(text)):
        raise refuse(f"parts: '{shown}' is not run: {reason}", where, "--parts says which are (docs/ci.md)")
    give_notice(shown)
    restrict_file_access(path)
    digest = digest_text(text)
    name = MODULES + digest_text(f"{path.resolve()}\0{digest}")[:16]
    if name not in _run:
        _warn(f"the Python code in '{shown}' is run", where)
        # Code that only its own text speaks for finds nothing beside it.
        _load_file(name, Path(os.devnull) / path.name if permitted else path, text, where, shown)
    return digest


def has_run() -> bool:
    """Whether this process has run any code from outside."""
    return _has_run.is_set()


def forget_files() -> bool:
    """Know no longer what files define: another revision of a file defines the same. Returns whether any did."""
    names = {name for name in _run if name.startswith(MODULES)}
    forget_parts(part for part in _list_parts() if part.__module__ in names)
    for name in names:
        del _run[name]
    return bool(names)


def run_installed() -> None:
    """Run the parts that installed packages offer; warns with `CodeWarning` of each."""
    from importlib.metadata import entry_points  # takes as long to import as a spec to read

    for entry in entry_points(group=GROUP):
        if entry.value not in _run:
            package = entry.dist.name if entry.dist else entry.value
            _warn(f"the parts of the installed package '{package}' are run", None)
            with _define_parts(entry.value, f"entry point '{entry.name}' of '{package}'", None):
                entry.load()


def _warn(message: str, where: Span | None) -> None:
    warnings.warn(CodeWarning(str(Problem(message, where, severity="warning"))), stacklevel=2)


class _AsRead(SourceFileLoader):
    """Runs the very bytes that were read: what was compiled and kept may be of another text of that second and size."""

    def __init__(self, name: str, path: Path, text: bytes) -> None:
        super().__init__(name, str(path))
        self._text = text

    def get_data(self, path: str) -> bytes:
        return self._text

    def path_stats(self, path: str) -> NoReturn:
        raise OSError  # by which none are looked for, nor kept


def _load_file(name: str, path: Path, text: bytes, where: Span | None, shown: str) -> None:
    loader = _AsRead(name, path, text)
    found = ModuleSpec(name, loader, origin=str(path))
    found.has_location = True
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module
    with _define_parts(name, shown, where):
        module.__dict__["__builtins__"] = {**vars(builtins), "__import__": import_for_parts}
        loader.exec_module(module)


@contextmanager
def _define_parts(name: str, shown: str, where: Span | None) -> Iterator[None]:
    """What runs inside defines parts; none of them is kept if anything is wrong."""
    load_parts()  # kinds that are there are known by then
    before = set(_list_parts())
    _run[name] = shown
    _has_run.set()
    try:
        yield
        fault = _find_fault(_list_new_parts(before), before)
        for part in _list_new_parts(before):
            check_returns(part, shown)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        fault = _describe_error(error, shown)
    if fault:
        del _run[name]
        forget_parts(_list_new_parts(before))
        raise refuse(f"parts: {fault}", where)


def _list_parts() -> list[type[Part]]:
    return [part for family in FAMILIES for part in members(family)]


def _list_new_parts(before: set[type[Part]]) -> list[type[Part]]:
    return [part for part in _list_parts() if part not in before]


def _find_fault(added: list[type[Part]], before: set[type[Part]]) -> str | None:
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


def blame_part(error: BaseException) -> BaseException:
    """A refusal that names the line of code from outside in which an exception rose; else the exception itself."""
    frame = None if isinstance(error, Refused) else _find_frame(error)
    return error if frame is None else refuse(f"parts: {_describe_error(error, _run[_module_name(frame)])}")


def _describe_error(error: BaseException, shown: str) -> str:
    """An exception of a file from outside, with the line where it rose."""
    frame = _find_frame(error)
    line = frame.tb_lineno if frame else getattr(error, "lineno", None)
    return f"{shown}:{line}: {type(error).__name__}: {error}" if line else f"{shown}: {type(error).__name__}: {error}"


def _find_frame(error: BaseException) -> TracebackType | None:
    """The innermost place in code from outside that an exception passed through, None if none."""
    found, at = None, error.__traceback__
    while at:
        found = at if _module_name(at) in _run else found
        at = at.tb_next
    return found


def _module_name(at: TracebackType) -> str:
    return str(at.tb_frame.f_globals.get("__name__"))
