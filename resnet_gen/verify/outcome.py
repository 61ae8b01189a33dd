"""One spec verified: rules run, suppressed findings set apart, what came of it, and where reports point."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from resnet_gen.graph.counts import count
from resnet_gen.language.load import Loaded, display_name, load
from resnet_gen.language.lower import lower
from resnet_gen.language.notes import notes
from resnet_gen.language.source import SETTING
from resnet_gen.problems import Problem, Refused, Span, shorten, visible
from resnet_gen.verify.rules import RULES, STANDARD
from resnet_gen.verify.rules.base import Rule
from resnet_gen.verify.rules.invalid_spec import InvalidSpec
from resnet_gen.verify.rules.suppression import Suppression
from resnet_gen.verify.subject import AccuracyEvaluation, Subject
from resnet_gen.verify.suppression import suppress


class FindingPlace(NamedTuple):
    """Where a report points: a file by its path from here, and a stretch of one of its lines, as far as known.

    Lines and columns count from 1, columns in units of UTF-16, as editors and SARIF do; `end` is the column after
    the last.
    """

    file: str | None
    line: int | None = None
    column: int | None = None
    end: int | None = None


@dataclass(frozen=True)
class Finding:
    """A broken rule; its text (`str`) is what people are told."""

    rule: str
    """The id of the rule, as `explain_rule` takes it."""
    problem: Problem
    """What is wrong, and where."""
    message: str
    """The problem in a line; of a `--set`, which stands in no file, with its text."""
    place: FindingPlace
    """File, line and column, as reports have them."""
    reason: str | None = None
    """Why it is suppressed, if it is."""

    def __str__(self) -> str:
        """The problem as people read it, with its file as `place` has it."""
        where = self.problem.where
        if isinstance(where, Span) and where.document.name != SETTING:
            where = where._replace(document=replace(where.document, name=str(self.place.file)))
        elif isinstance(where, str):
            where = self.place.file
        return str(replace(self.problem, where=where))


def format_advice(finding: Finding) -> str:
    """The message of a finding, with the hint below it if there is one."""
    hint = finding.problem.hint
    return "\n".join(map(visible, [finding.message, *([f"hint: {hint}"] if hint else [])]))


@dataclass(frozen=True)
class Outcome:
    """What verifying one spec came to.

    `rules` are the ids of those that it was held to, `covered` says in a few words against what. A spec that cannot
    be read has its name as it was asked for, and what is wrong with it stands in `invalid` alone. `notes` are no
    findings: what its author should know.
    """

    name: str
    file: str | None
    rules: tuple[str, ...]
    covered: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    suppressed: tuple[Finding, ...] = ()
    invalid: tuple[Finding, ...] = ()
    notes: tuple[Problem, ...] = ()

    @property
    def all(self) -> tuple[Finding, ...]:
        """Everything that is wrong, suppressed or not."""
        return (*self.invalid, *self.findings, *self.suppressed)


def examine(
    reference: str,
    settings: Sequence[str] = (),
    chosen: Collection[str] = frozenset(RULES),
    more: Sequence[Rule] = (),
    evaluation: AccuracyEvaluation | None = None,
) -> Outcome:
    """Hold one spec to the rules for all specs and to `more`, as far as they are `chosen`.

    Budgets of accuracy are held where there is an `evaluation`.
    Never raises `Refused`: what is wrong with a spec that cannot be read stands in the outcome.
    """
    try:
        return examine_loaded(load(reference, settings), chosen, more, evaluation)
    except Refused as error:
        return _describe_unreadable(reference, error.problems)


def examine_loaded(
    loaded: Loaded,
    chosen: Collection[str] = frozenset(RULES),
    more: Sequence[Rule] = (),
    evaluation: AccuracyEvaluation | None = None,
) -> Outcome:
    """The same of a spec that was loaded; raises `Refused` where it cannot be built or a rule cannot read its file."""
    rules = [rule for rule in (*STANDARD, *more) if rule.id in chosen]
    graph = lower(loaded)
    subject = Subject(loaded, graph, count(graph), evaluation)
    problems = [problem for rule in rules for problem in rule.check(subject)]
    changed = len(loaded.own) > 1  # what a comment is for, a setting may have replaced
    found, suppressed, faults = suppress(problems, loaded, [] if changed else [rule.id for rule in rules])
    file = _make_relative(loaded.own[0].name)
    return Outcome(
        loaded.spec.name,
        file,
        applicable_rules(chosen, more),
        tuple(words for rule in rules if (words := rule.covers(subject))),
        _sort_findings(
            _describe_finding(problem, file) for problem in (*found, *(faults if Suppression.id in chosen else ()))
        ),
        _sort_findings(_describe_finding(problem, file, reason) for problem, reason in suppressed),
        notes=(*notes(loaded), *(remark for rule in rules for remark in rule.remarks(subject))),
    )


def _sort_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Findings by file and line, those without one first, and else as the rules reported them."""
    return tuple(sorted(findings, key=lambda finding: (finding.place.file or "", finding.place.line or 0)))


