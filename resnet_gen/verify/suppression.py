"""Comments in a spec that suppress findings: `# resnet-gen: ignore[ID] reason`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

from resnet_gen.language.comments import comments
from resnet_gen.language.load import Loaded
from resnet_gen.problems import Document, Problem, Span, shortened, suggest
from resnet_gen.verify.rules import RULES
from resnet_gen.verify.rules.invalid_spec import InvalidSpec
from resnet_gen.verify.rules.suppression import Suppression

_OURS = re.compile(r"#\s*resnet-gen:\s*ignore\b")
_IDS = re.compile(r"\s*\[([^\[\]]*)\]")
_HINT = "write '# resnet-gen: ignore[ID] reason'"
_MOST_IDS = 100
"""Ids of one comment; there are fewer rules."""


class IgnoreComment(NamedTuple):
    """One id of a comment: the rule whose findings on a line are suppressed, and why; `where` is the id itself."""

    rule: str
    where: Span
    line: int
    reason: str

    @property
    def target(self) -> _Target:
        """What it suppresses."""
        return _Target(self.where.document, self.line, self.rule)


class _Target(NamedTuple):
    document: Document
    line: int
    rule: str | None


class SuppressionResult(NamedTuple):
    """What is found, what is suppressed and why, and what is wrong with the spec's own comments."""

    found: list[Problem]
    suppressed: list[tuple[Problem, str]]
    faults: list[Problem]


def suppressions(loaded: Loaded) -> list[dict[str, str]]:
    """What the comments of a spec, and of those that it extends, suppress: rule, the line that it is about, reason."""
    documents = dict.fromkeys([loaded.own[0], *(mark.value.document for mark in loaded.source.marks.values())])
    ignores = (ignore for document in documents for ignore in _read(document)[0])
    return [{"rule": i.rule, "line": i.where.document.line(i.line).strip(), "reason": i.reason} for i in ignores]


def suppress(problems: Sequence[Problem], loaded: Loaded, judged: Collection[str]) -> SuppressionResult:
    """Problems sorted by what comments say; of rules that are `judged`, a comment must suppress something."""
    own = loaded.own[0]
    marks = loaded.source.marks
    inherited = {mark.value.document for mark in marks.values()}.difference(loaded.own) if problems else set()
    ignores, faults = _read(own)
    by_target = {i.target: i for d in inherited for i in _read(d)[0]} | {i.target: i for i in reversed(ignores)}
    used: set[IgnoreComment] = set()
    result = SuppressionResult([], [], faults)
    for problem in problems:
        targets = _targets(problem, own, inherited, marks["extends",].value.line if inherited else 0)
        ignore = next((by_target[target] for target in targets if target in by_target), None)
        if ignore is None:
            result.found.append(problem)
        else:
            used.add(ignore)
            result.suppressed.append((problem, ignore.reason))
    unused = [i for i in ignores if i.rule in judged and i not in used]
    faults += [_fault(f"'{i.rule}' finds nothing here to suppress", i.where, "delete it") for i in unused]
    return result


def _targets(problem: Problem, own: Document, inherited: Collection[Document], extends: int) -> Iterator[_Target]:
    """Where an id suppresses this problem: on its line and, if it was inherited, where the spec says from whom."""
    if isinstance(problem.where, Span):
        yield _Target(problem.where.document, problem.where.line, problem.rule)
        if problem.where.document in inherited:
            yield _Target(own, extends, problem.rule)


def _read(document: Document) -> tuple[list[IgnoreComment], list[Problem]]:
    """What the comments of one document suppress, and what is wrong with those that say it wrongly."""
    if "resnet-gen:" not in document.text:
        return [], []
    spans = list(comments(document))
    below = _below(spans)
    ignores: list[IgnoreComment] = []
    faults: list[Problem] = []
    for span in spans:
        if ours := _OURS.search(document.line(span.line), span.column):
            found = _ignores(span, ours.end(), below.get(span.line, span.line))
            wrong = list(_faults(span, found))
            faults += wrong
            ignores += [] if wrong else found
    return ignores, faults


def _below(spans: Iterable[Span]) -> dict[int, int]:
    """For each line that holds a comment alone, the line that it is about: the first below that does not."""
    alone = [s.line for s in spans if not s.document.line(s.line)[: s.column].strip()]
    found: dict[int, int] = {}
    for line in reversed(alone):
        found[line] = found.get(line + 1, line + 1)
    return found


def _ignores(span: Span, end: int, line: int) -> list[IgnoreComment]:
    """The ids that stand from `end` on the line of a comment, each with the reason for all."""
    text = span.document.line(span.line)
    bracket = _IDS.match(text, end)
    if bracket is None or bracket[1].count(",") >= _MOST_IDS:
        return []
    reason = text[bracket.end() :].strip()
    found = []
    column = bracket.start(1)
    for word in bracket[1].split(","):
        name = word.strip()
        first = column + len(word) - len(word.lstrip()) if name else column
        where = Span(span.document, span.line, first, first + max(1, len(name)))
        found.append(IgnoreComment(name, where, line, reason))
        column += len(word) + 1
    return found


def _faults(span: Span, ignores: Sequence[IgnoreComment]) -> Iterator[Problem]:
    if not all(i.rule for i in ignores) or not ignores:
        yield _fault("names no rule", span, _HINT)
        return
    for rule, where, *_ in ignores:
        if rule not in RULES:
            yield _fault(f"there is no rule '{shortened(rule)}'", where, suggest(rule, RULES))
        elif rule in (InvalidSpec.id, Suppression.id):
            yield _fault(f"'{rule}' cannot be suppressed", where)
    if not ignores[0].reason:
        yield _fault("no reason is given", span, _HINT)


def _fault(message: str, where: Span, hint: str | None = None) -> Problem:
    return Problem(message, where, hint, Suppression.id)
