"""ONNX read back while it is written: in a process of its own, where that is safe.

Importing onnx and reading take as long as drawing and writing the weights of a
ResNet-50, and Python runs one thread at a time.
"""

from __future__ import annotations

import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from resnet_gen.graph import Graph
from resnet_gen.onnx.witness import WitnessError
from resnet_gen.system.forking import fork_process, may_fork

Finish = Callable[[], None]
"""Ends a reading; raises `WitnessError` unless the model holds the graph."""

_FINE = b"."
_PATIENCE = 60.0
"""Seconds to wait for the other process before reading here."""


@contextmanager
def start_readback(graph: Graph, serialized: bytes, *, aside: bool = True) -> Iterator[Finish]:
    """Begin to read a model, aside if it may be; it may lack the data of its weights."""
    if not (aside and may_fork()):
        yield lambda: _read(graph, serialized)
        return
    with fork_process(partial(_answer, graph, serialized)) as answers:
        yield lambda: _finish(graph, serialized, answers)


def _read(graph: Graph, serialized: bytes) -> None:
    from resnet_gen.onnx.witness.model import check_onnx

    check_onnx(graph, serialized)


def _answer(graph: Graph, serialized: bytes, descriptor: int) -> None:
    """Read, and write the complaint."""
    answer = _FINE
    try:
        _read(graph, serialized)
    except WitnessError as error:
        answer = str(error).encode()
    os.write(descriptor, answer)


def _finish(graph: Graph, serialized: bytes, answers: int | None) -> None:
    """Take the answer; should the process have ended without one, or take too long, read here."""
    answer = b""
    if answers is not None and select.select([answers], [], [], _PATIENCE)[0]:
        answer = os.read(answers, 1 << 16)
    if not answer:
        _read(graph, serialized)
    elif answer != _FINE:
        raise WitnessError(answer.decode())
