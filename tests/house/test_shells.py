"""What README, docs and help show for a shell means the same in bash and zsh."""

import re
from pathlib import Path

import click
import pytest

from resnet_gen.cli import COMMANDS, cli
from resnet_gen.language.source import parse_setting
from resnet_gen.problems import Refused

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").rglob("*.md"))]
GLOBBED = re.compile(r"[][{}?]")
"""What zsh and bash take for patterns, or braces, where it is not quoted; `*` is meant as one."""


def fenced(text):
    """The commands of a page's blocks for a shell, with lines that go on joined."""
    for kind, block in re.findall(r"```(console|sh|bash|shell)\n(.*?)```", text, re.DOTALL):
        lines = block.replace("\\\n", " ").splitlines()
        yield from (line.removeprefix("$ ") for line in lines if kind != "console" or line.startswith("$ "))


def settings(text):
    """What stands behind each `--set`, up to a space or the end of the code that it stands in."""
    return re.findall(r"--set[ =]('[^'\n]*'|\"[^\"\n]*\"|[^\s`'\"]+)", text)


def unquoted(command):
    """The words of a command that a shell would take for patterns."""
    bare = re.sub(r"'[^']*'|\"[^\"]*\"|\\.|\$\{[^}]*\}|#.*", "", command)
    return [word for word in bare.split() if GLOBBED.search(word)]


def commands(command, path=()):
    """Every command below one, by the words that name it."""
    context = click.Context(command)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            yield from commands(command.get_command(context, name), (*path, name))
    yield path, command


HELP = {" ".join(path): command.get_help(click.Context(command)) for path, command in commands(cli)}


def test_a_pattern_is_seen_and_a_quoted_one_is_not():
    assert unquoted("x --set outputs=[a,b] '[c]' \"{d}\" e\\*") == ["outputs=[a,b]"]
    assert settings("`--set a=[1,2]` --set 'b=[1, 2]', --set c=1") == ["a=[1,2]", "'b=[1, 2]'", "c=1"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_pages_quote_what_a_shell_would_read(page):
    text = page.read_text(encoding="utf-8")
    assert [command for command in fenced(text) if unquoted(command)] == []
    assert [word for word in settings(text) if unquoted(word)] == []


@pytest.mark.parametrize("name", HELP)
def test_help_quotes_what_a_shell_would_read(name):
    assert [word for word in settings(HELP[name]) if unquoted(word)] == []
    examples = HELP[name].partition("Example: ")[2].partition("\n\n")[0]
    assert [line for line in examples.splitlines() if unquoted(line)] == []


def test_every_command_has_an_example_in_its_help():
    assert {name for name in COMMANDS if name != "weights"} <= {name for name in HELP if "Example:" in HELP[name]}


@pytest.mark.parametrize("wrong", ["stages", "=3", "stages.depths.0=3"])
def test_hints_quote_what_a_shell_would_read(wrong):
    with pytest.raises(Refused) as caught:
        parse_setting(wrong)
    words = settings(str(caught.value))
    assert words
    assert [word for word in words if unquoted(word)] == []
