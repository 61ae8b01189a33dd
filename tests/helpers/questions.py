"""What tests/onnx/test_reading_process.py asks of another Python, which imports this file and nothing more."""

import os
import signal
import sys
import time

HERE = __name__


def length(message):
    return len(message)


def ends(message):
    os._exit(0)


def is_killed(message):
    os.kill(os.getpid(), signal.SIGKILL)


def raises(message):
    raise ValueError(message)


def hangs(message):
    time.sleep(600)


def computes_for_ever(message):
    while True:
        pass


def spends(message):
    """So many seconds of the processor's time."""
    seconds = float(message)
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return seconds


def takes_all_memory(message):
    held = []
    while True:
        held.append(bytes(1 << 24))


def prints(message):
    print("[]", flush=True)
    os.write(2, b"words")
    return "an answer"


def runs_where(message):
    return [os.getpid(), sys.flags.isolated, "pytest" in sys.modules, HERE]
