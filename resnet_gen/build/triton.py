"""A model in a repository of Triton Inference Server: its configuration, and what it takes and how to ask it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from resnet_gen.graph import Value
from resnet_gen.graph.surroundings import SCORES
from resnet_gen.language.serve import Serve
from resnet_gen.language.spec import Spec
from resnet_gen.system.templates import render_tree

_TYPES = {
    "float32": "TYPE_FP32", "float16": "TYPE_FP16", "bfloat16": "TYPE_BF16", "uint8": "TYPE_UINT8",
    "int64": "TYPE_INT64",
}  # fmt: skip
LABELS = "labels.txt"
"""The file in a model's folder that names its classes, one a line."""


@dataclass(frozen=True)
class TritonModel:
    """How a model is served.

    `batch` is one that is fixed, else `preferred` are those to gather, the largest last. `as_written` keeps ONNX
    Runtime's optimizer off; `tf32` lets a GPU multiply float32 in TF32. `serve` is what the file puts around the
    network, if it does; `cuda_graphs` has an engine's work launched as CUDA graphs;
    `open_values` have a symbolic height and width.
    """

    name: str
    platform: str
    kind: str
    batch: int | None
    preferred: tuple[int, ...]
    input: Value
    outputs: Sequence[Value]
    tf32: bool
    as_written: bool
    serve: Serve | None = None
    cuda_graphs: bool = False
    open_values: frozenset[str] = frozenset()

    @property
    def by_onnxruntime(self) -> bool:
        """Whether the server's ONNX Runtime runs it, maybe on a GPU, and has to be set up for it."""
        return self.platform == "onnxruntime_onnx" and self.kind != "KIND_CPU"

    @property
    def max_batch_size(self) -> int:
        """Triton's: 0 where the batch stands among the dimensions."""
        return self.preferred[-1] if self.batch is None else 0

    def describe_tensor(self, value: Value) -> dict[str, Any]:
        """A tensor in Triton's words."""
        first = () if self.batch is None else (self.batch,)
        sides = [side or _OPEN for side in value.shape]
        if value.name in self.open_values:
            sides[-2:] = _OPEN, _OPEN
        labels = LABELS if self.labels and value.name in SCORES else None
        return {"name": value.name, "type": _TYPES[value.dtype], "dims": (*first, *sides), "labels": labels}

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of the classes; none where they are not stated."""
        return (self.serve.labels or ()) if self.serve else ()


_OPEN = -1
"""A side of any length."""


def render_model_folder(served: TritonModel, spec: Spec) -> dict[str, str]:
    """`config.pbtxt`, README.md and labels of a model, which stand beside the folders of its versions."""
    outputs = [served.describe_tensor(value) for value in served.outputs]
    taken = served.describe_tensor(served.input)
    texts = render_tree("triton", served=served, input=taken, outputs=outputs, spec=spec)
    return {**texts, LABELS: "".join(f"{label}\n" for label in served.labels)} if served.labels else texts
