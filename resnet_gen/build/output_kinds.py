"""What is built and generated, and for which batches and GPUs where nothing is said."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

BuildTarget: TypeAlias = Literal["onnx", "tensorrt-rtx", "tensorrt", "bundle", "triton"]
"""What is built: a model, an engine, what builds one on its device, or a folder for Triton Inference Server."""
BUILD_TARGETS: tuple[BuildTarget, ...] = get_args(BuildTarget)
REPORT = "report"
"""What `build` makes of a spec alone, which is text."""

Language: TypeAlias = Literal["pytorch", "flax", "cpp", "triton", "card"]
"""What is generated: a PyTorch or Flax module, a C++ program, what Triton Inference Server needs, a model card."""
LANGUAGES: tuple[Language, ...] = tuple(sorted(get_args(Language)))
"""Each is a module of `generate/targets`."""

Library: TypeAlias = Literal["tensorrt-rtx", "tensorrt"]
"""What builds an engine."""
LIBRARIES: tuple[Library, ...] = get_args(Library)

BATCH_RANGE = (1, 8, 32)
"""The smallest batch of an engine, the one that it is tuned for, the largest."""
CAPABILITIES = (86, 89, 120)
"""Compute capabilities that an engine is for, where they have the precision."""
