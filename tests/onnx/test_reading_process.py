"""Questions to another Python: whatever becomes of it, the next question is answered."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

from resnet_gen.onnx.reading import process, shape_inference
from resnet_gen.system import forking
from tests.helpers import questions
from tests.onnx.reading.models import Hand


@pytest.fixture
def other(monkeypatch):
    monkeypatch.setattr(process, "_START", 20.0)
    begun = process.Process()
    yield begun
    begun.end()


def ask(other, question, message=b"", patience=60.0):
    return other.ask(question.__module__, question.__name__, message, patience)


def test_one_process_answers_all_questions(other):
    found = [ask(other, questions.runs_where) for _ in range(3)]
    assert found[0] == found[1] == found[2]
    assert found[0][0] != os.getpid()
    assert found[0][1:] == [1, False, questions.HERE], "it is isolated, and has nothing of the tests but its questions"
    assert [ask(other, questions.length, bytes(n)) for n in (0, 1, 3_000_000)] == [0, 1, 3_000_000]


def test_after_one_that_ended_it_another_answers(other):
    for question in (questions.ends, questions.is_killed, questions.raises):
        with pytest.raises(process.NoAnswerError):
            ask(other, question, b"[]")
        assert ask(other, questions.length, b"123") == 3


@pytest.mark.skipif(sys.platform != "linux", reason="limits are set on Linux alone")
@pytest.mark.parametrize("question", [questions.computes_for_ever, questions.takes_all_memory])
def test_an_answer_has_its_limits(other, question):
    assert ask(other, questions.length) == 0
    with pytest.raises(process.NoAnswerError):
        ask(other, question)
    assert ask(other, questions.length) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="limits are set on Linux alone")
def test_seconds_are_those_of_one_answer_and_more_for_a_larger_message(other):
    assert [ask(other, questions.spends, b"0.4") for _ in range(3)] == [0.4] * 3
    with pytest.raises(process.NoAnswerError):
        ask(other, questions.spends, b"1.2")
    assert ask(other, questions.spends, b"1.2".ljust(20 << 20)) == 1.2


def test_a_hang_is_ended(other, monkeypatch):
    assert ask(other, questions.length) == 0
    monkeypatch.setattr(process, "_START", 0.0)
    with pytest.raises(process.NoAnswerError):
        ask(other, questions.hangs, patience=0.3)
    monkeypatch.setattr(process, "_START", 20.0)
    assert ask(other, questions.length) == 0


def test_what_is_printed_is_no_answer(other):
    assert ask(other, questions.prints) == "an answer"


def test_threads_ask_one_after_the_other(other):
    found = {}
    threads = [
        threading.Thread(target=lambda n=n: found.update({n: ask(other, questions.length, bytes(n))})) for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {n: n for n in range(8)}


@pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")
def test_onnx_s_own_code_answers_the_same_in_a_fork():
    """In a Python of its own: what other tests have imported may have threads, and then nothing is forked."""
    body = "import tests.onnx.test_reading_process as it; it.check_answers()"
    forks = "import resnet_gen.onnx.reading.shape_inference as s; s.may_fork = lambda: True"
    subprocess.run([sys.executable, "-c", f"{forks}; {body}"], check=True, cwd=Path(__file__).parents[2], timeout=120)


def test_onnx_s_own_code_answers_the_same_in_a_python_of_its_own(monkeypatch):
    monkeypatch.setattr(shape_inference, "may_fork", lambda: False)
    check_answers()


def check_answers():
    hand = Hand()
    hand.node("Conv", "x", hand.constant(np.ones((6, 4, 3, 3))))
    model = hand.model("t0")
    assert shape_inference.infer_shapes(model) == {"t0": (6, 6, 6)}
    assert shape_inference.explain_invalid(model)
    model.graph.output[0].type.tensor_type.shape.dim.add(dim_value=1)
    assert shape_inference.infer_shapes(model) == shape_inference.infer_shapes(model)


@pytest.mark.parametrize(("busy", "threads", "platform", "fine"), [
    (None, 1, "linux", True), (None, 2, "linux", False), (None, 1, "darwin", False), (None, 1, "win32", False),
    ("jax", 1, "linux", False), ("tensorflow", 1, "linux", False),
])  # fmt: skip
def test_only_a_process_that_is_alone_is_forked(monkeypatch, busy, threads, platform, fine):
    for name in ("jax", "tensorflow"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    if busy:
        monkeypatch.setitem(sys.modules, busy, sys)
    monkeypatch.setattr(threading, "active_count", lambda: threads)
    monkeypatch.setattr(sys, "platform", platform)
    assert forking.may_fork() is fine
