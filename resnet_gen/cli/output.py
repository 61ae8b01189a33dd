"""The one door to stdout, stderr and reports: what goes through it is seen, and orders nothing.

Names in files are anybody's. A terminal obeys control characters, and GitHub a line that begins with `::`.
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from resnet_gen.problems import json_text, visible_line, visible_lines

receiver: Callable[[dict[str, Any]], None] | None = None
"""Takes what is printed and written, in the process that runs code of parts; None where this process does it."""
_ANNOTATION = re.compile(r"::(error|warning) [^:]*::")


def say(text: object, err: bool = False) -> None:
    """Print one line; line ends within it are escaped."""
    _print_text(visible_line(str(text)) + "\n", err=err)


def say_lines(text: str, err: bool = False) -> None:
    """Print lines that were laid out here: a table, a report; what they hold of files was made visible in its place."""
    _print_text(visible_lines(text), err=err)


def say_json(data: Any, indent: int | None = 2) -> None:
    """Print data as JSON."""
    _print_text(json_text(data, indent) + "\n")


def finite_or_none(value: float) -> float | None:
    """A number, or what JSON can say in its place."""
    return value if math.isfinite(value) else None


def say_command(text: str, err: bool = False) -> None:
    """Print annotations, lines that GitHub is to obey, each part of which is escaped as it asks."""
    lines = (line if _ANNOTATION.match(line) else visible_line(line) for line in text.split("\n"))
    _print_text("\n".join(lines), err=err, command=True)


def write_files(files: Mapping[Path, bytes], *, rewrite: bool = False) -> None:
    """Write reports, all or none; unless it is to `rewrite` them, none over a file that the command has read."""
    from resnet_gen.system.write import check_not_read, write_outputs

    for path in () if rewrite else files:
        check_not_read(path)
    if receiver:
        receiver({"files": {str(path): base64.b64encode(data).decode() for path, data in files.items()}})
    else:
        write_outputs(files)


def output_text(text: str, output: Path | None) -> None:
    """Print a report, or write it to a file and print the file's name."""
    if output is None:
        say_lines(text)
        return
    write_files({output: text.encode()})
    say(output)


def send_heartbeat(file: str) -> None:
    """Tell whoever waits for this process that it lives, and which file's code it uses."""
    if receiver:
        receiver({"uses": file})


def _print_text(text: str, *, err: bool = False, command: bool = False) -> None:
    if receiver:
        receiver({"text": text, "err": err, "command": command})
    else:
        click.echo(text, nl=False, err=err)
