"""What of a project's builds is evaluated on which images, and the row that each comes to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, NamedTuple, TypeAlias, get_args

from resnet_gen.engine.evaluation.labelled_images import Confine, permit_all
from resnet_gen.engine.evaluation.scoring import EvaluatedModel
from resnet_gen.engine.evaluation.statistics import Proportion
from resnet_gen.engine.names import Runtime
from resnet_gen.problems import Problem, Refused, refuse
from resnet_gen.project.build_plan import PlannedBuild
from resnet_gen.project.project_file import Project
from resnet_gen.system.links import shown_path
from resnet_gen.verify.accuracy import StatedAccuracy, list_stated
from resnet_gen.verify.stated_budgets import StatedBudgets, place_problem

AccuracyStatus: TypeAlias = Literal["met", "missed", "no budget", "not evaluated", "not built", "stale", "refused"]
"""What came of the evaluation of a build."""
ACCURACY_STATUSES: tuple[AccuracyStatus, ...] = get_args(AccuracyStatus)


class HeldBound(NamedTuple):
    """A bound of a budget, and whether it holds."""

    bound: str
    """What the budget says: `min 0.985`, or `drop_from_fp32 0.005`."""
    met: bool | None
    """Whether the figure is within it; None where there is none."""


class BuildAccuracy(NamedTuple):
    """A build on the images of one budget or source, and what it gets right of them."""

    build: str
    """The name of its table in the project file."""
    spec: str
    """The network's name, or the spec that cannot be read."""
    device: str | None
    """The device that it is for, where one is named."""
    precision: str
    """What layers compute in."""
    target: str
    """What is built."""
    serve: str | None
    """What its table's `serve` is called, where it has one."""
    status: AccuracyStatus
    """What came of it."""
    file: str | None = None
    """The file that was run."""
    runtime: dict[str, str] | None = None
    """What ran it: `library`, `version` and, where it is known, `precision`."""
    data: str | None = None
    """Where the images are from."""
    images: int | None = None
    """How many of them were evaluated."""
    total: int | None = None
    """How many there are."""
    top1: Proportion | None = None
    """Images whose highest score is the label's."""
    top5: Proportion | None = None
    """Images whose label is among the five highest, of more than five classes."""
    fp32: Proportion | None = None
    """The first of the same network in FP32, where a budget bounds the drop from it."""
    bounds: tuple[HeldBound, ...] = ()
    """The bounds of the budgets that are for it."""
    images_per_second: float | None = None
    """Its speed without reading images."""
    reason: str | None = None
    """Why it was not evaluated, or which bound is broken."""
    report: str = ""
    """The whole of what is wrong, with lines and carets."""
    notes: tuple[str, ...] = ()
    """What is to be known of the figures."""


class ImageChoice(NamedTuple):
    """What is asked for in place of what budgets say: their bounds are held on these images, by this runtime."""

    data: str | None = None
    classes_file: Path | None = None
    limit: int | None = None
    runtime: Runtime | None = None


class ImageSource(NamedTuple):
    """Labelled images as `open_labelled_images` takes them; without `data`, none are named."""

    data: str | None
    classes_file: Path | None = None
    limit: int | None = None


NO_IMAGES = ImageSource(None)


@dataclass(eq=False)
class AccuracyTrial:
    """A build on images, by a runtime that is named or else chosen; the budgets that name them, and those to hold."""

    plan: PlannedBuild
    source: ImageSource = field(default=NO_IMAGES)
    runtime: Runtime | None = None
    stated: list[StatedAccuracy] = field(default_factory=list)
    held: list[StatedAccuracy] = field(default_factory=list)
    confine: Confine = permit_all
    model: EvaluatedModel | None = None
    notes: list[str] = field(default_factory=list)
    row: BuildAccuracy | None = None

    def finish(self, status: AccuracyStatus, reason: str | None = None, report: str = "") -> None:
        """Set its row, with nothing measured."""
        bounds = tuple(HeldBound(f"{key} {bound:g}", None) for each in self.held for key, bound in each.bounds)
        row = self.make_row(status)._replace(data=self.source.data, bounds=bounds, notes=tuple(self.notes))
        self.row = row._replace(reason=reason, report=report)

    def refuse(self, problems: Iterable[Problem]) -> None:
        """Set its row to what is wrong, at the budget's line where that names what is at fault."""
        placed = [place_problem(each, self.stated[0].find_span(each)) if self.stated else each for each in problems]
        self.finish("refused", placed[0].message, "\n".join(map(str, placed)))

    def locate(self, problem: Problem) -> Problem:
        """What is wrong with its file, at the key of a budget or of its table that asks for it."""
        by = next((each for each in self.held if each.budget.runtime == self.runtime), None)
        if problem.where is None and self.runtime and by:
            return replace(problem, message=f"{by.title}: {problem.message}", where=by.span("runtime"))
        return self.plan.locate(problem)

    def make_row(self, status: AccuracyStatus) -> BuildAccuracy:
        """Its row, with what is known of every build."""
        return BuildAccuracy(*self.plan.place, status)

    @property
    def needs_reference(self) -> bool:
        """Whether a bound is of what the same network gets right in FP32."""
        drops = any(each.budget.drop_from_fp32 is not None for each in self.held)
        return drops and self.plan.precision != "fp32"


