"""The work of `verify`: which rules, over which specs, reported in which formats and where."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from resnet_gen.cli.output import say, say_command, say_lines, write_files
from resnet_gen.cli.projects import VerificationScope
from resnet_gen.language.custom_parts.files import give_notice
from resnet_gen.language.load import list_spec_files
from resnet_gen.problems import Refused, refuse, several
from resnet_gen.system.write import check_writable
from resnet_gen.verify.formats import FORMATS
from resnet_gen.verify.outcome import Outcome, examine, find_unread_project
from resnet_gen.verify.rule_selection import parse_ignored_rules
from resnet_gen.verify.rules.base import Rule
from resnet_gen.verify.subject import AccuracyEvaluation
from resnet_gen.weights.downloads.names import WeightsSource


class Destination(NamedTuple):
    """A format, and the file that it is written to; None is stdout."""

    form: str
    file: Path | None


def choose_destinations(forms: Sequence[str], outputs: Sequence[Path], read: Iterable[Path]) -> list[Destination]:
    """Each `--format` with its `--output`; raises `Refused` for what could not be written, or is `read`."""
    if len(forms) != max(1, len(outputs)):
        counts = f"{several(len(forms), 'format')} and {several(len(outputs), 'output')}"
        raise refuse(f"--format and --output: {counts}", hint="give each --format its --output; '-' is stdout")
    resolved = [os.path.realpath(output) for output in outputs]
    for output, path in zip(outputs, resolved, strict=True):
        if resolved.count(path) > 1:
            raise refuse("--output: named twice", str(output))
    places = [None if str(output) == "-" else output for output in outputs]
    known = list(read) if any(places) else []
    for file in filter(None, places):
        check_writable(file, known)
    return [Destination(*pair) for pair in zip(forms, places or [None], strict=True)]


def choose_evaluation(
    references: Sequence[str], evaluate: bool, weights: WeightsSource | None
) -> AccuracyEvaluation | None:
    """That budgets of accuracy are held, if that is asked for; raises `Refused` for weights of several specs."""
    if not evaluate:
        return None
    if weights is not None and len(references) != 1:
        raise refuse("--weights: they are one spec's", hint="name the spec, or write 'weights' in each budget")
    return AccuracyEvaluation(weights)


def against_rules(
    references: Sequence[str],
    file: Path | None,
    weights: WeightsSource | None,
    ignore: Sequence[str],
    *,
    evaluate: bool,
) -> tuple[Rule, ...]:
    """The rules of `--against` but for those that `--ignore` names; what a project ignores takes none away.

    Raises `Refused` where that makes no sense, or for a file that cannot be read.
    """
    if file is None:
        if weights is not None and not evaluate:
            raise refuse("--weights means nothing without --against or --evaluate")
        return ()
    if len(references) != 1:
        raise refuse("--against: one spec is compared with a file", hint="name the spec before it")
    from resnet_gen.compare.against import choose_file_rules  # onnx and NumPy, which other rules do without

    return choose_file_rules(file, weights, parse_ignored_rules(ignore))


def tell_unread(refused: Refused, destinations: Sequence[Destination]) -> None:
    """Report a project file that cannot be read, wherever the format is not text."""
    if outcome := find_unread_project(refused.problems):
        _write_outcomes([destination for destination in destinations if destination.form != "text"], [outcome])


def verify(
    scope: VerificationScope, settings: Sequence[str], chosen: frozenset[str], destinations: Sequence[Destination]
) -> int:
    """Verify each spec and report what was found; returns the exit code, or raises `Refused` for specs unread."""
    live = Destination("text", None) in destinations
    for file in (file for reference in scope.references for file in list_spec_files(reference) if file.suffix == ".py"):
        give_notice(str(file))  # before anything is printed
    outcomes = []
    for outcome in examine_specs(scope, settings, chosen):
        outcomes.append(outcome)
        if live or (scope.against and not outcome.findings):  # what was not compared stands in no other format
            say_lines(_render_outcomes("text", [outcome]), err=not live)
        for note in outcome.notes:
            say_lines(f"{note}\n", err=True)
    _write_outcomes([destination for destination in destinations if destination.file or not live], outcomes)
    for destination in destinations:
        if destination.file:
            say(destination.file, err=any(other.file is None for other in destinations))
    invalid = [finding.problem for outcome in outcomes for finding in outcome.invalid]
    if invalid:
        raise Refused(dict.fromkeys(invalid))  # what a project asks of every spec can be wrong for each
    say(_format_summary(outcomes, len(scope.references)), err=True)
    return int(any(outcome.findings for outcome in outcomes))


def examine_specs(scope: VerificationScope, settings: Sequence[str], chosen: frozenset[str]) -> Iterator[Outcome]:
    """One a spec and, where all of a project are verified and could be read, one of the project."""
    names = []
    for reference in scope.references:
        more = (*(scope.contract.rules if scope.contract else ()), *scope.against)
        outcome = examine(reference, settings, chosen, more, scope.evaluation)
        names += [] if outcome.invalid else [outcome.name]
        yield outcome
    if scope.contract and scope.whole and len(names) == len(scope.references):
        yield scope.contract.outcome(names, chosen)


def _write_outcomes(destinations: Sequence[Destination], outcomes: Sequence[Outcome]) -> None:
    texts = {destination: _render_outcomes(destination.form, outcomes) for destination in destinations}
    write_files({place.file: text.encode() for place, text in texts.items() if place.file})
    for destination, text in texts.items():
        if not destination.file:
            (say_command if destination.form == "github" else say_lines)(text)


def _render_outcomes(form: str, outcomes: Sequence[Outcome]) -> str:
    text: str = importlib.import_module(FORMATS[form]).render(outcomes)
    return text


def _format_summary(outcomes: Sequence[Outcome], specs: int) -> str:
    findings = sum(len(outcome.findings) for outcome in outcomes)
    suppressed = sum(len(outcome.suppressed) for outcome in outcomes)
    more = f", {suppressed:,} suppressed" if suppressed else ""
    return f"{several(specs, 'spec')}, {several(findings, 'finding')}{more}"
