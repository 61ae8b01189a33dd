"""What is generated: each is a module of `targets`."""

from __future__ import annotations

from typing import Literal, TypeAlias, get_args

Language: TypeAlias = Literal["pytorch", "flax", "cpp", "triton", "card"]
"""What is generated: a PyTorch or Flax module, a C++ program, what Triton Inference Server needs, a model card."""
LANGUAGES: tuple[Language, ...] = tuple(sorted(get_args(Language)))
