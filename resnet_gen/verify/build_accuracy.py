"""The builds of a project, evaluated: each file as it lies there, and budgets of accuracy held against it.

What cannot be evaluated hides nothing else, and images are read once for several files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from resnet_gen.build.manifest_schema import FileManifest
from resnet_gen.engine.evaluation.evaluation import (
    Evaluation,
    EvaluationEffort,
    EvaluationProgress,
    ModelEvaluation,
    evaluate_models,
)
from resnet_gen.engine.evaluation.labelled_images import LabelledImages
from resnet_gen.engine.evaluation.sources import open_labelled_images
from resnet_gen.engine.evaluation.statistics import Proportion
from resnet_gen.problems import Problem, Refused
from resnet_gen.project.build_plan import PlannedBuild
from resnet_gen.project.build_run import find_state
from resnet_gen.verify.accuracy import describe_images, find_breaches
from resnet_gen.verify.build_models import NoModelError, choose_file, open_build, open_reference
from resnet_gen.verify.build_trials import AccuracyTrial, BuildAccuracy, HeldBound, ImageSource

_TOGETHER = 4
"""Models that are held in memory at once, so that images are read once for them."""
_References: TypeAlias = "dict[tuple[object, ...], Proportion | Refused]"
"""What networks get right in FP32 of the same images, or why that cannot be found."""


def evaluate_builds(
    trials: Sequence[AccuracyTrial], effort: EvaluationEffort, progress: EvaluationProgress | None = None
) -> Iterator[tuple[int, BuildAccuracy]]:
    """The number of each trial and its row, as they are done: those on the same images one after the other."""
    by_source: dict[ImageSource, dict[int, AccuracyTrial]] = {}
    for number, trial in enumerate(trials):
        by_source.setdefault(trial.source, {})[number] = trial
    for some in by_source.values():
        yield from _evaluate_source(some, effort, progress)


def _evaluate_source(
    trials: Mapping[int, AccuracyTrial], effort: EvaluationEffort, progress: EvaluationProgress | None
) -> Iterator[tuple[int, BuildAccuracy]]:
    """What comes of all that is evaluated on the same images, a few models at a time."""
    images: LabelledImages | None = None
    for trial in trials.values():
        images = images or _open_images(trial)
    numbers = list(trials)
    references: _References = {}
    for at in range(0, len(numbers), _TOGETHER):
        some = {number: trials[number] for number in numbers[at : at + _TOGETHER]}
        if images:
            _evaluate_some(list(some.values()), images, effort, progress, references)
        yield from ((number, trial.row) for number, trial in some.items() if trial.row)


def _evaluate_some(
    trials: Sequence[AccuracyTrial],
    images: LabelledImages,
    effort: EvaluationEffort,
    progress: EvaluationProgress | None,
    references: _References,
) -> None:
    for trial in trials:
        if trial.row is None:
            _open_trial(trial)
    opened = [trial for trial in trials if trial.model]
    if opened:
        _measure_together(opened, images, effort, progress)
    for trial in opened:
        trial.model = None  # and its memory
        _hold(trial, images, effort, references)


def _open_images(trial: AccuracyTrial) -> LabelledImages | None:
    if trial.row is not None:
        return None
    if not trial.source.data:
        trial.finish("not evaluated", "no budget of accuracy names images for it")
        return None
    try:
        return open_labelled_images(trial.source.data, *trial.source[1:], trial.confine)
    except Refused as refused:
        trial.refuse(refused.problems)
        return None


def _open_trial(trial: AccuracyTrial) -> None:
    """Open the file of a build; where it is not to be evaluated, its row says why."""
    plan = trial.plan
    try:
        state = find_state(plan)
        if state.manifest is None:
            trial.finish("not built", "`resnet-gen build` builds it")
            return
        if state.stale:
            trial.finish("stale", f"{state.stale}: `resnet-gen build` builds it anew")
            return
        file = choose_file(plan, state.manifest, trial.runtime)
        trial.model = open_build(plan, file)
    except NoModelError as error:
        trial.finish("not evaluated", str(error))
    except Refused as refused:
        problems = [trial.locate(problem) for problem in refused.problems]
        trial.finish("refused", problems[0].message, "\n".join(map(str, problems)))
    else:
        unknown = f"whether it is what would be built is not known: {state.unknown}" if state.unknown else None
        trial.notes += filter(None, (file.note, unknown, _explain_chance(plan, state.manifest)))


def _explain_chance(plan: PlannedBuild, manifest: FileManifest) -> str | None:
    """Why what a build gets right says nothing of the network, if that is so."""
    if manifest.weights.source == "seed":
        return f"weights are drawn from seed {plan.request().seed}: what it gets right is chance"
    noise = manifest.quantization is not None and manifest.quantization.accuracy_is_meaningless
    return "it was calibrated with noise: its accuracy is meaningless" if noise else None


def _measure_together(
    trials: Sequence[AccuracyTrial],
    images: LabelledImages,
    effort: EvaluationEffort,
    progress: EvaluationProgress | None,
) -> None:
    """Run the models on images that are read once; one that cannot be run is run alone, and hides no other."""
    models = [trial.model for trial in trials if trial.model]
    try:
        found = evaluate_models(models, images, effort, progress, compare=False)
    except Refused as refused:
        if len(trials) == 1:
            trials[0].refuse(refused.problems)
            return
        for trial in trials:
            _measure_together([trial], images, effort, progress)
        return
    for trial, model in zip(trials, found.models, strict=True):
        _describe(trial, found, model)


def _describe(trial: AccuracyTrial, found: Evaluation, model: ModelEvaluation) -> None:
    notes = (*trial.notes, *found.image_notes, *model.accuracy.list_caveats())
    trial.row = trial.make_row("no budget")._replace(
        file=model.model,
        runtime=model.runtime,
        data=found.data,
        images=found.images,
        total=found.total,
        top1=model.accuracy.top1,
        top5=model.accuracy.top5,
        images_per_second=model.images_per_second,
        notes=notes,
    )


# --- holding ----------------------------------------------------------------


def _hold(
    trial: AccuracyTrial,
    images: LabelledImages,
    effort: EvaluationEffort,
    references: _References,
) -> None:
    """Hold the budgets against what was measured; `references` has what networks get right in FP32."""
    row = trial.row
    if row is None or row.top1 is None or not trial.held:
        return
    reference = _find_reference(trial, images, effort, references) if trial.needs_reference else None
    if isinstance(reference, Refused):
        trial.refuse(reference.problems)
        return
    of = describe_images(row.data, row.images, row.total)
    bounds, problems = list[HeldBound](), list[Problem]()
    for each in trial.held:
        broken = list(find_breaches(each, row.top1, reference, of))
        problems += broken
        places = [problem.where for problem in broken]
        bounds += [HeldBound(f"{key} {bound:g}", each.span(key) not in places) for key, bound in each.bounds]
    trial.row = row._replace(
        status="missed" if problems else "met",
        bounds=tuple(bounds),
        fp32=reference,
        reason=", ".join(bound for bound, met in bounds if not met) or None,
        report="\n".join(map(str, problems)),
    )


def _find_reference(
    trial: AccuracyTrial,
    images: LabelledImages,
    effort: EvaluationEffort,
    references: _References,
) -> Proportion | Refused:
    """What the same network gets right in FP32 with the same weights, found once for each; or why it cannot be."""
    request = trial.plan.request()
    key = (trial.plan.spec, trial.plan.settings, request.weights, request.seed)
    if key not in references:
        try:
            model = open_reference(trial.plan)
            references[key] = evaluate_models([model], images, effort).models[0].accuracy.top1
        except Refused as refused:
            references[key] = refused
    return references[key]
