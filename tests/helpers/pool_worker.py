"""A process of `system.worker_pool` that does what its order says: for tests of the pool alone."""

import os
import signal
import time
from pathlib import Path

from resnet_gen.system.worker_pool import answer_order


def serve(order):
    answer_order(lambda: perform(order))


def perform(order):
    print("a library's words", order)  # which are no answer
    if order.get("die"):
        os.kill(os.getpid(), signal.SIGKILL)
    if order.get("leave"):
        os._exit(3)
    if order.get("sleep"):
        Path(order["sleep"] + ".begun").touch()
        try:
            time.sleep(60)
        except KeyboardInterrupt:
            Path(order["sleep"] + ".tidied").touch()
            raise
    return {"number": order["number"]}
