"""A model read back aside: the same answers as here, whatever becomes of the other process."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from resnet_gen.build.build import onnx_file
from resnet_gen.build.passes import prepare
from resnet_gen.build.request import Request
from resnet_gen.language.load import load
from resnet_gen.onnx.witness import WitnessError, process
from resnet_gen.system import forking
from resnet_gen.system.forking import fork_process, may_fork
from tests.helpers.onnx_runs import TINY

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="a process is forked on Linux alone"),
    pytest.mark.filterwarnings("ignore:os.fork.* was called:RuntimeWarning"),  # jax says so, once loaded
]


@pytest.fixture
def given(monkeypatch):
    """A graph and its model; and as if the test runner had no threads, its own or a library's, and forked."""
    monkeypatch.setattr(threading, "active_count", lambda: 1)
    monkeypatch.setattr(forking, "_THREADED", ())
    monkeypatch.setattr(process, "may_fork", may_fork)
    loaded = load(str(TINY))
    network = prepare(loaded, Request())
    return network.graph, onnx_file(loaded, network, Request()).structure()


def descriptors():
    return {path.name for path in Path("/proc/self/fd").iterdir()}


@pytest.fixture
def forks(monkeypatch):
    """The processes that are forked, and a check that none of them or their pipes is left."""
    children = []
    fork, before = os.fork, descriptors()

    def noted():
        children.append(fork())
        return children[-1]

    monkeypatch.setattr(os, "fork", noted)
    yield children
    assert descriptors() <= before
    for child in children:
        with pytest.raises(ChildProcessError):
            os.waitpid(child, 0)


def read(given, **choices):
    with process.start_readback(*given, **choices) as finish:
        finish()


def lies(graph, serialized):
    raise WitnessError("not the graph")


def test_a_model_is_read_in_another_process(given, forks, monkeypatch):
    monkeypatch.setattr(process, "_read", lambda *args: sys.exit() if os.getpid() == here else None)
    here = os.getpid()
    read(given)
    assert len(forks) == 1


def test_what_the_other_process_finds_is_raised_here(given, forks):
    graph, serialized = given
    with pytest.raises(WitnessError, match=r"ONNX: no shape follows for 'stages\.0\.0\.conv1'"):
        read((graph, serialized.replace(b"Relu", b"Rely")))
    assert len(forks) == 1


@pytest.mark.parametrize("end", [lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: os._exit(3), lambda: 1 / 0])
def test_where_the_other_process_ends_without_an_answer_the_model_is_read_here(given, forks, monkeypatch, end):
    here, calls = os.getpid(), []

    def read_or_end(graph, serialized):
        calls.append(graph)
        if os.getpid() != here:
            end()

    monkeypatch.setattr(process, "_read", read_or_end)
    read(given)
    assert calls == [given[0]], "once, in this process"
    assert len(forks) == 1


def test_where_the_other_process_takes_too_long_the_model_is_read_here(given, forks, monkeypatch):
    here, calls = os.getpid(), []
    monkeypatch.setattr(process, "_PATIENCE", 0.05)
    start = time.monotonic()
    monkeypatch.setattr(process, "_read", lambda *args: calls.append(1) if os.getpid() == here else time.sleep(60))
    read(given)
    assert calls == [1]
    assert time.monotonic() - start < 30, "the other process is ended, not waited for"


def test_a_fault_while_writing_leaves_no_process(given, forks):
    with pytest.raises(KeyError), process.start_readback(*given):
        raise KeyError
    assert len(forks) == 1


def test_where_no_process_can_be_had_the_model_is_read_here(given, forks, monkeypatch):
    def refused():
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refused)
    read(given)
    monkeypatch.setattr("resnet_gen.onnx.witness.model.check_onnx", lies)
    with pytest.raises(WitnessError, match="not the graph"):
        read(given)


@pytest.mark.parametrize("where", ["asked", "threads", "system"])
def test_the_model_is_read_here_where_forking_is_not_safe(given, forks, monkeypatch, where):
    if where == "threads":
        monkeypatch.setattr(threading, "active_count", lambda: 2)
    if where == "system":
        monkeypatch.setattr(sys, "platform", "darwin")
    read(given, aside=where != "asked")
    monkeypatch.setattr("resnet_gen.onnx.witness.model.check_onnx", lies)
    with pytest.raises(WitnessError, match="not the graph"):
        read(given, aside=where != "asked")
    assert forks == []


def test_the_child_answers_and_ends(given, monkeypatch):
    """What the child does, called here, for coverage cannot see into a child that ends at once."""

    class Ended(BaseException):
        pass

    def end(code):
        raise Ended

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(os, "fork", lambda: 0)
    for reader, wanted in ((lambda *args: None, b"."), (lies, b"not the graph")):
        monkeypatch.setattr(process, "_read", reader)
        ours, theirs = os.pipe()
        with pytest.raises(Ended), fork_process(lambda own, to=theirs: process._answer(*given, to)):
            pytest.fail("the child goes on")
        assert os.read(ours, 100) == wanted
        os.close(ours)
        os.close(theirs)
