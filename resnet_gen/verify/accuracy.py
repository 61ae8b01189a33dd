"""Budgets of accuracy, held: the network is built as each says, with its weights, and run on its images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from resnet_gen.build.models import open_request
from resnet_gen.build.request_resolution import BuildWishes, resolve_request
from resnet_gen.engine.base import Runner, Tuning
from resnet_gen.engine.evaluation.evaluation import Evaluation, EvaluationEffort, EvaluationProgress, evaluate_models
from resnet_gen.engine.evaluation.scoring import EvaluatedModel
from resnet_gen.engine.evaluation.sources import open_labelled_images
from resnet_gen.engine.evaluation.statistics import Proportion
from resnet_gen.engine.file_serving import ImageForm
from resnet_gen.language.budgets import AccuracyBudget
from resnet_gen.language.custom_parts.files import give_notice
from resnet_gen.language.load import Loaded
from resnet_gen.ops.precision import Calibration, Precision
from resnet_gen.problems import Loc, Problem, Refused, Span, refuse
from resnet_gen.system.links import check_named
from resnet_gen.verify.stated_budgets import StatedBudgets, place_problem
from resnet_gen.verify.subject import Subject
from resnet_gen.weights.downloads.names import WeightsSource


@dataclass(frozen=True)
class _Stated:
    """One budget of accuracy, and where it stands."""

    budget: AccuracyBudget
    stated: StatedBudgets
    loc: Loc

    def span(self, key: str) -> Span | None:
        """Where a key stands; the budget, for one that is left out."""
        return self.stated.source.span((*self.loc, key))

    def resolve(self, key: str) -> Path | None:
        """The path of a key, from the file that states the budget; raises `Refused` if it leads out of the project."""
        name: str | None = getattr(self.budget, key)
        if name is None:
            return None
        path = self._base.parent / name
        self.confine(key)(path)
        return path

    def confine(self, key: str) -> Callable[[Path], None]:
        """Refuses files that lie elsewhere: what others cannot see, nobody can review."""
        return lambda path: check_named(path, self._base, self.span(key), key)

    def find_span(self, problem: Problem) -> Span | None:
        """Where the file stands that a problem is about; the images, for any other."""
        named = ((key, getattr(self.budget, key)) for key in ("classes_file", "weights", "calibration"))
        found = (key for key, name in named if name and str(self._base.parent / name) == problem.where)
        return self.span(next(found, "data"))

    @property
    def _base(self) -> Path:
        where = self.span("data")
        return Path(where.document.name if where else ".")

    @property
    def title(self) -> str:
        """`net: accuracy (int8)`."""
        return f"{self.stated.prefix}accuracy ({self.budget.precision})"


def check_accuracy(subject: Subject, stated: StatedBudgets, rule: str) -> Iterator[Problem]:
    """Every bound that is broken; raises `Refused` at the line that asks for what cannot be evaluated."""
    for each in _list_stated(stated):
        found = _find_evaluation(subject, each)
        top1 = found.models[0].accuracy.top1
        yield from _check_least(each, top1, found, rule)
        yield from _check_drop(each, top1, found, rule)


def describe_accuracy(subject: Subject, stated: StatedBudgets) -> Iterator[Problem]:
    """What was found of each budget, kept or not, as notes."""
    for each in _list_stated(stated):
        found = _find_evaluation(subject, each)
        top1 = found.models[0].accuracy.top1
        low, high = top1.interval
        exact = f", fp32's {_describe(found.models[1].accuracy.top1)}" if len(found.models) > 1 else ""
        interval = f"95 % interval {low:.4f} to {high:.4f}"
        words = f"{each.title}: {_describe(top1)}, {interval}{exact}{_describe_data(each, found)}"
        yield Problem(words, str(each.span("data")), severity="note")
        if each.budget.drop_from_fp32 is not None and each.budget.precision == "fp32":
            words = f"{each.title}: 'drop_from_fp32' holds by itself: fp32 is what is evaluated"
            yield Problem(words, str(each.span("drop_from_fp32")), "name a 'precision'", severity="note")


def _list_stated(stated: StatedBudgets) -> Iterator[_Stated]:
    for index, budget in enumerate(stated.budgets.accuracy):
        yield _Stated(budget, stated, stated.place("accuracy", index))


def _check_least(each: _Stated, top1: Proportion, found: Evaluation, rule: str) -> Iterator[Problem]:
    least = each.budget.min
    if least is not None and top1.value < least:
        under = f"under the budget of {least:g} by {least - top1.value:.2g}"
        message = f"{each.title}: {_describe(top1)}, {under}{_describe_data(each, found)}"
        yield Problem(message, each.span("min"), None, rule)


def _check_drop(each: _Stated, top1: Proportion, found: Evaluation, rule: str) -> Iterator[Problem]:
    most = each.budget.drop_from_fp32
    if most is None or len(found.models) < 2:
        return
    exact = found.models[1].accuracy.top1
    drop = (exact.number - top1.number) / top1.images
    if drop > most:
        over = f"over the budget of {most:g} by {drop - most:.2g}"
        message = f"{each.title}: {_describe(top1)}, {drop:.4f} less than fp32's {_describe(exact)}, {over}"
        yield Problem(message + _describe_data(each, found), each.span("drop_from_fp32"), None, rule)


def _describe(part: Proportion) -> str:
    return f"{part.value:.4f} ({part.number:,} of {part.images:,})"


def _describe_data(each: _Stated, found: Evaluation) -> str:
    of = f", {found.images:,} of {found.total:,} images" if found.images < found.total else ""
    return f" ({each.budget.data}{of})"


def _find_evaluation(subject: Subject, each: _Stated) -> Evaluation:
    """The evaluation that a budget asks for, made once; what makes it impossible is refused at the budget's line."""
    key = (each.stated.prefix, each.loc)
    if key not in subject.evaluations:
        try:
            subject.evaluations[key] = _evaluate(subject, each)
        except Refused as error:
            raise Refused(place_problem(problem, each.find_span(problem)) for problem in error.problems) from None
    return subject.evaluations[key]


