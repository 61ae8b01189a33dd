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
from resnet_gen.engine.names import Runtime
from resnet_gen.engine.tensorrt import BACKENDS
from resnet_gen.language.budgets import AccuracyBudget
from resnet_gen.language.custom_parts.files import give_notice
from resnet_gen.language.load import Loaded
from resnet_gen.ops.precision import Calibration, Precision
from resnet_gen.problems import Loc, Problem, Refused, Span, refuse, shorten
from resnet_gen.quantization.calibration.images import confine_pictures
from resnet_gen.system.links import check_named, shown_path
from resnet_gen.verify.stated_budgets import StatedBudgets, place_problem
from resnet_gen.verify.subject import Subject
from resnet_gen.weights.downloads.names import WeightsSource


@dataclass(frozen=True)
class StatedAccuracy:
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
        """Refuses files that lie elsewhere, what the key names and what that holds: nobody could review them."""
        named = self._base.parent / getattr(self.budget, key)

        def check(path: Path) -> None:
            called = key if path == named else f"{key}: '{shorten(shown_path(path))}'"
            check_named(path, self._base, self.span(key), called)

        return check

    def find_span(self, problem: Problem) -> Span | None:
        """Where the file stands that a problem is about; the runtime, for one of no file; the images, for any other."""
        named = ((key, getattr(self.budget, key)) for key in ("classes_file", "weights", "calibration"))
        found = (key for key, name in named if name and str(self._base.parent / name) == problem.where)
        other = "runtime" if problem.where is None and self.budget.runtime else "data"
        return self.span(next(found, other))

    @property
    def _base(self) -> Path:
        where = self.span("data")
        return Path(where.document.name if where else ".")

    @property
    def bounds(self) -> tuple[tuple[str, float], ...]:
        """What it bounds, and by which number."""
        found = {key: getattr(self.budget, key) for key in ("min", "drop_from_fp32")}
        return tuple((key, bound) for key, bound in found.items() if bound is not None)

    @property
    def measured(self) -> tuple[object, ...]:
        """What is measured for it, by which budgets of other bounds share it."""
        said = self.budget.model_dump(exclude={"min", "drop_from_fp32"})
        return (self._base, *said.items(), self.budget.drop_from_fp32 is None)

    @property
    def title(self) -> str:
        """`net: accuracy (int8)`."""
        return f"{self.stated.prefix}accuracy ({self.budget.precision})"


def check_accuracy(subject: Subject, stated: StatedBudgets, rule: str) -> Iterator[Problem]:
    """Every bound that is broken; raises `Refused` at the line that asks for what cannot be evaluated."""
    for each in list_stated(stated):
        found = _find_evaluation(subject, each)
        top1, *exact = (model.accuracy.top1 for model in found.models)
        yield from find_breaches(each, top1, next(iter(exact), None), _describe_data(each, found), rule)


def describe_accuracy(subject: Subject, stated: StatedBudgets) -> Iterator[Problem]:
    """What was found of each budget, kept or not, as notes."""
    for each in list_stated(stated):
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


def list_stated(stated: StatedBudgets) -> Iterator[StatedAccuracy]:
    """Each budget of accuracy among what is stated."""
    for index, budget in enumerate(stated.budgets.accuracy):
        yield StatedAccuracy(budget, stated, stated.place("accuracy", index))


def find_breaches(
    each: StatedAccuracy, top1: Proportion, exact: Proportion | None, of: str, rule: str | None = None
) -> Iterator[Problem]:
    """The bounds of a budget that a figure breaks; `exact` is that of the network in FP32, `of` says which images."""
    least, most = each.budget.min, each.budget.drop_from_fp32
    if least is not None and top1.value < least:
        under = f"under the budget of {least:g} by {least - top1.value:.2g}"
        yield Problem(f"{each.title}: {_describe(top1)}, {under}{of}", each.span("min"), None, rule)
    if most is None or exact is None:
        return
    drop = (exact.number - top1.number) / top1.images
    if drop > most:
        over = f"over the budget of {most:g} by {drop - most:.2g}"
        message = f"{each.title}: {_describe(top1)}, {drop:.4f} less than fp32's {_describe(exact)}, {over}"
        yield Problem(message + of, each.span("drop_from_fp32"), None, rule)


