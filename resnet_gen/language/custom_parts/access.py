"""What files of parts may read: their own text, and what is installed.

By that text reviews, locks and manifests know them. What else of the repository they read would change a network, and
nobody would be told.
"""

from __future__ import annotations

import builtins
import errno
import importlib
import importlib.util
import os
import pathlib
import site
import sys
import sysconfig
import threading
from collections.abc import Callable, Iterator
from functools import cache, wraps
from importlib.machinery import EXTENSION_SUFFIXES
from itertools import islice
from pathlib import Path
from typing import Any

from resnet_gen.system.links import Fence, find_fence
from resnet_gen.system.resources import PACKAGE, targets_folder, templates

MODULES = "resnet_gen_outside_"
"""What the names of modules begin with that are files of parts."""
_LOOKING = ("stat", "lstat", "access", "readlink")
"""Functions of `os` by which a file is known without being opened, and which Python reports to no auditor."""
_LOOKS = "resnet_gen.looks"
_READING = ("open", "os.listdir", "os.scandir", "os.link", "os.rename", "sqlite3.connect", _LOOKS)
_NAMING = ("os.link", "os.rename")
"""What gives a file another name, by which it could be read elsewhere."""
_STARTING = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.startfile", "ctypes.dlopen")
_IMPORTING = ("importlib._bootstrap_external", "_frozen_importlib_external")
_BETWEEN = (__name__, "os", "subprocess", "ctypes", "importlib", "importlib._bootstrap", *_IMPORTING)
"""Modules that stand between a program that is started, or code that is loaded, and whose wish that is."""
_KNOWN = frozenset({"resnet_gen", "numpy", "pydantic", "pydantic_core", "typing_extensions", "annotated_types"})
"""Packages of which it is known that they open files by Python's own functions, or none."""
_NATIVE = frozenset({"curses", "dbm", "readline", "ssl", "tkinter", "_dbm", "_gdbm", "_ssl", "_curses", "_tkinter"})
"""Modules of Python's library that open files by functions of C."""
_MOST_LOOKED_AT = 20_000
"""Files of a package among which compiled code is looked for."""
_WRITING = os.O_WRONLY | os.O_RDWR

_here = threading.local()
_own: set[str] = set()
_fences: set[Fence] = set()
_installed: set[str] = set()


def restrict_file_access(path: Path) -> None:
    """Let files of parts read this one, whose text is known, and nothing else that lies in the repository or project.

    What they try to read all the same is as a file to which they have no right.
    """
    _own.add(os.path.realpath(path))
    around = find_fence()
    _fences.update([around] if around else ())
    _installed.clear()
    _installed.update(_folders_of_packages())
    _listen()


@cache
def _listen() -> None:
    """Look at what this process opens from now on: Python has no way to look no more."""
    sys.addaudithook(_judge_event)
    importlib.import_module = _audit_import(importlib.import_module)
    for module in (os, sys.modules[os.name]):
        module.open = _audit_open(os.open)  # type: ignore[attr-defined]
    for name in _LOOKING:
        audited = _audit_look(getattr(os, name))
        for module in (os, sys.modules[os.name]):
            setattr(module, name, audited)
        accessor = getattr(pathlib, "_NormalAccessor", None)  # Python 3.10's pathlib keeps functions of its own
        if hasattr(accessor, name):
            setattr(accessor, name, staticmethod(audited))


