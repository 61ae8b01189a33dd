"""Models that the command line names: specs, ONNX files and engines, opened on a runtime."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from resnet_gen.build import build
from resnet_gen.engine.base import OWN_CHOICE, Runner, Tuning
from resnet_gen.engine.runtimes import ENGINE, ONNX, check_tuning, open_file, require_gpu, suited
from resnet_gen.engine.tensorrt import BACKENDS, Profile
from resnet_gen.load import load
from resnet_gen.problems import refuse
from resnet_gen.request import Batch, Request
from resnet_gen.spec import Input


class Made(NamedTuple):
    """How a spec becomes a model: changed keys, weights or the seed of random ones, batch norms folded or not."""

    settings: tuple[str, ...] = ()
    weights: Path | None = None
    seed: int | None = None
    fold: bool = False

    @property
    def of_a_spec(self) -> bool:
        """Whether anything is set that means nothing for a file."""
        return bool(self.settings or self.weights or self.fold) or self.seed is not None


class Opened(NamedTuple):
    """A loaded model and, of a spec, the input that it states."""

    runner: Runner
    taken: Input | None


def is_file(model: str) -> bool:
    """Whether a word of the command line names a model's file, not a spec."""
    return model.endswith((ONNX, ENGINE))


def opened(
    model: str, made: Made, runtime: str | None, tuning: Tuning = OWN_CHOICE, batches: Sequence[int] = (1,)
) -> Opened:
    """Open a file, or build a spec into a temporary folder and open that; `batches` are what an engine is for."""
    runtime = runtime or suited(model)
    if is_file(model):
        return Opened(open_file(runtime, Path(model), tuning=tuning), None)
    check_tuning(runtime, tuning)
    loaded = load(model, made.settings)
    require_gpu(runtime)
    engine = runtime in BACKENDS
    profile = Profile(min(batches), max(batches), max(batches))
    request = Request(
        target=runtime if engine else "onnx",
        batch=Batch(profile=profile),
        weights=made.weights,
        seed=made.seed or 0,
        fold=made.fold,
    )
    with tempfile.TemporaryDirectory() as folder:
        files = build(loaded, request, Path(folder))
        (file,) = (path for path in files if path.suffix == (ENGINE if engine else ONNX))
        return Opened(open_file(runtime, file, model, tuning), loaded.spec.input)


def refuse_ignored(model: str, made: Made) -> None:
    """Refuse what would change a spec, where the model is a file."""
    if is_file(model) and made.of_a_spec:
        what = "an ONNX file" if model.endswith(ONNX) else "an engine"
        raise refuse(f"{what} has its own shape and weights", model, "run the spec instead")
