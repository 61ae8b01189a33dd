"""What a network may cost: ranges of counts, of predicted latency and of file size, in a spec or a project file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from resnet_gen.graph.counts import COUNTS, CountName
from resnet_gen.language.figures import FIGURE, PrintedError, PrintedFigure
from resnet_gen.ops.limits import BATCHES, EVALUATED_IMAGES
from resnet_gen.ops.precision import Float, Placement, Precision
from resnet_gen.ops.runtime_words import ENGINE_RUNTIMES, Runtime
from resnet_gen.parts.base import StrictModel

_SIZE = r"([0-9]{1,18}(?:\.[0-9]{1,12})?) ?([KMGT]i?)?B"
_SIZE_FORM = re.compile(_SIZE + r"\Z")
_POWER = {None: 0, "K": 1, "M": 2, "G": 3, "T": 4}


def _parse_count(value: Any) -> int:
    """A whole number, of a text such as `25.6M` or `4.1e9` too, which is taken for exactly that."""
    if isinstance(value, str):
        try:
            value = PrintedFigure.parse(value).value
        except PrintedError:
            raise PydanticCustomError("figure", "not a whole number") from None
    return _check_whole(value, "figure")


def _parse_size(value: Any) -> int:
    """A number of bytes, of a text such as `100 MiB` or `97.5 MB` too."""
    if isinstance(value, str):
        match = _SIZE_FORM.match(value)
        if match is None:
            raise PydanticCustomError("size_in_bytes", "not a size")
        unit = match[2]
        base = 1024 if unit and unit.endswith("i") else 1000
        value = Decimal(match[1]) * base ** _POWER[unit[:1] if unit else None]
    return _check_whole(value, "size_in_bytes")


def _check_whole(value: Any, kind: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, float, Decimal)) or value % 1 != 0:
        raise PydanticCustomError(kind, "not a whole number")
    return int(value)


_Number = Annotated[float, Field(ge=0)]
_FigureText = Annotated[str, Field(pattern=f"^{FIGURE}$")]
_SizeText = Annotated[str, Field(pattern=f"^{_SIZE}$")]
CountBound = Annotated[int, BeforeValidator(_parse_count, json_schema_input_type=_Number | _FigureText), Field(ge=0)]
SizeBound = Annotated[int, BeforeValidator(_parse_size, json_schema_input_type=_Number | _SizeText), Field(ge=0)]
Milliseconds = Annotated[float, Field(gt=0)]


class _Range(StrictModel):
    @property
    def bounds(self) -> tuple[float | None, float | None]:
        """The least and the most that is allowed, either of which may be open."""
        return getattr(self, "min", None), getattr(self, "max", None)

    @model_validator(mode="after")
    def _check_bounds(self) -> _Range:
        low, high = self.bounds
        if low is None and high is None:
            raise PydanticCustomError("one_bound", "neither a 'min' nor a 'max'")
        if low is not None and high is not None and low > high:
            raise PydanticCustomError("bounds", "'min' is above 'max'", {"at": "min"})
        return self


class CountBudget(_Range):
    """The range of a count."""

    min: CountBound | None = Field(None, description="The least that is allowed.")
    max: CountBound | None = Field(
        None, description="The most that is allowed: `25557032`, `25.6M` or `4.1e9`, exactly."
    )


class LatencyBudget(_Range):
    """The range of the time that one batch is predicted to take on a device (docs/predict.md)."""

    target: Annotated[str, Field(min_length=1, max_length=200)] = Field(
        description="A shipped device (`resnet-gen targets`), or the YAML file of one by its path from this file."
    )
    precision: Precision = Field("fp16", description="What layers compute in.")
    batch: Annotated[int, Field(ge=BATCHES.least, le=BATCHES.most)] = Field(1, description="Images at once.")
    min: Milliseconds | None = Field(None, description="The least that is allowed, in milliseconds.")
    max: Milliseconds | None = Field(None, description="The most that is allowed, in milliseconds.")


class SizeBudget(_Range):
    """The range of the size of the ONNX model as `resnet-gen build` writes it, with its external data."""

    precision: Float = Field("fp32", description="What layers compute in.")
    min: SizeBound | None = Field(None, description="The least that is allowed, in bytes.")
    max: SizeBound | None = Field(
        None, description="The most that is allowed: bytes, or `97.5 MB` or `100 MiB`, exactly."
    )


_Place = Annotated[str, Field(min_length=1, max_length=1_000)]
_Part = Annotated[float, Field(ge=0, le=1)]


class AccuracyBudget(StrictModel):
    """How often the network must be right on labelled images, with its weights (docs/evaluate.md).

    Paths start from the file that the budget stands in, and lead nowhere outside its project.
    """

    data: _Place = Field(description="Labelled images as `evaluate` takes them: a folder, `.csv` or `.npz`.")
    classes_file: _Place | None = Field(None, description="Names of the classes, in the order of the outputs.")
    weights: _Place | None = Field(None, description="The weights; those of `verify --weights` where it is left out.")
    precision: Precision = Field("fp32", description="What layers compute in.")
    calibration: _Place | None = Field(None, description="Images that INT8 and FP8 take their scales from.")
    qdq: Placement | None = Field(None, description="Where INT8 puts Q/DQ; `cpu` where it is left out.")
    runtime: Runtime | None = Field(
        None,
        description="What runs it: `tensorrt-rtx` and `tensorrt` an engine, on a GPU; ONNX Runtime where it is left "
        "out, or OpenVINO for BF16.",
    )
    limit: Annotated[int, Field(ge=EVALUATED_IMAGES.least, le=EVALUATED_IMAGES.most)] | None = Field(
        None, description="So many of the images, evenly spaced; all where it is left out."
    )
    min: _Part | None = Field(None, description="The least part of the images that must be right, 0 to 1: top-1.")
    drop_from_fp32: _Part | None = Field(
        None, description="How much less than in FP32 it may be, 0 to 1: 0.005 is half a percentage point."
    )

    @model_validator(mode="after")
    def _check_keys(self) -> AccuracyBudget:
        if self.min is None and self.drop_from_fp32 is None:
            raise PydanticCustomError("accuracy_bound", "neither a 'min' nor a 'drop_from_fp32'")
        eight = self.precision in ("int8", "fp8")
        if eight and self.calibration is None:
            raise PydanticCustomError("calibration", "no 'calibration' for {precision}", {"precision": self.precision})
        for key, means in (("calibration", eight), ("qdq", self.precision == "int8")):
            if getattr(self, key) is not None and not means:
                context = {"at": key, "precision": self.precision}
                raise PydanticCustomError("unused", "means nothing for precision {precision}", context)
        if self.runtime == "onnxruntime" and self.precision == "bf16":
            context = {"at": "runtime", "precision": self.precision}
            raise PydanticCustomError("unused", "has no convolution in {precision}: openvino has", context)
        if self.runtime in ENGINE_RUNTIMES and self.qdq not in (None, "tensorrt"):
            context = {"at": "qdq", "runtime": self.runtime}
            raise PydanticCustomError("unused", "means nothing for {runtime}, which wants tensorrt's", context)
        return self


def _wrap_in_list(value: Any) -> Any:
    return [value] if isinstance(value, dict) else value


Latencies = Annotated[
    tuple[LatencyBudget, ...],
    Field(strict=False, max_length=64),
    BeforeValidator(_wrap_in_list, json_schema_input_type=LatencyBudget | list[LatencyBudget]),
]
Sizes = Annotated[
    tuple[SizeBudget, ...],
    Field(strict=False, max_length=64),
    BeforeValidator(_wrap_in_list, json_schema_input_type=SizeBudget | list[SizeBudget]),
]


Accuracies = Annotated[
    tuple[AccuracyBudget, ...],
    Field(strict=False, max_length=16),
    BeforeValidator(_wrap_in_list, json_schema_input_type=AccuracyBudget | list[AccuracyBudget]),
]


class Budgets(StrictModel):
    """What a network may cost, and what it must achieve; checked by `resnet-gen verify`."""

    params: CountBudget | None = Field(None, description="Trainable parameters.")
    buffers: CountBudget | None = Field(None, description="Elements that are kept but not trained.")
    macs: CountBudget | None = Field(None, description="Multiply-accumulates for one image.")
    flops: CountBudget | None = Field(None, description="2 x MACs.")
    conv_macs: CountBudget | None = Field(None, description="Multiply-accumulates of convolutions alone.")
    macs_and_biases: CountBudget | None = Field(None, description="MACs, and one for each bias that is added.")
    layers: CountBudget | None = Field(None, description="Convolution and linear layers on the longest main path.")
    activations: CountBudget | None = Field(None, description="Elements that convolutions and linear layers output.")
    activations_and_pools: CountBudget | None = Field(None, description="Those, and the elements of max pooling.")
    latency: Latencies = Field((), description="Predicted time on a device: one budget, or a list of them.")
    onnx_size: Sizes = Field((), description="Bytes of the ONNX model: one budget, or a list of them.")
    accuracy: Accuracies = Field(
        (), description="Right answers on labelled images, for `verify --evaluate`: one budget, or a list of them."
    )

    def counts(self) -> Iterator[tuple[CountName, CountBudget]]:
        """The counts that have a budget."""
        for name in COUNTS:
            if budget := getattr(self, name):
                yield name, budget

    @property
    def number(self) -> int:
        """How many ranges they are, those of accuracy aside, which take an evaluation."""
        return len(list(self.counts())) + len(self.latency) + len(self.onnx_size)
