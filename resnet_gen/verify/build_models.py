"""The file of a project's build that is evaluated, and what runs it: the engine where it can be run, else the model."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from resnet_gen.build.manifest_schema import FileManifest
from resnet_gen.build.models import ModelSource, choose_inputs, open_model_file, open_request
from resnet_gen.build.request_resolution import BuildWishes, resolve_request
from resnet_gen.engine.base import Tuning
from resnet_gen.engine.evaluation.scoring import EvaluatedModel, explain_unscored
from resnet_gen.engine.file_serving import ImageForm
from resnet_gen.engine.names import Runtime
from resnet_gen.engine.runtimes import require_gpu
from resnet_gen.engine.tensorrt import BACKENDS
from resnet_gen.problems import Refused
from resnet_gen.project.build_plan import PlannedBuild
from resnet_gen.verify.accuracy import choose_runtime, choose_tuning, leave_out_serve


class NoModelError(Exception):
    """That a build has no file that a runtime runs; its text says which."""


class FileChoice(NamedTuple):
    """A file of a build, what runs it, and what is to be said of that choice."""

    path: Path
    runtime: str
    note: str | None = None


def choose_file(plan: PlannedBuild, manifest: FileManifest, runtime: Runtime | None) -> FileChoice:
    """The engine of a build where it can be run here, else its model; with a `runtime`, the file that this runs.

    Raises `NoModelError` where the build has none such.
    """
    folder, engine, file = plan.manifest().parent, manifest.engine, manifest.engine_file
    if runtime in BACKENDS:
        if file is None:
            raise NoModelError(f"it has no engine, and {runtime} runs engines alone")
        return FileChoice(folder / file, str(runtime))
    note = None
    if runtime is None and engine and file and engine.library in BACKENDS:
        note = _explain_no_gpu(engine.library)
        if note is None:
            return FileChoice(folder / file, engine.library)
    elif engine or manifest.bundle:
        note = "its engine is built on the device: its model was run" if manifest.bundle else "its model was run"
    model = manifest.model_file
    if model is None:
        raise NoModelError(f"it has no model beside its engine: {note}" if note else "it has no model")
    return FileChoice(folder / model, runtime or choose_runtime(plan.precision), note)


def _explain_no_gpu(library: str) -> str | None:
    """Why an engine cannot be run here, and what was run; None where it can."""
    try:
        require_gpu(library)
    except Refused as refused:
        return f"its engine was not run ({refused.problems[0].message}): its model was"
    return None


def open_build(plan: PlannedBuild, file: FileChoice) -> EvaluatedModel:
    """The file of a build on its runtime, eight bits as they are written; raises `Refused` for what cannot be run.

    Raises `NoModelError` where what is served of the network says nothing of classes.
    """
    tuning = choose_tuning(plan.precision)._replace(tells_types=True)
    opened = open_model_file(str(file.path), ModelSource(), file.runtime, tuning)
    (model,) = choose_inputs([opened._replace(taken=plan.require_loaded().spec.input)]).models
    if reason := explain_unscored(model.form.serving):
        raise NoModelError(f"it {reason}")
    return model


def open_reference(plan: PlannedBuild) -> EvaluatedModel:
    """The network of a build in FP32 with the same weights, and nothing around it; raises `Refused`."""
    loaded, request = leave_out_serve(plan.require_loaded()), plan.request()
    seed = None if request.weights else request.seed
    exact = resolve_request(BuildWishes(weights=request.weights, seed=seed, compare=False))
    runner = open_request(loaded, exact, choose_runtime("fp32"), Tuning(), f"{plan.name} in fp32")
    return EvaluatedModel(runner, ImageForm(loaded.spec.input))
