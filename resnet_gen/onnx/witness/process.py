"""ONNX read back while it is written: in a process of its own, where that is safe.

Importing onnx and reading take as long as drawing and writing the weights of a
ResNet-50, and Python runs one thread at a time.
"""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from resnet_gen.graph import Graph
from resnet_gen.onnx.witness import WitnessError
from resnet_gen.system.forking import forking, may_fork

Finish = Callable[[], None]
"""Ends a reading; raises `WitnessError` unless the model holds the graph."""

_FINE = b"."
_PATIENCE = 60.0
"""Seconds to wait for the other process before reading here."""


@contextmanager
def start_readback(graph: Graph, serialized: bytes, *, aside: bool = True) -> Iterator[Finish]:
    """Begin to read a model, aside if it may be; it may lack the data of its weights."""
    forked = _forked(graph, serialized) if aside and may_fork() else None
    if not forked:
        yield lambda: _read(graph, serialized)
        return
    child, answers = forked
    try:
        yield lambda: _finish(graph, serialized, answers)
    finally:
        os.close(answers)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def _read(graph: Graph, serialized: bytes) -> None:
    from resnet_gen.onnx.witness.model import check_onnx

    check_onnx(graph, serialized)


def _forked(graph: Graph, serialized: bytes) -> tuple[int, int] | None:
    """A process that reads the model, and where its answer will come; None where none can be had."""
    answers, ours = os.pipe()
    try:
        with forking():
            child = os.fork()
        if child == 0:
            _answer(graph, serialized, ours)
    except OSError:  # too many processes, or too little memory for one more
        os.close(answers)
        return None
    finally:
        os.close(ours)
    return child, answers


def _answer(graph: Graph, serialized: bytes, descriptor: int) -> None:
    """Read, write the complaint, and end at once: the parent's files and folders are not the child's to tidy."""
    try:
        answer = _FINE
        try:
            _read(graph, serialized)
        except WitnessError as error:
            answer = str(error).encode()
        os.write(descriptor, answer)
    finally:
        os._exit(0)


def _finish(graph: Graph, serialized: bytes, answers: int) -> None:
    """Take the answer; should the process have ended without one, or take too long, read here."""
    ready, _, _ = select.select([answers], [], [], _PATIENCE)
    answer = os.read(answers, 1 << 16) if ready else b""
    if not answer:
        _read(graph, serialized)
    elif answer != _FINE:
        raise WitnessError(answer.decode())
