"""What a spec, a project file, a device file, the command line or Python says of an engine's build."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from resnet_gen.language.engine_options import (
    DLA_CORES,
    MOST_FLAGS,
    MOST_PROFILES,
    OPTIMIZATION_LEVELS,
    OPTIONS,
    WORKSPACES,
    Hardware,
    ShapeProfile,
)
from resnet_gen.ops.limits import BATCHES, SIDES
from resnet_gen.parts.base import StrictModel
from resnet_gen.problems import shorten

_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}\.cache\Z")
_FLAG = re.compile(r"--[A-Za-z][A-Za-z0-9_]{0,63}(?:=[A-Za-z0-9_.,:;+*|-]{1,200})?\Z", re.ASCII)
_OWN_FLAGS = {
    "onnx", "saveEngine", "loadEngine", "minShapes", "optShapes", "maxShapes", "shapes", "loadInputs", "exportOutput",
    "exportLayerInfo", "exportProfile", "noTF32", "stronglyTyped", "fp16", "bf16", "int8", "fp8", "best", "buildOnly",
    "skipInference", "workspace", "help", "safe",
}  # fmt: skip
"""Flags that the bundle's script gives itself, or that would make it another script."""
_OPTION_FLAGS = {
    **{option.trtexec[2:].partition("=")[0]: key for key, option in OPTIONS.items()},
    "vc": "version_compatible",
    "stripAllWeights": "strip_weights",
    "weightless": "strip_weights",
}
"""The key of each flag that is an option's, by trtexec's other words for it, too."""
_LOADS_CODE = re.compile("plugin|dll|library|leanlib", re.IGNORECASE)
_WRITES_FILES = re.compile("export|save", re.IGNORECASE)
AS_ANY_PATH = {"any_path": True}
"""The context in which `timing_cache` may be any path: it is the user's own word, and no file's."""


def _check_cache_name(name: str, info: ValidationInfo) -> str:
    if not _FILE_NAME.match(name) and not (info.context or {}).get("any_path"):
        hint = "write NAME.cache, which lies in the folder that is built into; --timing-cache takes any path"
        raise PydanticCustomError(
            "cache_name", "'{name}' is not the name of a timing cache", {"name": shorten(name), "hint": hint}
        )
    return name


def _check_flag(flag: str) -> str:
    if not _FLAG.match(flag):
        hint = "write --name or --name=value, of letters, digits and . , : ; + * | - _"
        raise PydanticCustomError("flag", "'{flag}' is not a flag", {"flag": shorten(flag), "hint": hint})
    name = flag[2:].partition("=")[0]
    if name in _OPTION_FLAGS:
        hint = f"say it as {_OPTION_FLAGS[name]}"
        raise PydanticCustomError("own_flag", "--{name} has an option of its own", {"name": name, "hint": hint})
    if why := _explain_refusal(name):
        raise PydanticCustomError("own_flag", "--{name} {why}", {"name": name, "why": why})
    return flag


def _explain_refusal(name: str) -> str | None:
    """Why a flag of this name is the script's affair; None where it is not."""
    if name in _OWN_FLAGS:
        return "is the script's own"
    if _LOADS_CODE.search(name):
        return "loads a library, which a network has no need of"
    return "writes files, where the bundle has its own" if _WRITES_FILES.match(name) else None


_STEPS = "write [1, 8, 32], or [[1, 128, 128], [8, 224, 224], [32, 512, 512]] for batch, height and width"


def _parse_profile(value: Any) -> ShapeProfile:
    """A profile of three batches, or of three lists of batch, height and width, none of which falls."""
    if isinstance(value, ShapeProfile):
        return value
    steps = value if isinstance(value, (list, tuple)) else ()
    rows = [list(step) if isinstance(step, (list, tuple)) else [step] for step in steps]
    if len(rows) != 3 or {len(row) for row in rows} not in ({1}, {3}) or not all(_are_sides(row) for row in rows):
        raise PydanticCustomError("profile", "not a profile of shapes", {"hint": _STEPS})
    if any(list(column) != sorted(column) for column in zip(*rows, strict=True)):
        hint = "write the smallest, the one tuned for, the largest"
        raise PydanticCustomError("profile", "a profile that does not rise", {"hint": hint})
    least, best, most = rows
    return ShapeProfile((least[0], best[0], most[0]), tuple((row[1], row[2]) for row in rows if len(row) == 3))


