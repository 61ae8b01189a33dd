"""Processes that work at the same time: each answers for itself, and none outlives whoever began it."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from resnet_gen.system.processes import make_command, make_first_line
from resnet_gen.system.worker_pool import run_orders

WORKER = "tests.helpers.pool_worker"
ROOT = Path(__file__).parents[2]


def wait_for(path):
    end = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < end, path
        time.sleep(0.01)


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_each_order_has_its_answer_and_a_process_that_dies_takes_none_with_it():
    orders = [{"number": 0}, {"number": 1, "die": True}, {"number": 2, "leave": True}, {"number": 3}]
    found = dict(run_orders(WORKER, orders, 2))
    assert found == {
        0: {"number": 0}, 1: "its process was ended by signal 9", 2: "its process ended with exit code 3",
        3: {"number": 3},
    }  # fmt: skip


def test_whoever_stops_listening_interrupts_all_that_still_work(tmp_path):
    sleeping = {"number": 1, "sleep": str(tmp_path / "one")}
    answers = run_orders(WORKER, [{"number": 0}, sleeping, {**sleeping, "sleep": str(tmp_path / "never")}], 2)
    assert next(answers) == (0, {"number": 0})
    wait_for(tmp_path / "one.begun")
    begun = time.monotonic()
    answers.close()
    assert time.monotonic() - begun < 15
    assert (tmp_path / "one.tidied").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_a_process_ends_when_whoever_began_it_is_killed(tmp_path):
    order = {"number": 0, "sleep": str(tmp_path / "one")}
    code = f"from resnet_gen.system.worker_pool import run_orders\nlist(run_orders({WORKER!r}, [{order!r}], 2))"
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    wait_for(tmp_path / "one.begun")
    parent.kill()
    parent.wait()
    wait_for(tmp_path / "one.tidied")


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_a_process_that_is_called_off_before_it_works_says_nothing(tmp_path):
    """Its input has ended before it looks, so that it is interrupted while it begins to watch."""
    order = make_first_line({"number": 0, "sleep": str(tmp_path / "one")})
    for _ in range(5):
        ended = subprocess.run(make_command(WORKER), input=order, capture_output=True, cwd=ROOT, timeout=30)
        assert (ended.returncode, ended.stdout, b"Traceback" in ended.stderr) == (130, b"", False)
