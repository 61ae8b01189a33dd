"""Models by their names: specs, ONNX files and engines, opened on a runtime; what they take and output."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from resnet_gen.build import manifest
from resnet_gen.build.build import PARTS_KEY, SEED_KEY, SHA256_KEY, build
from resnet_gen.build.file_input import check_shape, find_serving
from resnet_gen.build.manifest_schema import locate_manifest, read_manifest
from resnet_gen.build.request import BuildBatch, Request
from resnet_gen.engine.base import OWN_CHOICE, Runner, Tuning, format_shape
from resnet_gen.engine.evaluation.scoring import EvaluatedModel
from resnet_gen.engine.file_serving import FileServing, ImageForm
from resnet_gen.engine.names import ENGINE, ONNX, suitable_runtime
from resnet_gen.engine.pixel_runner import take_network_input
from resnet_gen.engine.runtimes import check_tuning, open_file, require_gpu
from resnet_gen.engine.tensorrt import BACKENDS, Profile
from resnet_gen.graph.surrounding_terms import find_normalization, is_normalized
from resnet_gen.graph.surroundings import OF_BEST
from resnet_gen.language.load import Loaded, digest_of, load
from resnet_gen.language.spec import Input
from resnet_gen.onnx.metadata_keys import SPEC_KEY
from resnet_gen.problems import Refused, refuse
from resnet_gen.system.digest import digest_file
from resnet_gen.system.files import SMALL
from resnet_gen.system.journal import check_whole
from resnet_gen.weights.base import Array
from resnet_gen.weights.downloads.names import WeightsSource
from resnet_gen.weights.seeds import DEFAULT_SEED


class ModelSource(NamedTuple):
    """How a spec becomes a model: changed keys, weights or the seed of random ones, batch norms folded or not."""

    settings: tuple[str, ...] = ()
    weights: WeightsSource | None = None
    seed: int | None = None
    fold: bool = False

    @property
    def of_a_spec(self) -> bool:
        """Whether anything is set that means nothing for a file."""
        return bool(self.settings or self.weights or self.fold) or self.seed is not None


class RunnableModel(NamedTuple):
    """A loaded model and, of a spec, the input that it states; and what is put around the network."""

    runner: Runner
    taken: Input | None
    serving: FileServing

    def find_input(self) -> Input:
        """What input it takes: as its spec says, else its file, else by its shape; raises `Refused`."""
        return self.taken or embedded_input(self) or assumed_input(self)


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
        if path.suffix == ENGINE and _carries_runtime(path):
            tuning = tuning._replace(host_code=True)
        runner = open_file(runtime, path, tuning=tuning)
        return RunnableModel(runner, None, find_serving(runner))
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
    profile = Profile(min(batches), max(batches), max(batches))
    request = Request(
        target=runtime if runtime in BACKENDS else "onnx",
        batch=BuildBatch(profile=profile),
        weights=source.weights,
        seed=source.seed or DEFAULT_SEED,
        fold=source.fold,
    )
    runner = open_request(loaded, request, runtime, tuning, shown or loaded.spec.name)
    return RunnableModel(runner, loaded.spec.input, find_serving(runner, loaded))


def open_request(loaded: Loaded, request: Request, runtime: str, tuning: Tuning, shown: str) -> Runner:
    """Build what is asked for into a temporary folder and open that; messages call it `shown`."""
    require_gpu(runtime)
    with tempfile.TemporaryDirectory() as folder:
        files = build(loaded, request, Path(folder))
        (file,) = (path for path in files if path.suffix == (ENGINE if runtime in BACKENDS else ONNX))
        return open_file(runtime, file, shown, tuning)


def _carries_runtime(path: Path) -> bool:
    """Whether an engine was built here for later releases, by its manifest and hash: its own code is run then."""
    try:
        built = read_manifest(locate_manifest(path).manifest)
        option = built.engine.options.get("version_compatible") if built and built.engine else None
        return bool(built and option and option.value is True and digest_file(path) == built.files.get(path.name, ""))
    except (Refused, OSError):
        return False


def refuse_ignored(model: str, source: ModelSource) -> None:
    """Refuse what would change a spec, where the model is a file."""
    if is_model_file(model) and source.of_a_spec:
        what = "an ONNX file" if model.endswith(ONNX) else "an engine"
        raise refuse(f"{what} has its own shape and weights", model, "run the spec instead")


def embedded_input(model: RunnableModel) -> Input | None:
    """What input a file takes by the spec that it carries; None where it carries none.

    Raises `Refused` for a spec that cannot be read, or that was changed since its hash was written.
    """
    found = parse_embedded_input(model.runner.metadata, model.runner.where)
    return None if found is None else _normalize_as_file(model.serving, found)


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


def _normalize_as_file(serving: FileServing, taken: Input) -> Input:
    """The input with the mean, the deviation and the crop that the file's own graph has, where it has them."""
    pixels = serving.input
    found = find_normalization(pixels, taken.channels)
    crop = {"crop": pixels.crop} if pixels and pixels.crop is not None else {}
    return taken.model_copy(update={**crop, **(found._asdict() if found else {})})


