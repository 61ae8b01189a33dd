"""Findings sorted by the comments of a spec: open or suppressed, and comments that are wrong."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from resnet_gen.language.comments import IgnoreComment, documents, ignore_comments
from resnet_gen.language.load import Loaded
from resnet_gen.problems import Document, Problem, Span, shorten, suggest
from resnet_gen.verify.rules import RULES
from resnet_gen.verify.rules.invalid_spec import InvalidSpec
from resnet_gen.verify.rules.suppression import Suppression

_HINT = "write '# resnet-gen: ignore[ID] reason'"


_Target: TypeAlias = tuple[Document, int, str | None]
"""What an id suppresses: what a rule finds on a line of a text."""


class SuppressionResult(NamedTuple):
    """What is found, what is suppressed and why, and what is wrong with the spec's own comments."""

    found: list[Problem]
    suppressed: list[tuple[Problem, str]]
    faults: list[Problem]


def list_suppressions(loaded: Loaded) -> list[dict[str, str]]:
    """What the comments of a spec, and of those that it extends, suppress: rule, the line that it is about, reason."""
    ignores = (ignore for document in documents(loaded) for ignore in _read_comments(document)[0])
    return [{"rule": i.rule, "line": i.where.document.line(i.line).strip(), "reason": i.reason} for i in ignores]


def suppress(problems: Sequence[Problem], loaded: Loaded, judged: Collection[str]) -> SuppressionResult:
    """Problems sorted by what comments say; of rules that are `judged`, a comment must suppress something."""
    own = loaded.own[0]
    inherited = set(documents(loaded)).difference(loaded.own) if problems else set()
    ignores, faults = _read_comments(own)
    by_target = {_find_target(i): i for d in inherited for i in _read_comments(d)[0]} | {
        _find_target(i): i for i in reversed(ignores)
    }
    extends = loaded.source.marks["extends",].value.line if inherited else 0
    used: set[IgnoreComment] = set()
    result = SuppressionResult([], [], faults)
    for problem in problems:
        targets = _find_targets(problem, own, inherited, extends)
        ignore = next((by_target[target] for target in targets if target in by_target), None)
        if ignore is None:
            result.found.append(problem)
        else:
            used.add(ignore)
            result.suppressed.append((problem, ignore.reason))
    unused = [i for i in ignores if i.rule in judged and i not in used]
    faults += [_report_fault(f"'{i.rule}' finds nothing here to suppress", i.where, "delete it") for i in unused]
    return result


def _find_target(ignore: IgnoreComment) -> _Target:
    return ignore.where.document, ignore.line, ignore.rule


def _find_targets(problem: Problem, own: Document, inherited: Collection[Document], extends: int) -> Iterator[_Target]:
    """Where an id suppresses this problem: on its line and, if it was inherited, where the spec says from whom."""
    if isinstance(problem.where, Span):
        yield problem.where.document, problem.where.line, problem.rule
        if problem.where.document in inherited:
            yield own, extends, problem.rule


def _read_comments(document: Document) -> tuple[list[IgnoreComment], list[Problem]]:
    """What the comments of one document suppress, and what is wrong with those that say it wrongly."""
    ignores: list[IgnoreComment] = []
    faults: list[Problem] = []
    for span, found in ignore_comments(document):
        wrong = list(_find_faults(span, found))
        faults += wrong
        ignores += [] if wrong else found
    return ignores, faults


def _find_faults(span: Span, ignores: Sequence[IgnoreComment]) -> Iterator[Problem]:
    if not all(i.rule for i in ignores) or not ignores:
        yield _report_fault("names no rule", span, _HINT)
        return
    for rule, where, *_ in ignores:
        if rule not in RULES:
            yield _report_fault(f"there is no rule '{shorten(rule)}'", where, suggest(rule, RULES))
        elif rule in (InvalidSpec.id, Suppression.id):
            yield _report_fault(f"'{rule}' cannot be suppressed", where)
    if not ignores[0].reason:
        yield _report_fault("no reason is given", span, _HINT)


def _report_fault(message: str, where: Span, hint: str | None = None) -> Problem:
    return Problem(message, where, hint, Suppression.id)
