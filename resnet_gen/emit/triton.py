"""The configuration of a model in a repository of Triton Inference Server."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resnet_gen.graph import Value
from resnet_gen.render import render

_TYPES = {"float32": "TYPE_FP32", "float16": "TYPE_FP16", "bfloat16": "TYPE_BF16"}


@dataclass(frozen=True)
class Served:
    """How a model is served: `batch` is one that is fixed, else `preferred` are those to gather, the largest last."""

    name: str
    platform: str
    kind: str
    batch: int | None
    preferred: tuple[int, ...]
    input: Value
    outputs: Sequence[Value]

    @property
    def max_batch_size(self) -> int:
        """Triton's: 0 where the batch stands among the dimensions."""
        return self.preferred[-1] if self.batch is None else 0

    def tensor(self, value: Value) -> dict[str, Any]:
        """A tensor in Triton's words."""
        first = () if self.batch is None else (self.batch,)
        return {"name": value.name, "type": _TYPES[value.dtype], "dims": (*first, *value.shape)}


def config(served: Served) -> str:
    """`config.pbtxt` of a model."""
    inputs, outputs = [served.tensor(served.input)], [served.tensor(value) for value in served.outputs]
    return render("triton/config.pbtxt.jinja", served=served, inputs=inputs, outputs=outputs)
