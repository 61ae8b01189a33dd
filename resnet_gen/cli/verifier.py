"""The work of `verify`: which rules, over which specs, told in which formats and where."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import click

from resnet_gen.emit.findings import FORMATS
from resnet_gen.load import find
from resnet_gen.problems import Refused, refuse, several, shortened, suggest
from resnet_gen.verify import RULES, Rule
from resnet_gen.verify.outcome import Outcome, examine
from resnet_gen.verify.rules.invalid_spec import InvalidSpec
from resnet_gen.write import check_writable, write_file


class Destination(NamedTuple):
    """A format, and the file that it is written to; None is stdout."""

    form: str
    file: Path | None


def chosen_rules(select: Sequence[str], ignore: Sequence[str]) -> frozenset[str]:
    """The ids of the rules that `--select` and `--ignore` leave; raises `Refused` where there is no such rule."""
    selected, ignored = _ids("--select", select), _ids("--ignore", ignore)
    both = [word for word in selected if word in ignored]
    if both:
        raise refuse(f"--select and --ignore both name '{both[0]}'", hint="leave it away from one of them")
    if InvalidSpec.id in ignored:
        raise refuse(f"--ignore: '{InvalidSpec.id}' cannot be ignored", hint="leave the spec away")
    return frozenset(selected or RULES).difference(ignored)


def _ids(option: str, texts: Sequence[str]) -> list[str]:
    """The ids, separated by commas, of an option that may be given several times."""
    words = [word.strip() for text in texts for word in text.split(",")]
    for word in words:
        if word not in RULES:
            raise refuse(f"{option}: there is no rule '{shortened(word)}'", hint=suggest(word, RULES))
    return words


def destinations(forms: Sequence[str], outputs: Sequence[Path], references: Sequence[str]) -> list[Destination]:
    """Each `--format` with its `--output`; raises `Refused` for what could not be written."""
    if len(forms) != max(1, len(outputs)):
        counts = f"{several(len(forms), 'format')} and {several(len(outputs), 'output')}"
        raise refuse(f"--format and --output: {counts}", hint="give each --format its --output; '-' is stdout")
    resolved, read = [os.path.realpath(output) for output in outputs], _read_from(references)
    for output, path in zip(outputs, resolved, strict=True):
        if resolved.count(path) > 1:
            raise refuse("--output: named twice", str(output))
        if path in read:
            raise refuse("--output: one of the specs", str(output))
    files = [None if str(output) == "-" else output for output in outputs]
    for file in filter(None, files):
        check_writable(file)
    return [Destination(*pair) for pair in zip(forms, files or [None], strict=True)]


def _read_from(references: Sequence[str]) -> set[str]:
    found = set()
    for reference in references:
        with suppress(Refused):
            found.add(os.path.realpath(find(reference)))
    return found


def against(references: Sequence[str], file: Path | None, weights: Path | None) -> tuple[Rule, ...]:
    """The rules of `--against`; raises `Refused` where that makes no sense, or for a file that cannot be read."""
    if file is None:
        if weights is not None:
            raise refuse("--weights means nothing without --against")
        return ()
    if len(references) != 1:
        raise refuse("--against: one spec is held against a file", hint="name the spec before it")
    from resnet_gen.against import rules  # onnx and NumPy, which other rules do without

    return rules(file, weights)


def verify(
    references: Sequence[str],
    settings: Sequence[str],
    chosen: frozenset[str],
    told: Sequence[Destination],
    more: Sequence[Rule] = (),
) -> int:
    """Verify each spec and tell what was found; returns the exit code, or raises `Refused` for specs unread."""
    live = Destination("text", None) in told
    outcomes = []
    for reference in references:
        outcome = examine(reference, settings, chosen, more)
        outcomes.append(outcome)
        if live:
            click.echo(_render("text", [outcome]), nl=False)
    for destination in told:
        if destination.file is not None:
            write_file(destination.file, _render(destination.form, outcomes).encode())
            click.echo(destination.file, err=any(other.file is None for other in told))
        elif not live:
            click.echo(_render(destination.form, outcomes), nl=False)
    invalid = [finding.problem for outcome in outcomes for finding in outcome.invalid]
    if invalid:
        raise Refused(invalid)
    click.echo(_summary(outcomes), err=True)
    return int(any(outcome.findings for outcome in outcomes))


def _render(form: str, outcomes: Sequence[Outcome]) -> str:
    text: str = importlib.import_module(FORMATS[form]).render(outcomes)
    return text


def _summary(outcomes: Sequence[Outcome]) -> str:
    findings = sum(len(outcome.findings) for outcome in outcomes)
    suppressed = sum(len(outcome.suppressed) for outcome in outcomes)
    more = f", {suppressed:,} suppressed" if suppressed else ""
    return f"{several(len(outcomes), 'spec')}, {several(findings, 'finding')}{more}"
