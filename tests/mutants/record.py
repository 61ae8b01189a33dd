"""Which tests call which functions of the core, and how long each takes: a plugin of pytest's.

`python -m tests.mutants record` runs the tests with it. What a test calls in a process of its own is not seen,
and a fixture that several tests share is the first one's: `run` looks at a test's whole file, in the end.
"""

from __future__ import annotations

import json
import os
import sys
import time

import pytest

from tests.mutants.mutate import ROOT, files

FOLDER = ROOT / "build" / "mutants"
"""Where what is found lies; git ignores it."""
_PREFIX = f"{ROOT}{os.sep}"


class Recorder:
    """Notes what is called while a test runs."""

    def __init__(self) -> None:
        self.core = {f"{ROOT / file}": file for file in files()}
        self.called: set[object] = set()
        self.tests: dict[str, tuple[float, list[str]]] = {}
        self.useless: set[str] = set()

    def trace(self, frame, event, argument):
        """Called by Python for each function that is entered; of the lines of a function nothing is asked."""
        if frame.f_code.co_filename in self.core:
            self.called.add(frame.f_code)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item):
        """Around a test and its fixtures."""
        self.called = set()
        before, begun = sys.gettrace(), time.process_time()
        sys.settrace(self.trace)
        try:
            return (yield)
        finally:
            sys.settrace(before)
            names = {f"{self.core[code.co_filename]}:{_name(code)}" for code in self.called}
            self.tests[item.nodeid] = (round(time.process_time() - begun, 3), sorted(names))

    def pytest_runtest_logreport(self, report):
        """Forget tests that fail or are skipped: they tell nothing of a mutant."""
        if report.outcome != "passed":
            self.useless.add(report.nodeid)

    def pytest_sessionfinish(self):
        """Write what was noted, a file for each process."""
        if self.tests:
            FOLDER.mkdir(parents=True, exist_ok=True)
            text = json.dumps({name: told for name, told in self.tests.items() if name not in self.useless})
            (FOLDER / f"calls.{os.getpid()}.json").write_text(text, encoding="utf-8")


def _name(code) -> str:
    """The name of a function; a comprehension's and a lambda's is that of the function that it is in."""
    steps = [step for step in getattr(code, "co_qualname", code.co_name).split(".") if not step.startswith("<")]
    return steps[-1] if steps else ""


def pytest_configure(config):
    """Begin, in each process that runs tests."""
    config.pluginmanager.register(Recorder())


def recorded() -> dict[str, tuple[float, list[str]]]:
    """What was noted; raises `SystemExit` where nothing was."""
    found: dict[str, tuple[float, list[str]]] = {}
    for path in sorted(FOLDER.glob("calls.*.json")):
        found.update(json.loads(path.read_text(encoding="utf-8")))
    if not found:
        raise SystemExit("nothing is recorded yet: python -m tests.mutants record")
    return found
