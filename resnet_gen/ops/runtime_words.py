"""What runs a model, by the words that budgets and commands have for it; `engine` is what loads them."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Runtime: TypeAlias = Literal["onnxruntime", "openvino", "tensorrt-rtx", "tensorrt"]
"""What runs a model."""
RUNTIMES: tuple[Runtime, ...] = get_args(Runtime)
ENGINE_RUNTIMES: tuple[Runtime, ...] = ("tensorrt-rtx", "tensorrt")
"""Those that run engines alone, each built for the GPU at hand or in reach."""