def _are_sides(row: list[Any]) -> bool:
    whole = all(isinstance(n, int) and not isinstance(n, bool) for n in row)
    return (
        whole and BATCHES.least <= row[0] <= BATCHES.most and all(SIDES.least <= side <= SIDES.most for side in row[1:])
    )


def _check_profiles(profiles: tuple[ShapeProfile, ...]) -> tuple[ShapeProfile, ...]:
    if len({bool(profile.sizes) for profile in profiles}) > 1:
        raise PydanticCustomError("profile", "profiles with and without sizes", {"hint": _STEPS})
    return profiles


_Side = Annotated[int, Field(ge=SIDES.least, le=SIDES.most)]
_Batch = Annotated[int, Field(ge=BATCHES.least, le=BATCHES.most)]
_Step: TypeAlias = _Batch | Annotated[list[_Side], Field(min_length=3, max_length=3)]
_Steps: TypeAlias = Annotated[list[_Step], Field(min_length=3, max_length=3)]
_Profile: TypeAlias = Annotated[
    ShapeProfile,
    BeforeValidator(_parse_profile, json_schema_input_type=_Steps),
    PlainSerializer(ShapeProfile.data, return_type=list[Any]),
]


def _describe(key: str) -> str:
    return OPTIONS[key].help


class EngineSettings(StrictModel):
    """How an engine is built; docs/engines.md says which TensorRT has what."""

    timing_cache: Annotated[str, Field(min_length=1, max_length=4096), AfterValidator(_check_cache_name)] | None = (
        Field(None, description=_describe("timing_cache"))
    )
    optimization_level: Annotated[int, Field(ge=OPTIMIZATION_LEVELS.least, le=OPTIMIZATION_LEVELS.most)] | None = Field(
        None, description=_describe("optimization_level")
    )
    workspace: Annotated[int, Field(ge=WORKSPACES.least, le=WORKSPACES.most)] | None = Field(
        None, description=_describe("workspace")
    )
    profiles: (
        Annotated[
            tuple[_Profile, ...],
            Field(strict=False, min_length=1, max_length=MOST_PROFILES),
            AfterValidator(_check_profiles),
        ]
        | None
    ) = Field(None, description=_describe("profiles"))
    hardware_compatibility: Hardware | None = Field(None, description=_describe("hardware_compatibility"))
    version_compatible: bool | None = Field(None, description=_describe("version_compatible"))
    strip_weights: bool | None = Field(None, description=_describe("strip_weights"))
    refit: bool | None = Field(None, description=_describe("refit"))
    dla_core: Annotated[int, Field(ge=DLA_CORES.least, le=DLA_CORES.most)] | None = Field(
        None, description=_describe("dla_core")
    )
    gpu_fallback: bool | None = Field(None, description=_describe("gpu_fallback"))
    sparsity: bool | None = Field(None, description=_describe("sparsity"))
    cuda_graphs: bool | None = Field(None, description=_describe("cuda_graphs"))
    extra_flags: (
        Annotated[
            tuple[Annotated[str, Field(max_length=300), AfterValidator(_check_flag)], ...],
            Field(strict=False, max_length=MOST_FLAGS),
        ]
        | None
    ) = Field(None, description="Flags that the bundle's script hands to trtexec as they are.")

    @model_validator(mode="after")
    def _check_together(self) -> EngineSettings:
        for key, words, hint in find_exclusions(self):
            raise PydanticCustomError("conflict", "{words}", {"at": key, "words": words, "hint": hint})
        return self

    def items(self) -> Iterator[tuple[str, Any]]:
        """What is said, by key."""
        for key in OPTIONS:
            if (value := getattr(self, key)) is not None:
                yield key, value


def find_exclusions(settings: EngineSettings) -> Iterator[tuple[str, str, str]]:
    """What excludes each other: the key, what is wrong, and what may help."""
    if settings.dla_core is not None and settings.hardware_compatibility:
        yield "hardware_compatibility", "a DLA is of one kind of module", "leave it out beside dla_core"
    if settings.dla_core is not None and settings.profiles:
        yield "profiles", "a DLA takes no symbolic shapes", "fix the batch: --batch 1"
    if settings.dla_core is not None and settings.cuda_graphs:
        yield "cuda_graphs", "no CUDA graph can be captured of what a DLA does", "leave it out beside dla_core"
    if settings.timing_cache and settings.optimization_level == 0:
        yield "timing_cache", "the builder reads none at optimization level 0", "take a level from 1, or leave it out"


NO_SETTINGS = EngineSettings()
