"""What a network may cost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_gen.language.budgets import LatencyBudget
from resnet_gen.problems import Loc, Problem, Refused, Span, several
from resnet_gen.system.links import check_named
from resnet_gen.verify.rules.base import Rule
from resnet_gen.verify.stated_budgets import StatedBudgets, place_problem
from resnet_gen.verify.subject import PREDICTING, Subject

if TYPE_CHECKING:
    from resnet_gen.project.project_file import Project
    from resnet_gen.speed.targets import Target


class BudgetKept(Rule):
    """A count, a predicted latency or a file size is within its budget.

    `budgets`, in a spec or for its name in a project file, says what a network may cost: the least and the most of
    any count of docs/counting.md, of the time that a device is predicted to take (docs/predict.md), and of the bytes
    of the ONNX model. Counts and bytes are exact; the bytes are those that this version of `resnet-gen build` would
    write. A finding says by how much a bound is broken. `budgets` is not inherited through `extends`.

    `accuracy` is how often the network must be right on labelled images (docs/evaluate.md). It takes a run, and is held
    with `--evaluate` alone; without it, a note says that it was not looked at.

    Source: whoever wrote the budget. This spec breaks it:

        name: mine
        extends: resnet50
        budgets:
          params: {max: 25M}

    To mend it, make the network smaller, or the budget larger.
    """

    id = "budget"
    _whose = ""

    def covers(self, subject: Subject) -> str:
        stated = list(self._list_budgets(subject))
        number = sum(each.budgets.number for each in stated)
        words = [f"{several(number, 'budget')}{self._whose}"] if number else []
        evaluated = sum(len(each.budgets.accuracy) for each in stated) if subject.evaluation else 0
        words += [f"{several(evaluated, 'budget')} of accuracy{self._whose}"] if evaluated else []
        return ", ".join(words)

    def check(self, subject: Subject) -> Iterator[Problem]:
        for stated in self._list_budgets(subject):
            yield from self._check_budgets(subject, stated)

    def _list_budgets(self, subject: Subject) -> Iterator[StatedBudgets]:
        if subject.loaded.spec.budgets:
            yield StatedBudgets(subject.loaded.spec.budgets, subject.loaded.source, ("budgets",))

    def _check_budgets(self, subject: Subject, stated: StatedBudgets) -> Iterator[Problem]:
        for name, budget in stated.budgets.counts():
            yield from self._find_broken_bounds(
                stated, stated.place(name), budget.bounds, name, getattr(subject.counts, name), ""
            )
        for index, latency in enumerate(stated.budgets.latency):
            loc = stated.place("latency", index)
            what = f"latency on {latency.target} ({latency.precision}, batch {latency.batch:,})"
            where = stated.source.span((*loc, "target"))
            subject.work.spend(PREDICTING, where)
            taken = _predict_milliseconds(subject, latency, where)
            yield from self._find_broken_bounds(stated, loc, latency.bounds, what, taken, " ms")
        for index, size in enumerate(stated.budgets.onnx_size):
            loc = stated.place("onnx_size", index)
            what = f"onnx_size ({size.precision})"
            taken = subject.onnx_size(size.precision, stated.source.span(loc))
            yield from self._find_broken_bounds(stated, loc, size.bounds, what, taken, " bytes")
        if subject.evaluation and stated.budgets.accuracy:
            from resnet_gen.verify.accuracy import check_accuracy  # runtimes and pictures, which few specs need

            yield from check_accuracy(subject, stated, self.id)

    def remarks(self, subject: Subject) -> Iterator[Problem]:
        for stated in self._list_budgets(subject):
            if stated.budgets.accuracy and not subject.evaluation:
                where = stated.source.span(stated.place("accuracy"), key=True)
                number = several(len(stated.budgets.accuracy), "budget")
                words = f"{stated.prefix}accuracy was not evaluated ({number}): --evaluate does"
                yield Problem(words, str(where), severity="note")
            elif stated.budgets.accuracy:
                from resnet_gen.verify.accuracy import describe_accuracy

                yield from describe_accuracy(subject, stated)

    def _find_broken_bounds(
        self,
        stated: StatedBudgets,
        loc: Loc,
        bounds: tuple[float | None, float | None],
        what: str,
        figure: float,
        unit: str,
    ) -> Iterator[Problem]:
        """The bounds that a figure is beyond."""
        low, high = bounds
        for key, bound, word, beyond in (
            ("min", low, "under", low is not None and figure < low),
            ("max", high, "over", high is not None and figure > high),
        ):
            if bound is not None and beyond:
                by = f"{_format_figure(abs(figure - bound))}{unit}{_format_percent(abs(figure - bound), bound)}"
                words = f"{_format_figure(figure)}{unit}, {word} the budget of {_format_figure(bound)}{unit} by {by}"
                message = f"{stated.prefix}{what}: {words}"
                yield Problem(message, stated.source.span((*loc, key)), None, self.id)


class ProjectBudgetKept(BudgetKept):
    """What a project says that networks of some names may cost."""

    _whose = " of the project"

    def __init__(self, project: Project) -> None:
        self._project = project

    def _list_budgets(self, subject: Subject) -> Iterator[StatedBudgets]:
        name = subject.loaded.spec.name
        for pattern, budgets in self._project.budgets(name):
            yield StatedBudgets(budgets, self._project.source, ("budgets", pattern), f"{name}: ")


def _predict_milliseconds(subject: Subject, budget: LatencyBudget, where: Span | None) -> float:
    """The predicted time; what makes it impossible is refused at the target's line."""
    from resnet_gen.speed.prediction import predict  # which, with targets, few specs need

    try:
        return 1e3 * predict(subject.graph, _load_device(budget.target, where), budget.precision, budget.batch).seconds
    except Refused as error:
        raise Refused(place_problem(problem, where) for problem in error.problems) from None


def _load_device(name: str, where: Span | None) -> Target:
    """A shipped device, or that of a file beside what states the budget: no other is one that reviews compare."""
    from resnet_gen.speed.targets import is_file_of_device, load_shipped_target, load_target

    if not is_file_of_device(name):
        return load_shipped_target(name)
    if where is None:
        return load_target(name)
    file = Path(where.document.name)
    path = file.parent / name
    check_named(path, file, where, "target")
    return load_target(str(path))


def _format_figure(figure: float) -> str:
    """A whole number as it is, unless it is beyond counting; a time in microseconds or in two digits."""
    if isinstance(figure, int):
        return f"{figure:,}" if figure < 10**18 else f"{float(figure):.3e}" if figure < 10**300 else "more than 1e300"
    return f"{figure:,.3f}".rstrip("0").rstrip(".") if figure >= 1e-3 else f"{figure:.2g}"


def _format_percent(part: float, whole: float) -> str:
    """How much `part` is of `whole`, if that can be said."""
    if not whole:
        return ""
    percent = 100 * part / whole
    if percent < 0.001:
        return " (less than 0.001%)"
    return f" ({percent:,.0f}%)" if percent >= 100 else f" ({percent:.3g}%)"
