"""A process for each mutant, forked from one that has the libraries imported and nothing of ours."""

from __future__ import annotations

import importlib
import os
import resource
import signal
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from tests.mutants.importing import VARIABLE, install, module_of
from tests.mutants.mutate import ROOT, Mutant
from tests.mutants.selection import Stage

_LIBRARIES = ("click", "hypothesis", "jinja2", "ml_dtypes", "numpy", "onnx", "onnxruntime", "PIL.Image", "pydantic",
              "pytest", "safetensors", "yaml", "onnx.checker", "onnx.shape_inference")  # fmt: skip
_MEMORY = 8 << 30
_PATIENCE = 12
"""How many times as long as CPU time is granted may pass on the wall: other processes want the machine too."""
SURVIVED = "survived"
_REWRITTEN = "ignore:Module already imported:pytest.PytestAssertRewriteWarning"


_ENDS = {0: SURVIVED, 1: "killed by a test", 5: "no test looked at it"}


class Verdict(NamedTuple):
    """What became of a mutant: `survived`, or what killed it."""

    status: str
    by: str
    seconds: float


def prepare() -> None:
    """Import what every mutant needs; a library that is not here is not needed."""
    assert not any(name.partition(".")[0] == "resnet_gen" for name in sys.modules), "mutants come before imports"
    for name in _LIBRARIES:
        with suppress(ImportError):
            importlib.import_module(name)


def look(mutant: Mutant | None, stages: Sequence[Stage], folder: Path) -> Verdict:
    """Run the tests, stage by stage, until one fails; without a mutant, on the code as it is."""
    begun = time.monotonic()
    for stage in stages:
        status, by = _look(mutant, stage, folder)
        if status != SURVIVED:
            return Verdict(status, by, round(time.monotonic() - begun, 1))
    return Verdict(SURVIVED, "", round(time.monotonic() - begun, 1))


def _look(mutant: Mutant | None, stage: Stage, folder: Path) -> tuple[str, str]:
    limit = int(30 + 5 * stage.seconds)
    told = folder / f"told.{os.getpid()}"
    told.unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        _test(mutant, stage, limit, told)
    status = _wait(child, limit * _PATIENCE)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(child, signal.SIGKILL)  # what its tests have started
    by = told.read_text(encoding="utf-8").strip() if told.exists() else ""
    if status is None or os.WIFSIGNALED(status):
        return "killed by time, memory or a signal", by
    code = os.WEXITSTATUS(status)
    return _ENDS.get(code, "killed by not starting"), by


def _wait(child: int, seconds: float) -> int | None:
    """The process's status, None where it had to be ended."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status
        time.sleep(0.02)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None


def _test(mutant: Mutant | None, stage: Stage, limit: int, told: Path) -> None:
    """In the child: bring the mutant, and run the tests."""
    code = 3
    try:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
        sink = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(sink, descriptor)
        os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parent / "site"), str(ROOT)])
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        if mutant:
            os.environ[VARIABLE] = f"{mutant.file} {mutant.number}"
        install()
        if mutant:  # at once: pytest would load modules of ours by a finder of its own, as they belong to a plugin
            importlib.import_module(module_of(mutant.file))
        import pytest

        plain = [
            "-x",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "no:xdist",
            "--hypothesis-seed=0",
            "--tb=no",
            "-W",
            "default",
        ]
        files = sorted({test.partition("::")[0] for test in stage.tests})
        code = int(pytest.main([*plain, *files], plugins=[_Chosen(stage.tests, told)]))
    finally:
        os._exit(code)


class _Chosen:
    """Runs the chosen tests in their order, and tells which fails."""

    def __init__(self, tests: Sequence[str], told: Path) -> None:
        self.order = {test: number for number, test in enumerate(tests)}
        self.told = told

    def pytest_collection_modifyitems(self, items):
        """Leave the others out."""
        items[:] = sorted((i for i in items if i.nodeid in self.order), key=lambda item: self.order[item.nodeid])

    def pytest_runtest_logreport(self, report):
        """Tell of a failure at once."""
        if report.failed:
            self.told.write_text(report.nodeid, encoding="utf-8")
