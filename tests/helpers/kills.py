"""Commands that die: run in a process of its own, which ends at the N-th change of the file system.

`python -m tests.helpers.kills` is a server: it has everything imported, and forks for each
order, a line of JSON on stdin; the answer is a line of JSON on stdout. A child that is to die
ends without a word before a change of the folder that it runs in: before a file is opened to be
written, flushed, renamed, linked or removed, or a folder is made or removed.
"""

import errno
import importlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from resnet_gen.problems import Refused

KILLED = 137
_CHANGES = {"os.rename", "os.link", "os.symlink", "os.mkdir", "os.rmdir", "os.remove", "os.truncate", "os.chmod"}
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


class Server:
    """The server, seen from the tests; the modules that it is to have imported are named, or all are."""

    def __init__(self, *words):
        command = [sys.executable, "-m", "tests.helpers.kills", *words]
        unmeasured = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
        unmeasured["PYTHONPATH"] = str(Path(__file__).parents[2])
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, env=unmeasured, **pipes)

    def run(self, folder, *arguments, **more):
        """Run a command in a folder: its exit code, the changes that it made, by their names, and what it said.

        `die_at` is the number of the change before which it dies. `function` is one of `FUNCTIONS`, to be called
        with the arguments instead; `engine` puts a stand-in in TensorRT's place, `links=False` takes hard links away.
        """
        order = {"folder": str(folder), "arguments": [str(a) for a in arguments], **more}
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        return answer["code"], answer["changes"], answer["said"]

    def close(self):
        """End it."""
        self.process.communicate()


def serve():
    """Fork for each order, and answer."""
    _import_everything()
    for line in sys.stdin:
        order = json.loads(line)
        with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as changes:
            child = os.fork()
            if child == 0:
                _obey(order, said.fileno(), changes.fileno())
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            said.seek(0)
            changes.seek(0)
            answer = {
                "code": code,
                "changes": changes.read().decode().split(),
                "said": said.read().decode(errors="replace"),
            }
        print(json.dumps(answer), flush=True)


EVERYTHING = (
    "build.build",
    "build.delivery",
    "infer.recovery",
    "onnx.witness.model",
    "speed.plot",
    "cli.bench_models",
    "cli",
)


def _import_everything():
    for name in sys.argv[1:] or (
        "build.build",
        "build.delivery",
        "infer.recovery",
        "onnx.witness.model",
        "speed.plot",
        "cli.bench_models",
        "cli",
    ):
        module = importlib.import_module(f"resnet_gen.{name}")
        if name == "cli":
            for command in module.COMMANDS:
                module.cli.get_command(None, command)


def _obey(order, said, changes):
    """Run the command as `resnet-gen` does, in the child."""
    code = 99
    try:
        os.chdir(order["folder"])
        os.dup2(said, 1)
        os.dup2(said, 2)
        if order.get("engine"):
            _stand_in_for_tensorrt()
        _fix_the_clock()
        if not order.get("links", True):
            Path.hardlink_to = _refuse
        _die_at(order.get("die_at", 0), Path.cwd(), changes)
        if "function" in order:
            FUNCTIONS[order["function"]](*order["arguments"])
            code = 0
            return
        sys.argv = ["resnet-gen", *order["arguments"]]
        from resnet_gen.__main__ import run

        run()
    except Refused as refused:
        print(refused, flush=True)
        code = 2
    finally:
        os._exit(code)


def _fix_the_clock():
    """Each look at it is a second later, so that `bench` measures the same each time."""
    if bencher := sys.modules.get("resnet_gen.cli.bench_models"):
        bencher.measure = partial(bencher.measure, clock=itertools.count().__next__)


def _write(*words):
    """Write files together, each of which is `PATH=TEXT`."""
    from resnet_gen.system.write import write_together

    write_together({Path(path): [text.encode()] for path, text in (word.split("=") for word in words)})


def _write_below(folder, *words):
    """Write files of one folder and its sub-folders."""
    from resnet_gen.system.write import Transaction

    with Transaction(Path(folder)) as out:
        for word in words:
            out.write_text(*word.split("="))


FUNCTIONS = {"together": _write, "below": _write_below}


def _refuse(path, target):
    raise PermissionError(errno.EPERM, "Operation not permitted")


def _stand_in_for_tensorrt():
    from resnet_gen.engine import tensorrt

    tensorrt.build = lambda *_, **__: tensorrt.Engine(b"an engine", "1.0.0")
    tensorrt.known_targets = lambda backend: {86}


def _die_at(number, folder, changes):
    """End this process before its change of that number; each is told by a byte."""
    me, inside = os.getpid(), os.path.realpath(folder)
    done = [0]

    def change(event, *paths):
        texts = [os.fsdecode(path) for path in paths if isinstance(path, (str, bytes, os.PathLike))]
        ours = any(not Path(text).is_absolute() or os.path.realpath(text).startswith(inside) for text in texts)
        if os.getpid() != me or not (ours or not texts):
            return
        done[0] += 1
        if done[0] == number:
            os._exit(KILLED)
        os.write(changes, f"{event}\n".encode())

    def watch(event, arguments):
        if event in _CHANGES or (event == "open" and _is_written(*arguments)):
            change(event, *arguments[:2])

    os.fsync = lambda descriptor: change("fsync")  # the machine goes on, whoever dies
    sys.addaudithook(watch)


def _is_written(path, mode, flags):
    return bool(flags & _WRITES) and not isinstance(path, int) and os.fspath(path) != os.devnull


if __name__ == "__main__":
    serve()
