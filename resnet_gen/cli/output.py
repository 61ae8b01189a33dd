"""The one door to stdout and stderr: what goes through it is seen, and orders nothing.

Names in files are anybody's. A terminal obeys control characters, and GitHub a line that begins with `::`.
"""

from __future__ import annotations

from typing import Any

import click

from resnet_gen.problems import json_text, visible_line, visible_lines


def say(text: object, err: bool = False) -> None:
    """Print one line; line ends within it are escaped."""
    click.echo(visible_line(str(text)), err=err)


def say_lines(text: str, err: bool = False) -> None:
    """Print lines that were laid out here: a table, a report; what they hold of files was made visible in its place."""
    click.echo(visible_lines(text), nl=False, err=err)


def say_json(data: Any, indent: int | None = 2) -> None:
    """Print data as JSON."""
    click.echo(json_text(data, indent))


def say_command(text: str) -> None:
    """Print what a build server is to obey, each part of which is escaped as it asks."""
    click.echo(text, nl=False)