def applicable_rules(chosen: Collection[str], more: Iterable[Rule] = ()) -> tuple[str, ...]:
    """The ids of the rules that a spec is held to, as far as they are `chosen`."""
    rules = dict.fromkeys(rule.id for rule in (*STANDARD, *more) if rule.id in chosen)
    return (InvalidSpec.id, *rules, *([Suppression.id] if Suppression.id in chosen else []))


def project_outcome(file: str, rules: Iterable[str], covered: Iterable[str], problems: Iterable[Problem]) -> Outcome:
    """What a project, that `file` describes, came to beside its specs."""
    findings = tuple(_describe_finding(problem, file) for problem in problems)
    return Outcome(file, file, tuple(rules), tuple(covered), findings)


def find_unread_project(problems: Sequence[Problem]) -> Outcome | None:
    """The outcome of a project file that cannot be read; None where what is wrong stands in no file."""
    file = next(
        (place.file for place in (_find_place(problem.where, None) for problem in problems) if place.file), None
    )
    invalid = tuple(_describe_finding(problem, file) for problem in problems)
    return Outcome(file, file, (InvalidSpec.id,), invalid=invalid) if file else None


def _describe_unreadable(reference: str, problems: Iterable[Problem]) -> Outcome:
    shown = display_name(reference)
    file = _make_relative(shown) if shown else None
    invalid = tuple(_describe_finding(problem, file) for problem in problems)
    return Outcome(_make_relative(reference), file, (InvalidSpec.id,), invalid=invalid)


def _describe_finding(problem: Problem, file: str | None, reason: str | None = None) -> Finding:
    """A problem of the spec in `file`; one of no rule kept it from being read."""
    message, place = problem.message, _find_place(problem.where, file)
    if isinstance(problem.where, Span) and problem.where.document.name == SETTING:
        message += f" (at {SETTING} {shorten(problem.where.document.text)})"
    return Finding(problem.rule or InvalidSpec.id, problem, message, place, reason)


def _find_place(where: Span | str | None, file: str | None) -> FindingPlace:
    """Where reports point; of a `--set`, which stands in no file, the first line of the spec."""
    if not isinstance(where, Span):
        return FindingPlace(_make_relative(where) if where else file)
    if where.document.name == SETTING:
        return FindingPlace(file, 1 if file else None)
    column = where.document.utf16_column(where.line, where.column) + 1
    end = max(where.document.utf16_column(where.line, where.end) + 1, column + 1)  # what is missing has no width
    return FindingPlace(_make_relative(where.document.name), where.line + 1, column, end)


def _make_relative(name: str) -> str:
    """A file by its path from here, so that reports hold no path of a machine; '/' between folders."""
    path = Path(name)
    if path.is_absolute():
        try:
            path = Path(os.path.relpath(path))
        except (OSError, ValueError):  # from a folder that is gone, or on another drive
            path = Path(path.name)
    return path.as_posix()
