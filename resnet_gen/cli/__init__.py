"""The command line, and the pytest plugin: words to functions.

Words come in; data go to stdout and the rest to stderr. Exit codes: 0 fine, 1 findings, 2 usage or bad input.
"""

from __future__ import annotations

import gc
import importlib
import io
import os
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import click

from resnet_gen import __version__
from resnet_gen.cli.output import say_lines
from resnet_gen.ops.precision import PRECISIONS
from resnet_gen.problems import Problem, Refused, closest, visible
from resnet_gen.system.files import forget_opened

COMMANDS = {
    "list": ("inspect", "list_specs"),
    "show": ("inspect", "show"),
    "count": ("inspect", "count_specs"),
    "verify": ("verify_rule", "verify"),
    "rule": ("verify_rule", "rule"),
    "lock": ("lock", "lock"),
    "diff": ("diff", "diff"),
    "review": ("review", "review"),
    "build": ("build_run", "build"),
    "generate": ("generate", "generate"),
    "wrap": ("wrap", "wrap"),
    "run": ("build_run", "run"),
    "check-engine": ("check_engine", "check_engine"),
    "targets": ("devices", "targets"),
    "predict": ("devices", "predict"),
    "bench": ("bench", "bench"),
    "evaluate": ("evaluate", "evaluate"),
    "profile": ("profile", "profile"),
    "import": ("import_file", "import_"),
    "weights": ("weights", "weights"),
    "schema": ("schema_init", "schema"),
    "init": ("schema_init", "init"),
}
"""Each command's module and function."""


class CodeAhead(BaseException):
    """Code of parts is about to be used by a command that is a gate: it is to run in a process of its own."""

    def __init__(self, patience: float) -> None:
        self.patience = patience


class _Commands(click.Group):
    """Loads a command's module when the command is named, so that `--help` stays quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, name = COMMANDS[cmd_name]
        command: click.Command = getattr(importlib.import_module(f"resnet_gen.cli.{module}"), name)
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            near = closest(args[0], COMMANDS)
            raise click.UsageError(f"{error.message} Did you mean '{near}'?", ctx) if near else error from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:  # which click would turn into exit code 1
            _close_stdout()
            return 0
        return result


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="resnet-gen")
def cli() -> None:
    """The architecture of a convolutional network as a checked contract.

    A SPEC is the path of a YAML file, or the name of a shipped network, as
    `list` prints them. Exit codes: 0 fine, 1 findings, 2 usage or bad input.

    \b
    resnet-gen verify resnet50
    resnet-gen build resnet50 -o build --target tensorrt-rtx --sm 86,89
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line, and raise `SystemExit` with its exit code."""
    gc.set_threshold(50_000, 20, 20)  # graphs are many small objects without cycles: looking for some costs a tenth
    sys.exit(exit_code(arguments))


def _close_stdout() -> None:
    """Point stdout at nothing, so that flushing what is left of it cannot fail when Python ends."""
    with suppress(OSError):  # raised by a stdout that is no file, as in a test
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(text: str) -> None:
    """Write lines to stderr; where even that fails, the exit code has to say it."""
    with suppress(OSError):
        say_lines(f"{text}\n", err=True)


def _show_warning(message: Any, category: Any, *_: Any, **__: Any) -> None:
    """A warning of Python's as our own are written, which come worded."""
    _say(str(message) if category.__name__ == "CodeWarning" else visible(f"warning: {message}"))


def _show_usage(error: click.ClickException) -> None:
    """What click says of a wrong command line, whose words may be names of files."""
    text, message = io.StringIO(), error.format_message()
    error.show(text)
    own = " ".join(message.split()) if isinstance(error, click.MissingParameter) else message  # which lists choices
    _say(text.getvalue().replace(message, visible(own)).rstrip("\n"))


def _near_option(name: str, command: click.Command) -> str | None:
    """The option of a command that may have been meant; click would name what is hardly alike."""
    known = {text.lstrip("-"): text for param in command.params for text in param.opts if text.startswith("--")}
    word = name.lstrip("-")
    near = closest(word, known)
    if near is None:
        return None
    return f"{known[near]} {word}" if near == "precision" and word in PRECISIONS else known[near]


def _print_anything() -> None:
    """Let what stdout's encoding lacks, such as an arrow on Windows, be printed as Python writes it in ASCII."""
    if getattr(sys.stdout, "errors", None) == "strict" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")


def exit_code(arguments: Sequence[str] | None) -> int:
    """Run a command; returns its exit code."""
    warnings.showwarning = _show_warning
    _print_anything()
    forget_opened()
    try:
        return _exit_code(arguments)
    except CodeAhead as ahead:
        return _exit_code(arguments, ahead.patience)


def _run(arguments: Sequence[str] | None, patience: float | None) -> Any:
    """Run a command here, or where there is a `patience` in a process of its own."""
    if patience is None:
        return cli.main(args=arguments, prog_name="resnet-gen", standalone_mode=False)
    from resnet_gen.cli.isolated_command import run

    return run(arguments, patience)


def _exit_code(arguments: Sequence[str] | None, patience: float | None = None) -> int:
    try:
        result = _run(arguments, patience)
    except Refused as refused:
        _say(str(refused))
        return 2
    except click.ClickException as error:
        if isinstance(error, click.NoSuchOption) and error.ctx:
            near = _near_option(error.option_name, error.ctx.command)
            message = f"No such option {error.option_name!r}."  # by itself, click 8.2 shows a name as it is
            error = click.UsageError(f"{message} Did you mean '{near}'?" if near else message, error.ctx)
        _show_usage(error)
        return 2
    except (click.Abort, KeyboardInterrupt):
        _say("interrupted")
        return 130
    except ImportError as error:
        if error.name is None or error.name.startswith("resnet_gen"):
            raise
        message, hint = f"{error.name} cannot be loaded: {error}", "pip install resnet-gen brings what it needs"
        _say(str(Problem(message, hint=hint)))
        return 2
    except OSError as error:  # where no command expected one, as on a full disk behind stdout
        _say(str(Problem(error.strerror or str(error), error.filename)))
        _close_stdout()
        return 2
    return result if isinstance(result, int) else 0
