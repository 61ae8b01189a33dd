"""What tests of the command line share."""

import gc
import math
import os
import signal
import time

import pytest
from hypothesis import HealthCheck, settings

from resnet_gen.cli import main
from resnet_gen.language.spec import forget_files
from resnet_gen.onnx.reading import shape_inference
from resnet_gen.onnx.witness import process
from tests.helpers.thinned import thin

SAME = {
    "derandomize": True, "database": None, "deadline": None, "suppress_health_check": [HealthCheck.too_slow],
}  # fmt: skip
"""The same examples on every run and machine, however long each takes, and however busy that is."""
settings.register_profile("usual", max_examples=60, **SAME)
settings.register_profile("all", max_examples=400, **SAME)
gc.set_threshold(100_000, 50, 100)  # looking for cycles takes a twentieth of the time
settings.load_profile("usual")  # before tests are imported; --hypothesis-profile has its way after this


BEGUN, LIMIT = time.monotonic(), float(os.environ.get("TESTS_BEGIN_WITHIN") or "inf")
"""When tests began, and the seconds after which none begins any more: a slow machine's CI runs as many as it can."""
SLOW = ("test_limits.py", "test_killed.py", "test_against_changed.py")
"""Files that take minutes with `make test-all`."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items):
    """Sweeps are thinned before marks choose, and slow files come first, whatever the order of all others.

    Else all but one worker wait for them in the end.
    """
    thin(items)
    only_here = {item.path for item in items if any(map(item.get_closest_marker, ("long", "torch")))}
    yield
    if math.isfinite(LIMIT):  # what is left then is what `make test` has run
        items.sort(key=lambda item: item.path not in only_here)
    items.sort(key=lambda item: item.path.name not in SLOW)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup():
    """Where time is limited, no test begins after it, and that is said."""
    if time.monotonic() - BEGUN > LIMIT:
        pytest.skip(f"{LIMIT:.0f} s are over, which tests had on this machine: `make test-all` runs it")


@pytest.fixture(scope="session", autouse=True)
def _interruptible():
    """A shell that starts the tests in the background has them, and what they start, ignore interruptions."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session", autouse=True)
def _unflushed():
    """No test outlives a power cut, and to wait for the disk thousands of times takes minutes."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def _unforked():
    """To fork a process as large as this one for each file takes a tenth of the time.

    ONNX's code is asked in a Python of its own, as on Windows, and files are read back here. That both ways answer the
    same is tested by `onnx/test_reading_process.py` and `onnx/test_reading.py`. Commands in their own process fork.
    """
    with pytest.MonkeyPatch.context() as patched:
        for module in (shape_inference, process):
            patched.setattr(module, "may_fork", lambda: False)
        yield


@pytest.fixture(scope="module", autouse=True)
def _without_parts_of_others():
    """What the language has is no matter of which files' tests ran before."""
    yield
    forget_files()


@pytest.fixture
def cli(capsys):
    """Runs a command in this process: exit code, stdout, stderr."""

    def run(*arguments):
        with pytest.raises(SystemExit) as left:
            main([str(a) for a in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return left.value.code, out, err

    return run
