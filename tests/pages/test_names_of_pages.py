"""Options, commands, targets of make, files, pages and headings that are named somewhere are there."""

from __future__ import annotations

import ast
import re
from functools import cache
from itertools import pairwise

import click
import pytest
from markdown_it import MarkdownIt

from resnet_gen.cli import cli
from resnet_gen.speed.targets import shipped_targets
from tests.pages.shown import PAGES, ROOT, commands, text

MARKDOWN = MarkdownIt().enable("table")
FOREIGN = {
    "--ours": "git",
    "--strict": "mypy",
    "--unshallow": "git",
    "--model-repository": "tritonserver",
    "--xla_backend_optimization_level": "XLA",
}
"""Options of others that stand in no file of this project; those of trtexec, of scripts and examples do."""
OPTION = re.compile(r"(?<![\w-])--[a-z][\w-]*", re.IGNORECASE)
FOLDERS = re.compile(
    r"(?:\.ci|benchmarks|docs|examples|generated|requirements|resnet_gen|specs|templates|tests)/[\w./*-]*"
)
GENERATED = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.glob("generated/*/*/**/*.md"))
"""Pages that `generate` writes for others."""
HERE = re.compile(r"^\| ((?:\\\||[^|])*`(?:\\\||[^|])*) \|", re.MULTILINE)
"""The first cell of a row, where it is names."""


def every(command, path=()):
    """Every command, by the words that name it."""
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from every(command.get_command(context, name), (*path, name))
    yield " ".join(path), command


COMMANDS = dict(every(cli))
OPTIONS = {
    name: {option for one in command.params for option in (*one.opts, *one.secondary_opts)} | {"--help", "-h"}
    for name, command in COMMANDS.items()
}
OURS = set().union(*OPTIONS.values())


@cache
def elsewhere():
    """The text of what else has options here: scripts, templates, the plugin, examples."""
    files = [*(ROOT / "templates").rglob("*.jinja"), *(ROOT / "examples").rglob("*.py"), ROOT / "Makefile"]
    files += [
        ROOT / "resnet_gen/cli/pytest_plugin.py",
        ROOT / "resnet_gen/language/engine_options.py",
        ROOT / "tests/accuracy/train.py",
        *(ROOT / "resnet_gen/build").rglob("*.py"),
        *(ROOT / "benchmarks").glob("*.py"),
    ]
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


@cache
def inline(page):
    """What stands between backticks in the sentences of a page, with its line; generated pages of figures have none."""
    tokens = [token for token in MARKDOWN.parse(text(page)) if token.type == "inline" and token.map]
    return [(t.map[0] + 1, part.content) for t in tokens for part in t.children if part.type == "code_inline"]


def called(words):
    """The command that words name, and its options there; None where they are of no command of ours."""
    found = re.match(r"resnet-gen ((?:weights )?(?:[a-z][a-z-]*)?)(.*)", words)
    return found and (found[1].strip(), re.findall(r"(?<![\w-])--?[a-z][\w-]*", found[2]))


def wrong(words):
    """Commands and options in some words that there are not."""
    if "resnet-gen " in words:
        name, options = called(words[words.index("resnet-gen ") :])
        return [option for option in options if option not in OPTIONS[name]] if name in OPTIONS else [name]
    return unknown(words)


def unknown(words):
    """Options in some words that no command of ours has, and nothing else that pages speak of."""
    options = [option for option in OPTION.findall(words) if option not in OURS and option not in FOREIGN]
    return [option for option in options if option not in elsewhere()]


def test_what_is_not_there_is_seen():
    assert wrong("resnet-gen conut resnet50") == ["conut"]
    assert wrong("resnet-gen count resnet50 --convetion all") == ["--convetion"]
    assert wrong("resnet-gen weights convert --to timm -o x.npz") == []
    assert wrong("--fp99") == ["--fp99"]
    assert wrong("--noTF32") == wrong("--freeze 1") == wrong("--calibration") == []


@pytest.mark.parametrize("page", [*PAGES, *GENERATED])
def test_commands_and_options_on_pages_are_there(page):
    named = inline(page) + [(one.line, one.command) for one in commands(page)]
    assert [(line, words, wrong(words)) for line, words in named if wrong(words)] == []


