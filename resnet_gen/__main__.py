"""The process that runs the command line: `resnet-gen`, or `python -m resnet_gen`."""

import gc
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

from resnet_gen.cli import main

_ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def run() -> None:
    """Run the command line as a process of its own."""
    # Nothing here makes cycles worth collecting; looking for them, and for
    # pydantic's plugins, would cost a fifth of a build.
    gc.disable()
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    for name in ("stdout", "stderr"):  # None where the caller closed it
        setattr(sys, name, getattr(sys, name) or Path(os.devnull).open("w"))  # noqa: SIM115
    for number in _ENDINGS:
        signal.signal(number, lambda which, _: sys.exit(128 + which))
    code = 1
    try:
        main()
    except SystemExit as done:
        code = done.code if isinstance(done.code, int) else 1
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError):  # nobody reads it any more
            stream.flush()
    os._exit(code)  # everything is written and closed; taking the modules apart would cost a twentieth more


if __name__ == "__main__":
    run()