def _describe(part: Proportion) -> str:
    return f"{part.value:.4f} ({part.number:,} of {part.images:,})"


def describe_images(data: str | None, images: int | None, total: int | None) -> str:
    """Where images are from, and how many of them were evaluated, where that is not all: what a finding ends in."""
    return f" ({data})" if images is None or images == total else f" ({data}, {images:,} of {total:,} images)"


def _describe_data(each: StatedAccuracy, found: Evaluation) -> str:
    return describe_images(each.budget.data, found.images, found.total)


def _find_evaluation(subject: Subject, each: StatedAccuracy) -> Evaluation:
    """The evaluation that a budget asks for, made once for all that ask for it.

    What makes it impossible is refused at the budget's line.
    """
    key = each.measured
    if key not in subject.evaluations:
        try:
            subject.evaluations[key] = _evaluate(subject, each)
        except Refused as error:
            raise Refused(
                place_problem(_reword_hint(problem), each.find_span(problem)) for problem in error.problems
            ) from None
    return subject.evaluations[key]


def _reword_hint(problem: Problem) -> Problem:
    """A problem of images to calibrate with, whose hint is of no option: a budget has none."""
    of_option = problem.hint is not None and problem.hint.startswith("--calibration")
    return replace(problem, hint="name a folder of pictures, or an .npz file of them") if of_option else problem


def _evaluate(subject: Subject, each: StatedAccuracy) -> Evaluation:
    data, classes_file = each.resolve("data"), each.resolve("classes_file")
    images = open_labelled_images(str(data), classes_file, each.budget.limit, each.confine("data"))
    weights = _choose_weights(subject, each)
    precisions: list[Precision] = [each.budget.precision]
    precisions += ["fp32"] if each.budget.drop_from_fp32 is not None and precisions != ["fp32"] else []
    form = ImageForm(subject.loaded.spec.input)
    models = [EvaluatedModel(_open_precision(subject, each, kind, weights), form) for kind in precisions]
    return evaluate_models(models, images, EvaluationEffort(advice=None), _make_progress(subject))


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


def _choose_weights(subject: Subject, each: StatedAccuracy) -> WeightsSource:
    """Those of the budget, else of `--weights`; without either nothing is worth evaluating."""
    weights = each.resolve("weights") or (subject.evaluation.weights if subject.evaluation else None)
    if weights is None:
        hint = "add 'weights' with their path, or give --weights"
        raise refuse(f"{each.title}: of which weights?", each.span("data"), hint)
    return weights


def _open_precision(subject: Subject, each: StatedAccuracy, precision: Precision, weights: WeightsSource) -> Runner:
    """The network in a precision, run as its file is written, so that no CPU's own kernels decide."""
    images = each.resolve("calibration") if precision in _EIGHT_BITS else None
    if images:
        confine_pictures(images, each.confine("calibration"))
    runtime = each.budget.runtime if precision == each.budget.precision else None
    of_engine = runtime in BACKENDS
    wishes = BuildWishes(
        target=runtime if of_engine else None,
        precision=precision,
        weights=weights,
        calibration=Calibration(str(images)) if images else None,
        placement=(each.budget.qdq or ("tensorrt" if of_engine else "cpu")) if precision == "int8" else None,
        compare=False,
    )
    loaded, kind = leave_out_serve(subject.loaded), runtime or choose_runtime(precision)
    return open_request(loaded, resolve_request(wishes), kind, choose_tuning(precision), loaded.spec.name)


def choose_tuning(precision: str) -> Tuning:
    """How a model in a precision is run: eight bits as they are written, where the runtime rewrites files."""
    return Tuning(as_written=precision in _EIGHT_BITS)


_EIGHT_BITS = ("int8", "fp8")


def choose_runtime(precision: str) -> Runtime:
    """What runs a model's file in a precision where nobody says it."""
    return "openvino" if precision == "bf16" else "onnxruntime"  # which has no convolution in bfloat16


def leave_out_serve(loaded: Loaded) -> Loaded:
    """The network without what a file puts around it: images come as it takes them, and it outputs its scores."""
    return replace(loaded, spec=loaded.spec.model_copy(update={"serve": None}))