def test_options_that_messages_and_help_name_are_there():
    found = {}
    for path in sorted((ROOT / "resnet_gen").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value:
                named = [words for words in re.findall(r"`([^`\n]+)`", node.value) if wrong(words)]
                named += unknown(node.value) if "git " not in node.value else []
                found |= {f"{path.relative_to(ROOT)}:{node.lineno}": named} if named else {}
    assert found == {}


@pytest.mark.parametrize("name", [name for name, command in COMMANDS.items() if "Example:" in (command.help or "")])
def test_examples_of_help_are_commands(name):
    shown = COMMANDS[name].get_help(click.Context(COMMANDS[name])).partition("Example: ")[2].partition("\n\n")[0]
    lines = [line.strip() for line in shown.splitlines()]
    assert all(called(line)[0].startswith(name) for line in lines)
    assert [line for line in lines if wrong(line)] == []


@pytest.mark.parametrize("page", PAGES)
def test_targets_of_make_are_there(page):
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    there = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    words = [words for _, words in inline(page)] + [one.command for one in commands(page)]
    named = [name for one in words if one.startswith("make ") for name in one.split()[1:] if "=" not in name]
    assert [name for name in named if name not in there] == []


@pytest.mark.parametrize("page", PAGES)
def test_files_that_are_named_are_there(page):
    named = [words for _, words in inline(page) if FOLDERS.fullmatch(words)]
    gone = [words for words in named if not list(ROOT.glob(re.sub(r"[A-Z]{4,}", "*", words).rstrip("/")))]
    assert [words for words in gone if not (ROOT / f"{words}.py").is_file()] == []


@pytest.mark.parametrize("page", PAGES)
def test_devices_that_are_named_are_there(page):
    words = [words for _, words in inline(page)] + [one.command for one in commands(page)]
    named = {name for one in words for name in re.findall(r"--for[ =]([a-z][\w.-]+)", one)}
    assert named - set(shipped_targets()) == set()


# --- links -----------------------------------------------------------------------------------------------------------


@cache
def headings(page):
    """The anchors of a page, as GitHub makes them of its headings."""
    found: list[str] = []
    tokens = MARKDOWN.parse(text(page))
    for opening, inside in pairwise(tokens):
        if opening.type == "heading_open":
            words = "".join(part.content for part in inside.children)
            anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            again = sum(one == anchor or re.fullmatch(re.escape(anchor) + r"-\d+", one) is not None for one in found)
            found.append(f"{anchor}-{again}" if again else anchor)
    return found


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_pages_and_headings_that_are_there(page):
    tokens = [part for token in MARKDOWN.parse(text(page)) for part in token.children or ()]
    links = [part.attrGet("href") or part.attrGet("src") for part in tokens if part.type in ("link_open", "image")]
    for link in (link for link in links if not re.match(r"\w+:", link)):
        name, _, anchor = link.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), link
        to = path.resolve().relative_to(ROOT).as_posix()
        assert not anchor or to not in PAGES or anchor in headings(to), link


def test_anchors_are_those_that_github_makes():
    assert "a-part-of-your-own" in headings("docs/parts.md")
    assert "what-changed-review" in headings("docs/ci.md")
    assert "count---format-json" in headings("docs/commands.md")


def test_pages_that_the_package_names_are_there():
    sources = [*(ROOT / "resnet_gen").rglob("*.py"), *(ROOT / "templates").rglob("*.jinja"), ROOT / "action.yml"]
    named = {name for path in sources for name in re.findall(r"\bdocs/[a-z][\w/-]*\.md", path.read_text("utf-8"))}
    assert len(named) > 10
    assert sorted(name for name in named if not (ROOT / name).is_file()) == []


def test_every_page_is_linked_from_the_readme_or_from_a_page_beside_it():
    linked = {
        ((ROOT / page).parent / link.partition("#")[0]).resolve()
        for page in PAGES
        for link in re.findall(r"\]\(([^)\s:]+)\)", text(page))
    }
    linked |= {path / "README.md" for path in linked}
    assert [page for page in PAGES if page.startswith(("docs/", "examples/")) and ROOT / page not in linked] == []


# --- what pages list -------------------------------------------------------------------------------------------------


def listed(page):
    """The names in the first cells of a page's tables."""
    return [name for row in HERE.findall(text(page)) for name in re.findall(r"`([^`]+)`", row)]


def test_the_page_on_tests_has_every_file_of_tests_and_no_other():
    tests = ROOT / "tests"
    named = [name for name in listed("tests/README.md") if not name.startswith("make ") and "=" not in name]
    assert [name for name in named if not (tests / name).exists()] == []
    there = {path.name for path in tests.iterdir() if path.suffix == ".py" or (path / "__init__.py").is_file()}
    there = {name for name in there if not name.startswith(("__", "."))}
    assert there - {name.split("/")[0] for name in named} == set()


@pytest.mark.parametrize("name", [name for name in COMMANDS if f"\n## {name}\n" in text("docs/commands.md")])
def test_the_page_of_commands_has_every_option_of_a_command_and_no_other(name):
    told = text("docs/commands.md").split("\n## ")[0]  # what all commands have stands above
    section = text("docs/commands.md").split(f"\n## {name}\n")[1].split("\n## ")[0]
    named = set(OPTION.findall("".join(HERE.findall(section))))
    assert named - OPTIONS[name] == set()
    options = [{*one.opts, *one.secondary_opts} for one in COMMANDS[name].params if one.param_type_name == "option"]
    assert [sorted(one) for one in options if not one & set(re.findall(r"--?[a-z][\w-]*", told + section))] == []


def test_the_page_of_commands_has_every_command():
    named = {called(f"resnet-gen {words}")[0] for words in listed("docs/commands.md") if words[0].islower()}
    assert {name for name, command in COMMANDS.items() if not isinstance(command, click.Group)} - named == set()


@pytest.mark.parametrize("name", [name for name in COMMANDS if f"\n## {name}\n" in text("docs/commands.md")])
def test_defaults_on_the_page_of_commands_are_those_of_the_command(name):
    section = text("docs/commands.md").split(f"\n## {name}\n")[1].split("\n## ")[0]
    for one in COMMANDS[name].params:
        default = one.default if type(one.default) in (int, float, str) else None
        for row in re.findall(rf"^\| [^|]*`{one.opts[0]}\b.* by default.*\|$", section, re.MULTILINE):
            assert default in (None, "onnx", ".") or re.search(rf"\b{default}\b[^.;]* by default", row), (
                one.opts,
                default,
            )


@pytest.mark.parametrize("name", COMMANDS)
def test_choices_on_the_page_of_commands_are_those_of_the_command(name):
    for one in COMMANDS[name].params:
        if isinstance(one.type, click.Choice) and f"\n## {name}\n" in text("docs/commands.md"):
            section = text("docs/commands.md").split(f"\n## {name}\n")[1].split("\n## ")[0]
            for choices in re.findall(rf"{one.opts[-1]} ([a-z0-9-]+(?:\\\|[a-z0-9-]+)+)", section):
                assert choices.split("\\|") == list(one.type.choices), one.opts
