"""A command whose specs name parts, in a process of its own: what becomes of that process is no verdict.

Code of parts can end its process, hang, or print. So a command that is a gate is begun here, and once code is about to
be run it is begun anew in another process, which hands back what is to be printed and written, and says at its end, by
a word that it was given, that this is all. Without that, the command has failed.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import queue
import re
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from resnet_gen.cli import output
from resnet_gen.problems import refuse, shorten
from resnet_gen.system.processes import make_command, make_first_line

MOST_BYTES = 1 << 28
"""Of everything that is handed back."""
MOST_NOISE = 40
"""Lines that are shown of what code of parts printed."""
START = 60.0
"""Seconds that may pass before code of parts begins: until then nothing hangs but the machine."""
_HELD_BACK = re.compile(
    r"GITHUB_(ENV|OUTPUT|PATH|STATE|STEP_SUMMARY)|ACTIONS_.*|.*(TOKEN|SECRET|PASSWORD|CREDENTIAL).*", re.IGNORECASE
)
"""Variables of the environment that code of parts has no use for."""


def run(arguments: Sequence[str] | None, patience: float) -> int:
    """Run the command in a process of its own, print and write what it hands back; returns its exit code.

    Raises `Refused` where the process ends, or says nothing for so many seconds, before its work is done.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    with _start_process(words) as (process, token):
        handed: queue.Queue[bytes | None] = queue.Queue()
        noise: list[str] = []
        threads = [
            threading.Thread(target=_read_lines, args=(process.stdout, MOST_BYTES, handed.put), daemon=True),
            threading.Thread(
                target=_read_lines, args=(process.stderr, 1 << 16, lambda line: _keep_noise(noise, line)), daemon=True
            ),
        ]
        for thread in threads:
            thread.start()
        try:
            frames, code = _take_frames(handed, token, process, patience)
        finally:
            _kill_process(process)
            for thread in threads:
                thread.join(1)
            _print_noise(noise)
    for frame in frames:
        _output_frame(frame)
    return code


@contextmanager
def _start_process(words: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    token = secrets.token_hex(16)
    environment = {name: value for name, value in os.environ.items() if not _HELD_BACK.fullmatch(name)}
    with subprocess.Popen(  # noqa: S603 - this very Python
        make_command("resnet_gen.cli.isolated_server"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    ) as process:
        assert process.stdin
        try:
            process.stdin.write(make_first_line({"words": words, "token": token}))
            process.stdin.close()
            yield process, token
        finally:
            _kill_process(process)


def _read_lines(stream: IO[bytes], most: int, take: Callable[[bytes | None], Any]) -> None:
    while line := stream.readline(most):
        take(line)
    take(None)


def _keep_noise(noise: list[str], line: bytes | None) -> None:
    if line is not None and len(noise) <= MOST_NOISE:
        noise.append(shorten(line.decode(errors="backslashreplace").rstrip("\r\n"), 300))


def _print_noise(noise: list[str]) -> None:
    for line in noise[:MOST_NOISE]:
        output.say(f"parts print: {line}", err=True)
    if len(noise) > MOST_NOISE:
        output.say("parts print: and more", err=True)


def _take_frames(
    handed: queue.Queue[bytes | None], token: str, process: subprocess.Popen[bytes], patience: float
) -> tuple[list[dict[str, Any]], int]:
    """What the process handed back, and its exit code."""
    frames: list[dict[str, Any]] = []
    room, used = MOST_BYTES, None
    while True:
        try:
            wait = patience if used else max(patience, START)
            line = handed.get(timeout=wait)
        except queue.Empty:
            hint = "their code hangs, or --parts-patience is too short for it"
            raise refuse(f"parts: nothing was heard for {wait:g} seconds of what runs them", used, hint) from None
        if line is None:
            raise refuse(f"parts: what runs them ended before its work was done{_describe_exit(process)}", used)
        room -= len(line)
        frame = _parse_frame(line)
        if frame is None or frame.get("token") != token or room < 0:
            raise refuse("parts: what runs them handed back what it should not", used)
        if "done" in frame:
            code = frame["done"]
            if code not in (0, 1, 2) or code != _wait_for_exit(process):
                raise refuse(f"parts: what runs them did not end as it said{_describe_exit(process)}", used)
            return frames, code
        used = str(frame.get("uses") or used or "") or None
        frames.append(frame)


def _parse_frame(line: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _describe_exit(process: subprocess.Popen[bytes]) -> str:
    code = _wait_for_exit(process)
    return "" if code is None else f" (signal {-code})" if code < 0 else f" (exit code {code})"


def _wait_for_exit(process: subprocess.Popen[bytes]) -> int | None:
    """What the process ended with, None if it does not end."""
    try:
        return process.wait(5)
    except subprocess.TimeoutExpired:
        return None


def _kill_process(process: subprocess.Popen[bytes]) -> None:
    """End the process, and those that it started."""
    if hasattr(os, "killpg"):
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # it has ended, and so has its group
            return
    else:
        process.kill()


def _output_frame(frame: dict[str, Any]) -> None:
    """Print or write what was handed back; its text is made visible here, too."""
    if "files" in frame:
        try:
            files = {Path(name): base64.b64decode(data) for name, data in frame["files"].items()}
        except (AttributeError, TypeError, binascii.Error):
            raise refuse("parts: what runs them handed back what it should not") from None
        output.write_files(files, rewrite=True)  # that process knows what it has read
    elif "text" in frame:
        put = output.say_command if frame.get("command") else output.say_lines
        put(str(frame["text"]), bool(frame.get("err")))
