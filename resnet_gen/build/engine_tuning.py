"""How an engine is built, out of what the command line, the spec, the project and the device say, in this order."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from resnet_gen.build.tuning_record import UNTUNED, EngineTuning, SettingSource
from resnet_gen.engine.tensorrt import Profile
from resnet_gen.language.engine_options import OPTIONS, ShapeProfile, explain_absence
from resnet_gen.problems import Refused, Span, refuse

if TYPE_CHECKING:
    from resnet_gen.build.request import BuildBatch, Request
    from resnet_gen.language.engine_settings import EngineSettings
    from resnet_gen.language.load import Loaded
    from resnet_gen.speed.targets import Target

_Merged: TypeAlias = "dict[str, tuple[SettingSource, Any]]"
"""Each setting that was said, and who says it."""
_INTEGRATED = ((5, 3), (6, 2), (7, 2), (8, 7))
"""Compute capabilities of the modules that JetPack is for."""
_OF_PROJECT = " of the project file"
_PROJECT_KEY = re.compile(rf"engine\.([a-z_]+){_OF_PROJECT}: ")
_SPARSE = (8, 0)
"""The first compute capability whose tensor cores skip zeros."""


def resolve_tuning(loaded: Loaded, request: Request) -> tuple[EngineTuning, BuildBatch]:
    """What all that was said comes to, with the batch; raises `Refused` for what cannot be had, naming who says it."""
    batch = request.batch
    library = _find_library(request)
    if library is None:
        return _open_sizes(loaded) if request.symbolic_size else UNTUNED, batch
    merged: _Merged = {}
    for source, settings in _list_settings(loaded, request):
        for key, value in settings.items():
            merged.setdefault(key, (source, value))
    if batch.is_said:  # on the command line, which says more than any file
        merged.pop("profiles", None)
        if batch.shapes:
            merged["profiles"] = ("option", batch.shapes)
    place = _Place(loaded, request.device)
    version = request.device.tensorrt if request.device and library == "trtexec" else None
    for key, (source, value) in merged.items():
        if reason := explain_absence(key, value, library, version):
            raise place.refusal(key, source, f"not for {_name_of(library, version)}: {reason}")
    cache_source, cache = merged.get("timing_cache", ("option", ""))
    if library == "trtexec" and not re.fullmatch(r"[A-Za-z0-9_.-]*", cache):
        raise place.refusal("timing_cache", cache_source, "on the device it lies in the bundle's folder", "give a name")
    _check_device(merged, request.device, place)
    settings, batch = _join(merged, batch, place)
    _check_dla(settings, batch, request, place, merged)
    if request.target == "triton":
        _check_triton(settings, place, merged)
    profiles = settings.profiles or ()
    open_values = _find_open_values(loaded, profiles, place, merged)
    sources = tuple((key, merged[key][0]) for key in OPTIONS if key in merged)
    return EngineTuning(settings, sources, profiles, open_values), batch


def _open_sizes(loaded: Loaded) -> EngineTuning:
    """An ONNX file for images of any size; raises `Refused` with the layer that is of one size."""
    from resnet_gen.build.symbolic_size import find_any_size

    try:
        found = find_any_size(loaded)
    except Refused as refused:
        first = refused.problems[0]
        hint = first.hint if loaded.spec.serve else "build a file a size: --input SIDE"
        raise refuse(f"--symbolic-size: {first.message}", hint=hint) from None
    return UNTUNED._replace(open_values=found.open_values, sizes=(found.least, found.most))


def _find_library(request: Request) -> str | None:
    """What builds the engine: a library here, or `trtexec` on the device; None where none is built."""
    if request.backend:
        return request.backend.name
    return "trtexec" if request.in_place else None


def _name_of(library: str, version: str | None) -> str:
    return f"the trtexec of TensorRT {version}" if library == "trtexec" else library


def _list_settings(loaded: Loaded, request: Request) -> Iterator[tuple[SettingSource, EngineSettings]]:
    device = request.device.engine_options if request.device else None
    layers: tuple[tuple[SettingSource, EngineSettings | None], ...] = (
        ("option", request.engine.option),
        ("spec", loaded.spec.engine),
        ("project", request.engine.project),
        ("device", device),
    )
    yield from ((source, settings) for source, settings in layers if settings)


def find_project_key(message: str) -> str | None:
    """The key of a project's `[engine]` that a message of this module is about; None for any other message."""
    found = _PROJECT_KEY.match(message)
    return found[1] if found else None


class _Place(NamedTuple):
    """How messages name what somebody said, and where."""

    loaded: Loaded
    device: Target | None

    def refusal(self, key: str, source: SettingSource, why: str, hint: str | None = None) -> Refused:
        names = {
            "option": OPTIONS[key].option,
            "spec": f"engine.{key}",
            "project": f"engine.{key}{_OF_PROJECT}",
            "device": f"engine_options.{key} of {self.device.name if self.device else ''}",
        }
        where: Span | None = self.loaded.source.span(("engine", key)) if source == "spec" else None
        return refuse(f"{names[source]}: {why}", where, hint)