def embedded_seed(session: Runner) -> str | None:
    """The seed of drawn weights that a file states, or of an engine its manifest; None where neither states one."""
    path = Path(session.where)
    if path.suffix != ENGINE:
        return session.metadata.get(SEED_KEY)
    built = manifest.read(manifest.locate_beside(path)) or {}
    seed = built["weights"].get("seed") if built else None
    return None if seed is None else str(seed)


def assumed_input(model: RunnableModel) -> Input:
    """What input a file takes by its shape, with ImageNet's preprocessing; raises `Refused` where that is no image."""
    session, serving = model.runner, model.serving
    sides = [side or 0 for side in session.shape[1:]]
    channels, height, width = (
        (sides[2], *sides[:2]) if serving.input and serving.input.layout == "NHWC" else tuple(sides)
    )
    height, width = serving.size or (height, width)
    try:
        return _normalize_as_file(serving, Input(channels=channels, size=(height, width)))
    except ValidationError:
        raise refuse("its input is no image of a fixed size", session.where) from None


def describe_assumption(serving: FileServing) -> str:
    """What is assumed of pictures that a file without a spec does not say."""
    if not is_normalized(serving.input):
        return "ImageNet's preprocessing is assumed"
    crop = serving.takes_any_size
    return f"it normalizes pictures itself{'' if crop else '; resizing and crop as for ImageNet are assumed'}"


def find_own_image(models: Sequence[RunnableModel]) -> tuple[int, ...] | None:
    """The shape of one image as the models are fed it in turns, where a side of theirs is open: that of their networks.

    None where no side is open, where neither a spec nor a graph says it, and where they take other layouts. Raises
    `Refused` as `embedded_input`.
    """
    served = [model.serving.input for model in models]
    layouts = {pixels.layout for pixels in served if pixels} if all(served) else {"NCHW"}
    if len(layouts) > 1 or not any(None in model.runner.shape[1:] for model in models):
        return None
    stated = (model.taken or embedded_input(model) for model in models)
    read = (assumed_input(model) for model in models if model.serving.size)
    taken = next(filter(None, (*stated, *read)), None)
    if taken is None:
        return None
    channels, height, width = taken.shape
    return (height, width, channels) if layouts == {"NHWC"} else (channels, height, width)


def choose_runners(models: Sequence[RunnableModel]) -> list[Runner]:
    """The models to be measured: one that takes pixels is fed as its network beside one that is such a network."""
    pixels = [model.serving.input for model in models]
    if all(pixels) or not any(pixels):
        return [model.runner for model in models]
    shape = next(model.runner.shape[1:] for model in models if not model.serving.input)
    pairs = zip(models, pixels, strict=True)
    return [take_network_input(model.runner, taken, shape) if taken else model.runner for model, taken in pairs]


class EvaluatedModels(NamedTuple):
    """Models to be evaluated on the same images, and what is to be said of how images become their input."""

    models: tuple[EvaluatedModel, ...]
    notes: tuple[str, ...]


def choose_inputs(opened: Sequence[RunnableModel]) -> EvaluatedModels:
    """How images become the input of each model: as its spec says, else as the other's, else as ImageNet's networks."""
    known = [model.taken or embedded_input(model) for model in opened]
    models, notes = [], []
    for model, taken in zip(opened, known, strict=True):
        runner, serving = model.runner, model.serving
        other = next((one for one in known if one and serving.fits(runner.shape[1:], one)), None)
        if taken is None:
            taking = other and not (serving.takes_any_size and is_normalized(serving.input))
            how = "the other model's preprocessing is taken" if taking else describe_assumption(serving)
            notes.append(f"{runner.where}: carries no spec; {how}")
        taken = taken or other or assumed_input(model)
        check_shape(runner, serving, taken, runner.shape[0] or 1)
        models.append(EvaluatedModel(runner, ImageForm(taken, serving)))
    return EvaluatedModels(tuple(models), tuple(notes))


def check_outputs(session: Runner, serving: FileServing, outputs: dict[str, Array]) -> None:
    """Refuse what is neither scores nor a map for each image, but the best classes that the file says it outputs."""
    best = serving.list_names(*OF_BEST)
    for name, values in outputs.items():
        if name in best and values.dtype.kind in "iuf" and values.ndim and values.size:
            continue
        if values.ndim < 2 or values.dtype.kind != "f" or not values.size:
            found = f"{values.dtype} {format_shape(values.shape) or 'scalar'}"
            raise refuse(f"outputs {found} as '{name}', not scores or a map for each image", session.where)
