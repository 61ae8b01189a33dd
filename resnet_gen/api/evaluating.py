"""Right answers: models run on labelled images, alone or against another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from resnet_gen.api.arguments import (
    AnyPath,
    Network,
    check_one_of,
    check_within,
    name_of,
    resolve_path,
    resolve_weights,
)
from resnet_gen.api.projects import require_project
from resnet_gen.api.running import open_models, resolve_tunings, warn_of_numerics
from resnet_gen.engine.evaluation.limits import CHANGES, DEFAULT_CHANGES, EVALUATED_BATCH
from resnet_gen.engine.names import RUNTIMES, Hint, Runtime
from resnet_gen.ops.limits import EVALUATED_IMAGES
from resnet_gen.problems import refuse
from resnet_gen.speed.limits import MEASURED_BATCHES
from resnet_gen.weights.seeds import DEFAULT_SEED, SEEDS

if TYPE_CHECKING:
    from resnet_gen.engine.evaluation.evaluation import Evaluation
    from resnet_gen.verify.build_trials import BuildAccuracy


def evaluate(
    model: Network,
    data: AnyPath,
    against: Network | None = None,
    *,
    classes_file: AnyPath | None = None,
    batch: int = EVALUATED_BATCH,
    limit: int | None = None,
    skip_broken: bool = False,
    changes: int = DEFAULT_CHANGES,
    weights: AnyPath | None = None,
    seed: int = DEFAULT_SEED,
    fold: bool = False,
    runtime: Runtime | None = None,
    against_runtime: Runtime | None = None,
    precision_hint: Hint | None = None,
) -> Evaluation:
    """Count how often a model is right on labelled images, alone or against another (docs/evaluate.md).

    Warns as `run` does.

    Args:
        model: As for `run`.
        data: A folder of class folders, a `.csv` of file and label, or an `.npz` of `images` and `labels`.
        against: A second model, evaluated on the same images and compared.
        classes_file: Names of the classes, one a line in the order of the outputs; as they are sorted without it.
        batch: Images at once; a model of a fixed batch takes its own.
        limit: So many of the images, evenly spaced; all without it.
        skip_broken: Leave out images that cannot be read, and list them.
        changes: Images to list at most, of those that the second model says otherwise of.
        weights: The specs' weights, as for `emit_onnx`.
        seed: Seed of the specs' weights without them.
        fold: Fold the specs' batch norms.
        runtime: What runs the first.
        against_runtime: What runs the second.
        precision_hint: The type that OpenVINO is asked to compute in, where it runs one of them; else the file's own.

    Returns:
        Right answers of each model with 95 % intervals (Wilson 1927), and of two how they compare (McNemar 1947).

    Raises:
        Refused: As `run`, and for labels of other classes than the model outputs.

    Example:
        >>> import numpy as np
        >>> from resnet_gen import evaluate
        >>> np.savez("two.npz", images=np.zeros((2, 32, 32, 3), np.uint8), labels=np.array([0, 1]))
        >>> found = evaluate("cifar-resnet20", "two.npz", "cifar-resnet20")
        >>> found.models[0].accuracy.top1.images, found.agreement.same.value
        (2, 1.0)
    """
    check_within("batch", batch, *MEASURED_BATCHES)
    named = [(model, runtime), *([(against, against_runtime)] if against is not None else [])]
    where = _DataChoice(data, classes_file, limit)
    return _evaluate_all(named, where, precision_hint, (weights, seed, fold), (batch, skip_broken, changes))


def evaluate_project(
    config: AnyPath | None = None,
    *,
    builds: Sequence[str] = (),
    data: AnyPath | None = None,
    classes_file: AnyPath | None = None,
    batch: int = EVALUATED_BATCH,
    limit: int | None = None,
    skip_broken: bool = False,
    runtime: Runtime | None = None,
) -> tuple[BuildAccuracy, ...]:
    """Evaluate what `build_project` has built, and hold the budgets of accuracy of its networks (docs/evaluate.md).

    A build that cannot be evaluated hides no other: its row says why.

    Args:
        config: The project file; that of the working folder.
        builds: Names of the builds to take; all of them.
        data: Labelled images in place of those that the budgets name, whose bounds are held on these.
        classes_file: Names of the classes, in place of the budgets' own.
        batch: Images at once; a model of a fixed batch takes its own.
        limit: So many of the images, evenly spaced, in place of the budgets' own; all without either.
        skip_broken: Leave out images that cannot be read.
        runtime: What runs them; an engine's own where there is a GPU, else ONNX Runtime.

    Returns:
        A row for each build and source of images, in the order of the file; its `status` says whether budgets are met.

    Raises:
        Refused: For a project file with faults or without `[builds]`, and where nothing names images for any build.

    Example:
        >>> import numpy as np
        >>> from pathlib import Path
        >>> from resnet_gen import build_project, evaluate_project
        >>> np.savez("two.npz", images=np.zeros((2, 32, 32, 3), np.uint8), labels=np.array([0, 1]))
        >>> text = '[builds.edge]\\nspecs = ["cifar-resnet20"]\\n[budgets.cifar-resnet20]\\n'
        >>> _ = Path("resnet-gen.toml").write_text(text + 'accuracy = {data = "two.npz", min = 0.0}\\n')
        >>> [row.status for row in evaluate_project()], [row.status for row in build_project()]
        (['not built'], ['built'])
        >>> [(row.status, row.images, row.bounds[0].bound) for row in evaluate_project()]
        [('met', 2, 'min 0')]
    """
    from resnet_gen.engine.evaluation.evaluation import EvaluationEffort
    from resnet_gen.project.build_plan import plan_builds
    from resnet_gen.verify.build_accuracy import evaluate_builds
    from resnet_gen.verify.build_trials import ImageChoice, plan_trials

    check_within("batch", batch, *MEASURED_BATCHES)
    check_within("limit", limit, *EVALUATED_IMAGES)
    check_one_of("runtime", runtime, RUNTIMES)
    project = require_project(config)
    choice = ImageChoice(None if data is None else name_of(data), resolve_path(classes_file), limit, runtime)
    trials = plan_trials(project, plan_builds(project, builds), choice)
    found = dict(evaluate_builds(trials, EvaluationEffort(batch, skip_broken)))
    return tuple(found[number] for number in range(len(trials)))


class _DataChoice(NamedTuple):
    data: AnyPath
    classes_file: AnyPath | None
    limit: int | None


def _evaluate_all(
    named: Sequence[tuple[Network, Runtime | None]],
    where: _DataChoice,
    hint: Hint | None,
    of_specs: tuple[AnyPath | None, int, bool],
    effort: tuple[int, bool, int],
) -> Evaluation:
    """Evaluate one or two models, each with what runs it; warns who called the function that calls this."""
    from resnet_gen.build.models import ModelSource, choose_inputs
    from resnet_gen.engine.evaluation.evaluation import EvaluationEffort, evaluate_models
    from resnet_gen.engine.evaluation.sources import open_labelled_images

    weights, seed, fold = of_specs
    _check_choices(where.limit, effort[2], seed, weights)
    tunings = resolve_tunings([by for _, by in named], hint)
    for _, runtime in named:
        check_one_of("runtime", runtime, RUNTIMES)
    images = open_labelled_images(name_of(where.data), resolve_path(where.classes_file), where.limit)
    source = ModelSource((), resolve_weights(weights), seed, fold)
    chosen = choose_inputs(open_models(named, source, effort[0], tunings))
    found = evaluate_models(chosen.models, images, EvaluationEffort(*effort))
    for each, own in zip(chosen.models, tunings, strict=True):
        warn_of_numerics(each.runner, own, 4)
    return replace(found, notes=(*chosen.notes, *found.notes))


def _check_choices(limit: int | None, changes: int, seed: int, weights: AnyPath | None) -> None:
    check_within("limit", limit, *EVALUATED_IMAGES)
    check_within("changes", changes, *CHANGES)
    check_within("seed", seed, *SEEDS)
    if seed and weights is not None:
        raise refuse("seed: means nothing beside 'weights'")
