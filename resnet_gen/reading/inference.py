"""Shapes by ONNX's own inference, asked in a process of its own: on a damaged model it may end the process."""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
import warnings
from multiprocessing.connection import Connection
from typing import Any

import onnx
from onnx import ModelProto

from resnet_gen.ops import Shape

_PATIENCE = 10.0
"""Seconds to wait for the shapes."""


def inferred(model: ModelProto) -> dict[str, Shape]:
    """The dimensions behind the batch of each value for which they follow; nothing where inference fails."""
    # A fork copies one thread, with whatever locks the others hold.
    forking = sys.platform == "linux" and threading.active_count() == 1
    context: Any = multiprocessing.get_context("fork" if forking else "spawn")
    answers, ours = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(ours, model.SerializeToString()), daemon=True)
    with warnings.catch_warnings():
        # Python 3.12 counts NumPy's idle threads; the child calls nothing of theirs.
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    ours.close()
    try:
        return dict(answers.recv()) if answers.poll(_PATIENCE) else {}
    except (EOFError, OSError):  # it ended without an answer
        return {}
    finally:
        answers.close()
        process.kill()
        process.join()


def _answer(answers: Connection, message: bytes) -> None:
    """Infer, and send what was found; what onnx has to say of a damaged model is nobody's to read."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    answers.send(_shapes(message))


def _shapes(message: bytes) -> dict[str, Shape]:
    try:
        graph = onnx.shape_inference.infer_shapes(ModelProto.FromString(message), data_prop=True).graph
    except Exception:  # whatever onnx makes of a damaged model
        return {}
    found = {}
    for value in (*graph.value_info, *graph.output):
        dims = [dim.dim_value for dim in value.type.tensor_type.shape.dim]
        if len(dims) > 1 and min(dims[1:]) > 0:
            found[value.name] = tuple(dims[1:])
    return found
