"""What runtimes and their files are called, which loads none of them."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

from resnet_gen.ops.runtime_words import RUNTIMES as RUNTIMES
from resnet_gen.ops.runtime_words import Runtime as Runtime
from resnet_gen.system.file_kinds import ENGINE as ENGINE
from resnet_gen.system.file_kinds import ONNX as ONNX

Hint: TypeAlias = Literal["f32", "bf16", "f16"]
"""A type to compute in, as OpenVINO calls it."""
HINTS: tuple[Hint, ...] = get_args(Hint)


def suitable_runtime(path: str) -> Runtime:
    """The runtime for a file, or for the name of a spec, where none is asked for."""
    return "tensorrt-rtx" if path.endswith(ENGINE) else "onnxruntime"