def _audit_look(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of `os` that reports to auditors what it looks at."""

    @wraps(function)
    def looks(path: Any, *arguments: Any, **named: Any) -> Any:
        sys.audit(_LOOKS, _join_open_folder(named.get("dir_fd"), path))
        return function(path, *arguments, **named)

    return looks


def _audit_open(function: Callable[..., int]) -> Callable[..., int]:
    """`os.open` that reports to auditors the whole path of what lies below an open folder."""

    @wraps(function)
    def opens(path: Any, flags: int, *arguments: Any, **named: Any) -> int:
        if named.get("dir_fd") is not None:
            sys.audit("open", _join_open_folder(named["dir_fd"], path), None, flags)
        return function(path, flags, *arguments, **named)

    return opens


def _join_open_folder(folder: int | None, path: Any) -> Any:
    return path if folder is None else os.path.join(os.path.realpath(f"/dev/fd/{folder}"), os.fsdecode(path))  # noqa: PTH118


def _audit_import(function: Callable[..., Any]) -> Callable[..., Any]:
    """`import_module` that looks at who asks."""

    @wraps(function)
    def imports(name: str, package: str | None = None) -> Any:
        _check_import(name)
        return function(name, package)

    return imports


def import_for_parts(name: str, *arguments: Any) -> Any:
    """`__import__` for files of parts; raises `PermissionError` for packages whose compiled code could read files."""
    _check_import(name)
    return builtins.__import__(name, *arguments)


def _check_import(name: str) -> None:
    package = name.partition(".")[0]
    if _is_asked_by_parts() and (package in _NATIVE or not _is_harmless(package)):
        words = "parts import no code in C but numpy's and pydantic's: nobody compares what it reads"
        raise PermissionError(errno.EACCES, words, name)


def _is_asked_by_parts() -> bool:
    return next((n for n in _callers() if n not in _BETWEEN), "").startswith(MODULES)


@cache
def _is_harmless(package: str) -> bool:
    """Whether a package has no compiled code, or such as is known."""
    if not package or package in _KNOWN or package in sys.stdlib_module_names:
        return True
    found = importlib.util.find_spec(package)
    places = [] if found is None else [found.origin or "", *(found.submodule_search_locations or ())]
    files = (file for place in places for file in (place, *(f for *_, names in os.walk(place) for f in names)))
    return not any(file.endswith(tuple(EXTENSION_SUFFIXES)) for file in islice(files, _MOST_LOOKED_AT))


def _judge_event(event: str, arguments: tuple[Any, ...]) -> None:
    if event in _READING and not getattr(_here, "hears", False):
        _here.hears = True  # to find out what is read, this looks at files itself
        try:
            _refuse_reading(event, arguments)
        finally:
            _here.hears = False
    elif event in _STARTING and _is_asked_by_parts():
        raise PermissionError(errno.EACCES, "parts start no program: nobody compares what it reads", str(arguments[0]))


def _refuse_reading(event: str, arguments: tuple[Any, ...]) -> None:
    callers = list(_callers())
    if event in _NAMING and arguments[2] != -1:
        arguments = (_join_open_folder(arguments[2], arguments[0]),)
    if callers and any(name.startswith(MODULES) for name in callers) and _is_forbidden(event, arguments, callers[0]):
        refused = PermissionError(errno.EACCES, "parts are one file, and read nothing beside it", _find_path(arguments))
        if event == _LOOKS:  # `exists` would take the one for a no
            raise RuntimeError(str(refused))
        raise refused


def _callers() -> Iterator[str]:
    """The modules whose code is at work, the innermost first."""
    frame = sys._getframe(1)
    while frame:
        name = frame.f_globals.get("__name__", "")
        if name != __name__:
            yield str(name)
        frame = frame.f_back  # type: ignore[assignment]


def _is_forbidden(event: str, arguments: tuple[Any, ...], caller: str) -> bool:
    """Whether something is read that lies in a repository, and is no text of a part and not installed."""
    path = _find_path(arguments)
    if path is None or (event == _LOOKS and _holds_own_file(path)):
        return False
    writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & _WRITING == os.O_WRONLY
    looks = event != "open" and caller in _IMPORTING  # for modules, what it finds is kept
    if writes or looks:
        return False
    paths = {os.path.abspath(path), os.path.realpath(path)}  # noqa: PTH100 - as it is written, too
    kept = [one for one in paths if any(around.holds(Path(one)) for around in _fences)]
    return bool(kept) and not paths & _own and not all(_is_installed(Path(one)) for one in kept)


def _holds_own_file(path: str) -> bool:
    """Whether a part's own file lies in a folder, which is looked at where its path is resolved."""
    return any(Path(one).is_relative_to(os.path.abspath(path)) for one in _own)  # noqa: PTH100


def _find_path(arguments: tuple[Any, ...]) -> str | None:
    """What is read, None for a file that is open already."""
    given = arguments[0]
    return None if isinstance(given, int) else os.fsdecode("." if given is None else given)


def _is_installed(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in _installed)


def _folders_of_packages() -> list[str]:
    """Folders of this package and of others, and Python's own; none in which a whole repository lies."""
    ours = (PACKAGE, templates(), targets_folder().parent)
    python = (sys.prefix, sys.base_prefix, site.getusersitepackages(), *sysconfig.get_paths().values())
    around = [fence.root for fence in _fences]
    folders = map(str, (*ours, *python))
    return [folder for folder in folders if not any(root.is_relative_to(folder) for root in around)]
