"""Models by their names: specs, ONNX files and engines, opened on a runtime; what they take and output."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError

from resnet_gen.build import manifest
from resnet_gen.build.build import PARTS_KEY, SEED_KEY, SHA256_KEY, build
from resnet_gen.build.request import BuildBatch, Request
from resnet_gen.engine.base import OWN_CHOICE, Runner, Tuning, format_shape
from resnet_gen.engine.names import ENGINE, ONNX, suitable_runtime
from resnet_gen.engine.runtimes import check_tuning, open_file, require_gpu
from resnet_gen.engine.tensorrt import BACKENDS, Profile
from resnet_gen.graph.surrounding_terms import find_normalization
from resnet_gen.language.load import Loaded, digest_of, load
from resnet_gen.language.spec import Input
from resnet_gen.onnx.metadata_keys import SPEC_KEY
from resnet_gen.problems import refuse
from resnet_gen.system.files import SMALL
from resnet_gen.system.journal import check_whole
from resnet_gen.weights.base import Array
from resnet_gen.weights.seeds import DEFAULT_SEED


class ModelSource(NamedTuple):
    """How a spec becomes a model: changed keys, weights or the seed of random ones, batch norms folded or not."""

    settings: tuple[str, ...] = ()
    weights: Path | None = None
    seed: int | None = None
    fold: bool = False

    @property
    def of_a_spec(self) -> bool:
        """Whether anything is set that means nothing for a file."""
        return bool(self.settings or self.weights or self.fold) or self.seed is not None


class RunnableModel(NamedTuple):
    """A loaded model and, of a spec, the input that it states."""

    runner: Runner
    taken: Input | None


def is_model_file(model: str) -> bool:
    """Whether a word of the command line names a model's file, not a spec."""
    return model.endswith((ONNX, ENGINE))


def open_model_file(
    model: str, source: ModelSource, runtime: str | None, tuning: Tuning = OWN_CHOICE, batches: Sequence[int] = (1,)
) -> RunnableModel:
    """Open a file, or build a spec into a temporary folder and open that; `batches` are what an engine is for."""
    runtime = runtime or suitable_runtime(model)
    if is_model_file(model):
        path = Path(model)
        if path.with_name(f"{path.name}.data").exists():
            check_whole(path)
        return RunnableModel(open_file(runtime, path, tuning=tuning), None)
    check_tuning(runtime, tuning)
    return open_spec(load(model, source.settings), source, runtime, tuning, batches, model)


def open_spec(
    loaded: Loaded,
    source: ModelSource,
    runtime: str,
    tuning: Tuning = OWN_CHOICE,
    batches: Sequence[int] = (1,),
    shown: str | None = None,
) -> RunnableModel:
    """Build a spec into a temporary folder and open that; messages call it `shown`, else by its name."""
    require_gpu(runtime)
    engine = runtime in BACKENDS
    profile = Profile(min(batches), max(batches), max(batches))
    request = Request(
        target=runtime if engine else "onnx",
        batch=BuildBatch(profile=profile),
        weights=source.weights,
        seed=source.seed or DEFAULT_SEED,
        fold=source.fold,
    )
    with tempfile.TemporaryDirectory() as folder:
        files = build(loaded, request, Path(folder))
        (file,) = (path for path in files if path.suffix == (ENGINE if engine else ONNX))
        return RunnableModel(open_file(runtime, file, shown or loaded.spec.name, tuning), loaded.spec.input)


def refuse_ignored(model: str, source: ModelSource) -> None:
    """Refuse what would change a spec, where the model is a file."""
    if is_model_file(model) and source.of_a_spec:
        what = "an ONNX file" if model.endswith(ONNX) else "an engine"
        raise refuse(f"{what} has its own shape and weights", model, "run the spec instead")


def embedded_input(session: Runner) -> Input | None:
    """What input a file takes by the spec that it carries; None where it carries none.

    Raises `Refused` for a spec that cannot be read, or that was changed since its hash was written.
    """
    found = parse_embedded_input(session.metadata, session.where)
    return None if found is None else _normalize_as_file(session, found)


def parse_embedded_input(metadata: dict[str, str], where: str) -> Input | None:
    """The input of the spec in a file's metadata; None where there is none. Raises `Refused` as `embedded_input`."""
    if SPEC_KEY not in metadata:
        return None
    try:
        if len(metadata[SPEC_KEY]) > SMALL:
            raise ValueError
        found = Input.model_validate_json(json.dumps(json.loads(metadata[SPEC_KEY])["input"]))
    except (ValueError, KeyError, TypeError):  # pydantic's errors are ValueErrors
        raise refuse("the spec in its metadata cannot be read", where, "build it again") from None
    code = metadata.get(PARTS_KEY, "").split()
    if SHA256_KEY in metadata and metadata[SHA256_KEY] != digest_of(metadata[SPEC_KEY], code):
        raise refuse("the spec in its metadata is not that of the hash beside it", where, "build it again")
    return found


def _normalize_as_file(session: Runner, taken: Input) -> Input:
    """The input with the mean, the deviation and the crop that the file's own graph has, where it has them."""
    pixels = session.surroundings.input
    found = find_normalization(pixels, taken.channels)
    crop = {"crop": pixels.crop} if pixels and pixels.crop is not None else {}
    return taken.model_copy(update={**crop, **(found._asdict() if found else {})})


def embedded_seed(session: Runner) -> str | None:
    """The seed of drawn weights that a file states, or of an engine its manifest; None where neither states one."""
    path = Path(session.where)
    if path.suffix != ENGINE:
        return session.metadata.get(SEED_KEY)
    built = manifest.read(path.with_name(manifest.file_name(path.name.partition(".")[0]))) or {}
    seed = built["weights"].get("seed") if built else None
    return None if seed is None else str(seed)


def assumed_input(session: Runner) -> Input:
    """What input a file takes by its shape, with ImageNet's preprocessing; raises `Refused` where that is no image."""
    channels, height, width = (side or 0 for side in session.shape[1:])
    try:
        return _normalize_as_file(session, Input(channels=channels, size=(height, width)))
    except ValidationError:
        raise refuse("its input is no image of a fixed size", session.where) from None


def check_input(session: Runner, taken: Input, batch: int) -> None:
    """Refuse a batch that the model does not take, and a model that does not take what its spec says."""
    fixed, *image = session.shape
    if fixed is not None and fixed != batch:
        raise refuse(f"--batch {batch}: the model takes {fixed} at a time", session.where)
    if any(side not in (None, wanted) for side, wanted in zip(image, taken.shape, strict=True)):
        raise refuse(
            f"takes {format_shape(image)}, the spec in its metadata {format_shape(taken.shape)}", session.where
        )


def check_outputs(session: Runner, outputs: dict[str, Array]) -> None:
    """Refuse what is neither scores nor a map for each image."""
    best = {name for output in session.surroundings.outputs if output.kind == "top_k" for name in output.names}
    for name, values in outputs.items():
        if name in best and values.dtype.kind in "iuf" and values.ndim and values.size:
            continue
        if values.ndim < 2 or values.dtype.kind != "f" or not values.size:
            found = f"{values.dtype} {format_shape(values.shape) or 'scalar'}"
            raise refuse(f"outputs {found} as '{name}', not scores or a map for each image", session.where)


def drawn_input(taken: Input, batch: int, seed: int) -> Array:
    """A batch of normally distributed values in place of images, float32 (N, C, H, W)."""
    return np.random.default_rng(seed).standard_normal((batch, *taken.shape), np.float32)
