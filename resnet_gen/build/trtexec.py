"""The options of NVIDIA's trtexec, which are others in each version of TensorRT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from resnet_gen.graph import Value
from resnet_gen.language.engine_options import CAMEL_CASE, OPTIONS, ShapeProfile
from resnet_gen.ops.serving import fill_sides

if TYPE_CHECKING:
    from resnet_gen.language.engine_settings import EngineSettings

_WEAKLY_TYPED = {"fp32": (), "fp16": ("--fp16",), "bf16": ("--bf16",), "int8": ("--int8", "--fp16"),
                 "fp8": ("--fp8", "--fp16")}  # fmt: skip
"""What a network must be allowed to compute in before types were taken from the graph: layers that Q/DQ leave, in
float16 too."""
_NO_LIMIT = 99


def parse_version(version: str) -> tuple[int, ...]:
    """A version as numbers, such as (8, 5, 2); the newest of its kind where the last ones are not said."""
    return (*map(int, version.split(".")), _NO_LIMIT, _NO_LIMIT)


def list_build_options(version: str, precision: str, *, tf32: bool = False) -> list[str]:
    """How types are chosen, whether float32 may be TF32, and that nothing is timed once the engine is there."""
    number = parse_version(version)
    if number >= (11,):
        types: Sequence[str] = ()  # every network is strongly typed, and the flags of precisions are gone
    else:
        types = ("--stronglyTyped",) if number >= (10,) else _WEAKLY_TYPED[precision]
    return [*types, *([] if tf32 else ["--noTF32"]), "--skipInference" if number >= (8, 6) else "--buildOnly"]


def format_workspace(version: str, megabytes: str) -> str:
    """How much memory tactics may take, in MiB; trtexec 8.2 gives them 16 by itself."""
    return f"--memPoolSize=workspace:{megabytes}" if parse_version(version) >= (8, 4) else f"--workspace={megabytes}"


def list_shape_options(value: Value, profiles: Sequence[ShapeProfile]) -> list[str]:
    """The shapes that an engine accepts; several profiles each have a number."""
    found = []
    for index, profile in enumerate(profiles):
        found += [f"--profile={index}"] if len(profiles) > 1 else []
        for which, batch, size in zip(("min", "opt", "max"), profile.batches, profile.sizes or ((),) * 3, strict=True):
            found.append(f"--{which}Shapes={format_shape(value, batch, size)}")
    return found


def format_shape(value: Value, batch: int, size: Sequence[int] = ()) -> str:
    """An input's name and shape, such as `input:1x3x224x224`; `size` takes the place of its own sides."""
    shape = fill_sides(value.shape, size) if size else value.shape
    return f"{value.name}:{'x'.join(map(str, (batch, *shape)))}"


def list_tuning_options(settings: EngineSettings) -> list[str]:
    """What was said of the engine's build, as flags; what is not so simple the script has itself."""
    found = []
    for key, value in settings.items():
        spelling = OPTIONS[key].trtexec
        if key in _APART or OPTIONS[key].runs or value is False:
            continue
        if key == "extra_flags":
            found += list(value)
        else:
            found.append(spelling.format(CAMEL_CASE[value] if key == "hardware_compatibility" else value))
    if settings.dla_core is not None and settings.gpu_fallback is not False:
        found.append(OPTIONS["gpu_fallback"].trtexec)
    return found


_APART = ("timing_cache", "workspace", "profiles", "gpu_fallback")
"""Of the script: a file, what its own option changes, and what stands elsewhere."""


def list_loading_options(settings: EngineSettings | None, *, timed: bool = False) -> list[str]:
    """What is said where the engine is loaded, to run it or, as `timed` says, to time its layers.

    Layers are timed without a CUDA graph: before CUDA 11.1 trtexec then takes none, and warns.
    """
    if settings is None:
        return []
    switches = ("version_compatible",) if timed else ("version_compatible", "cuda_graphs")
    core = [] if settings.dla_core is None else [OPTIONS["dla_core"].trtexec.format(settings.dla_core)]
    return [*core, *(OPTIONS[key].trtexec for key in switches if getattr(settings, key))]
