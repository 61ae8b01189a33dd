"""The options of NVIDIA's trtexec, which are others in each version of TensorRT."""

from __future__ import annotations

from collections.abc import Sequence

from resnet_gen.graph import Value

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


def list_profile_options(value: Value, least: int, best: int, most: int) -> list[str]:
    """The batches that an engine of a symbolic batch accepts."""
    sizes = {"min": least, "opt": best, "max": most}
    return [f"--{which}Shapes={format_shape(value, size)}" for which, size in sizes.items()]


def format_shape(value: Value, batch: int) -> str:
    """An input's name and shape, such as `input:1x3x224x224`."""
    return f"{value.name}:{'x'.join(map(str, (batch, *value.shape)))}"