def _evaluate(subject: Subject, each: _Stated) -> Evaluation:
    data, classes_file = each.resolve("data"), each.resolve("classes_file")
    images = open_labelled_images(str(data), classes_file, each.budget.limit, each.confine("data"))
    weights = _choose_weights(subject, each)
    precisions: list[Precision] = [each.budget.precision]
    precisions += ["fp32"] if each.budget.drop_from_fp32 is not None and precisions != ["fp32"] else []
    form = ImageForm(subject.loaded.spec.input)
    models = [EvaluatedModel(_open_precision(subject, each, kind, weights), form) for kind in precisions]
    return evaluate_models(models, images, EvaluationEffort(), _make_progress(subject))


def _make_progress(subject: Subject) -> EvaluationProgress | None:
    """A sign of life each second for whoever waits for this process, where code of parts runs in it."""
    told = time.monotonic()

    def tell(done: int, images: int) -> None:
        nonlocal told
        if time.monotonic() - told >= _SILENCE:
            told = time.monotonic()
            give_notice("")

    return tell if subject.loaded.code else None


_SILENCE = 1.0
"""Seconds between two signs."""


def _choose_weights(subject: Subject, each: _Stated) -> WeightsSource:
    """Those of the budget, else of `--weights`; without either nothing is worth evaluating."""
    weights = each.resolve("weights") or (subject.evaluation.weights if subject.evaluation else None)
    if weights is None:
        hint = "add 'weights' with their path, or give --weights"
        raise refuse(f"{each.title}: of which weights?", each.span("data"), hint)
    return weights


def _open_precision(subject: Subject, each: _Stated, precision: Precision, weights: WeightsSource) -> Runner:
    """The network in a precision, run as its file is written, so that no CPU's own kernels decide."""
    eight = precision in ("int8", "fp8")
    images = each.resolve("calibration") if eight else None
    wishes = BuildWishes(
        precision=precision,
        weights=weights,
        calibration=Calibration(str(images)) if images else None,
        placement=(each.budget.qdq or "cpu") if precision == "int8" else None,
        compare=False,
    )
    runtime = "openvino" if precision == "bf16" else "onnxruntime"  # which has no convolution in bfloat16
    tuning = Tuning(as_written=eight)
    loaded = _leave_out_serve(subject.loaded)
    return open_request(loaded, resolve_request(wishes), runtime, tuning, loaded.spec.name)


def _leave_out_serve(loaded: Loaded) -> Loaded:
    """The network without what a file puts around it: images come as it takes them, and it outputs its scores."""
    return replace(loaded, spec=loaded.spec.model_copy(update={"serve": None}))