def plan_trials(project: Project, plans: Sequence[PlannedBuild], choice: ImageChoice) -> tuple[AccuracyTrial, ...]:
    """Each planned build on each source of images and by each runtime that the budgets of its network name.

    Raises `Refused` where nothing names images for any of them.
    """
    trials = tuple(trial for plan in plans for trial in _list_trials(project, plan, choice))
    if not any(trial.source.data or trial.row for trial in trials):
        hint = "add accuracy = {data = ..., min = ...} to [budgets.NAME], or give --data"
        raise refuse("no budget of accuracy names images for any of its builds", shown_path(project.path), hint)
    return trials


def _list_trials(project: Project, plan: PlannedBuild, choice: ImageChoice) -> Iterator[AccuracyTrial]:
    if plan.refused:
        trial = AccuracyTrial(plan)
        trial.refuse(plan.locate(problem) for problem in plan.refused)
        yield trial
        return
    stated = list(_list_budgets(project, plan))
    fitting = [each for each in stated if _is_for(each, plan) and _is_for_runtime(each, choice)]
    if not stated:
        yield AccuracyTrial(plan, ImageSource(choice.data, choice.classes_file, choice.limit), choice.runtime)
        return
    found: dict[tuple[ImageSource, Runtime | None], AccuracyTrial] = {}
    for each in fitting or stated[:1]:  # without a budget of its own, it is evaluated on the images of another
        trial = _begin_trial(plan, each, choice, is_held=bool(fitting))
        known = found.setdefault((trial.source, trial.runtime), trial)
        known.stated += trial.stated if known is not trial else []
        known.held += trial.held if known is not trial else []
    yield from found.values()


def _begin_trial(plan: PlannedBuild, each: StatedAccuracy, choice: ImageChoice, *, is_held: bool) -> AccuracyTrial:
    """A build on the images that are asked for, else a budget's; its row says where those lie outside the project."""
    runtime = choice.runtime or (each.budget.runtime if is_held else None)
    held = [each] if is_held else []
    if choice.data is not None:
        return AccuracyTrial(plan, ImageSource(*choice[:3]), runtime, [], held)
    stated = [each] if choice.classes_file is None else []  # whose line is not at fault for another's file
    trial = AccuracyTrial(plan, ImageSource(each.budget.data), runtime, stated, held, each.confine("data"))
    try:
        classes_file = choice.classes_file or each.resolve("classes_file")
        trial.source = ImageSource(str(each.resolve("data")), classes_file, choice.limit or each.budget.limit)
    except Refused as refused:
        trial.refuse(refused.problems)
    return trial


def _list_budgets(project: Project, plan: PlannedBuild) -> Iterator[StatedAccuracy]:
    """The budgets of accuracy for a build's network, its spec's first."""
    loaded = plan.require_loaded()
    words = " ".join(filter(None, plan.place[1:]))
    prefix = f"builds.{plan.build}: {words}: "
    if loaded.spec.budgets:
        yield from list_stated(StatedBudgets(loaded.spec.budgets, loaded.source, ("budgets",), prefix))
    for pattern, budgets in project.budgets(plan.name):
        yield from list_stated(StatedBudgets(budgets, project.source, ("budgets", pattern), prefix))


def _is_for_runtime(each: StatedAccuracy, choice: ImageChoice) -> bool:
    """Whether a budget is for the runtime that is asked for."""
    return choice.runtime is None or each.budget.runtime in (None, choice.runtime)


def _is_for(each: StatedAccuracy, plan: PlannedBuild) -> bool:
    """Whether a budget is for a build: of its precision and, where it says that, its placement of Q/DQ."""
    quantizing = plan.request().quantizing
    placed = quantizing is None or each.budget.qdq in (None, quantizing.placement)
    return each.budget.precision == plan.precision and placed