def _check_device(merged: _Merged, device: Target | None, place: _Place) -> None:
    if device is None or device.compute_capability is None:
        return
    cores, capability = device.dla_cores or 0, device.capability
    if "dla_core" in merged and merged["dla_core"][1] >= cores:
        has = f"{cores} DLA cores, numbered from 0" if cores else "no DLA"
        raise place.refusal("dla_core", merged["dla_core"][0], f"{device.name} has {has}")
    if "hardware_compatibility" in merged:
        source, kind = merged["hardware_compatibility"]
        least = (8, 0) if kind == "ampere+" else (7, 5)
        if capability in _INTEGRATED:
            raise place.refusal("hardware_compatibility", source, "JetPack's TensorRT has no such engines")
        if capability < least:
            old = f"it begins with compute capability {least[0]}.{least[1]}, and {device.name} has "
            raise place.refusal("hardware_compatibility", source, old + device.compute_capability)
    if merged.get("sparsity", ("", False))[1] and capability < _SPARSE and "dla_core" not in merged:
        why = f"tensor cores skip zeros from compute capability 8.0, and {device.name} has {device.compute_capability}"
        raise place.refusal("sparsity", merged["sparsity"][0], why)


def _join(merged: _Merged, batch: BuildBatch, place: _Place) -> tuple[EngineSettings, BuildBatch]:
    """One set of settings; raises `Refused` where what different ones say excludes each other."""
    from resnet_gen.language.engine_settings import NO_SETTINGS, find_exclusions

    settings = NO_SETTINGS.model_copy(update={key: value for key, (_, value) in merged.items()})
    for key, words, hint in find_exclusions(settings):
        raise place.refusal(key, merged[key][0], words, hint)
    if settings.profiles and not batch.is_said:
        first = settings.profiles[0]
        batch = batch._replace(profile=Profile(*first.batches), shapes=settings.profiles)
    return settings, batch


def _check_dla(settings: EngineSettings, batch: BuildBatch, request: Request, place: _Place, merged: _Merged) -> None:
    if settings.dla_core is None:
        if settings.gpu_fallback is not None:
            why = "without a DLA core there is nothing to fall back from"
            raise place.refusal("gpu_fallback", merged["gpu_fallback"][0], why, "say --dla-core 0, or leave it out")
        return
    source = merged["dla_core"][0]
    if request.precision not in ("fp16", "int8"):
        why = f"a DLA computes in float16 and int8, and this is {request.precision}"
        raise place.refusal("dla_core", source, why, "--precision fp16")
    if batch.fixed is None:
        raise place.refusal("dla_core", source, "a DLA takes no symbolic shapes", "fix the batch: --batch 1")


def _check_triton(settings: EngineSettings, place: _Place, merged: _Merged) -> None:
    if settings.strip_weights:
        raise place.refusal("strip_weights", merged["strip_weights"][0], "Triton runs no engine without its weights")
    if settings.cuda_graphs and any(shapes.sizes for shapes in settings.profiles or ()):
        why = "Triton captures graphs of the sizes that its settings say, and here height and width are symbolic"
        raise place.refusal("cuda_graphs", merged["cuda_graphs"][0], why, "build an engine a size, or leave it out")


def _find_open_values(
    loaded: Loaded, profiles: tuple[ShapeProfile, ...], place: _Place, merged: _Merged
) -> frozenset[str]:
    """The input and the outputs whose height and width are symbolic; raises `Refused` where they cannot be.

    None are where pictures of any size are served, whose input is open by itself; profiles say which an engine takes.
    """
    serve = loaded.spec.serve
    resizes = serve is not None and serve.size == "any"
    if not any(shapes.sizes for shapes in profiles):
        if resizes:
            raise refuse("serve.size: an engine takes a range of sizes, and none is said", _at_size(loaded), _SAY_RANGE)
        return frozenset()
    source = merged["profiles"][0]
    _check_first_profile(loaded, profiles, place, source)
    if resizes:
        return frozenset()
    from resnet_gen.build.symbolic_size import find_open_values

    sizes = {size for shapes in profiles for size in shapes.sizes}
    try:
        return find_open_values(loaded, sizes)
    except Refused as refused:
        raise place.refusal("profiles", source, refused.problems[0].message, refused.problems[0].hint) from None


_SAY_RANGE = "--min-shapes, --opt-shapes and --max-shapes, or 'engine.profiles' with height and width"


def _at_size(loaded: Loaded) -> Span | None:
    return loaded.source.span(("serve", "size"))


def _check_first_profile(
    loaded: Loaded, profiles: tuple[ShapeProfile, ...], place: _Place, source: SettingSource
) -> None:
    """Refuse a first profile without the network's own size, of which the image is that an engine is tried with."""
    height, width = loaded.spec.input.size
    least, _, most = profiles[0].sizes
    if not (least[0] <= height <= most[0] and least[1] <= width <= most[1]):
        why = f"the first profile leaves out the network's own size, {height}x{width}"
        hint = "take it in, or change it with --input: an engine is tried with an image of this size"
        raise place.refusal("profiles", source, why, hint)
