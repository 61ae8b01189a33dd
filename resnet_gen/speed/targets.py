"""Devices that networks are built for: YAML files as specs are, one a device, checked as specs are."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from resnet_gen.language.engine_options import DLA_CORES
from resnet_gen.language.engine_settings import EngineSettings
from resnet_gen.language.faults import CAPABILITY_PATTERN, VERSION_PATTERN, validate
from resnet_gen.language.source import read_file
from resnet_gen.language.spec import NAME_PATTERN, Words
from resnet_gen.ops.limits import BATCHES
from resnet_gen.ops.precision import PRECISIONS, Precision, explain_too_old
from resnet_gen.parts.base import StrictModel
from resnet_gen.problems import Refused, refuse, shorten, suggest
from resnet_gen.system.files import named_file
from resnet_gen.system.resources import shipped_specs, targets_folder

Rate: TypeAlias = Annotated[float, Field(ge=1e-6, le=1e9)]
"""A figure of a device; beyond these none is of any, and times would be no numbers."""
EngineKind: TypeAlias = Literal["tensorrt-rtx", "in-place", "onnx"]


def _check_one_line(text: str) -> str:
    if "\n" in text:
        raise PydanticCustomError("one_line", "a text of more than one line")
    return text


_OPSETS: dict[Precision, int] = {"bf16": 22, "fp8": 19}
"""The ONNX opset from which convolutions, or Q/DQ, take the precision."""
_SCRIPTED = (8, 2), 11
"""The first version of TensorRT whose trtexec bundles are written for, and the last major one."""


def _check_network(network: str) -> str:
    if network not in shipped_specs():
        hint = suggest(network, shipped_specs())
        raise PydanticCustomError("network", "there is no network '{network}'", {"network": network, "hint": hint})
    return network


def _check_distinct(precisions: tuple[Precision, ...]) -> tuple[Precision, ...]:
    for index, precision in enumerate(precisions):
        if precision in precisions[:index]:
            raise PydanticCustomError("twice", "{precision} stands there twice", {"precision": precision, "at": index})
    return precisions


class Measured(StrictModel):
    """A throughput that somebody measured on the device, on an image of the network's own size."""

    network: Annotated[str, Field(pattern=NAME_PATTERN), AfterValidator(_check_network)] = Field(
        description="The shipped network."
    )
    precision: Precision = Field(description="The precision that its layers computed in.")
    batch: Annotated[int, Field(ge=BATCHES.least, le=BATCHES.most)] = Field(1, description="Images at once.")
    images_per_second: Rate = Field(description="The throughput.")
    source: Words = Field(description="Who measured it, and where it is published.")


class Target(StrictModel):
    """A device: what it computes in, what its engines are built by, how fast and how large it is."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)] = Field(description="Letters, digits, '-' and '_'.")
    title: Annotated[Words, AfterValidator(_check_one_line)] = Field(description="What people call the device.")
    architecture: Annotated[Words, AfterValidator(_check_one_line)] = Field(
        description="The family of its processor: Maxwell, Turing, Hopper, ..."
    )
    compute_capability: Annotated[str, Field(pattern=CAPABILITY_PATTERN)] | None = Field(
        None, description='CUDA\'s number for what its GPU can do ("8.6"); left out where there is none.'
    )
    tensorrt: Annotated[str, Field(pattern=VERSION_PATTERN)] | None = Field(
        None, description="The last version of TensorRT that serves it."
    )
    engine: EngineKind = Field(
        description="`tensorrt-rtx`: engines are built anywhere, by TensorRT-RTX; `in-place`: on the device itself, "
        "by its TensorRT; `onnx`: there are none, an ONNX runtime reads the model."
    )
    opset: Annotated[int, Field(ge=13, le=26)] = Field(description="The newest ONNX opset that it reads.")
    precisions: Annotated[tuple[Precision, ...], Field(strict=False, min_length=1), AfterValidator(_check_distinct)] = (
        Field(description="What it runs.")
    )
    refuses: dict[Precision, Words] = Field(
        default_factory=dict, description="The reason for each precision that it does not run."
    )
    memory_gb: Rate | None = Field(None, description="Memory, in 10^9 bytes.")
    bandwidth_gb_s: Rate | None = Field(None, description="Peak bandwidth of that memory, in 10^9 bytes a second.")
    peak_tflops: dict[Precision, Rate] = Field(
        default_factory=dict,
        description="Peak of dense arithmetic, in 10^12 operations a second, a multiply-add being two.",
    )
    reduce_range: bool = Field(
        False, description="Whether INT8 weights get seven bits: for CPUs whose sums of two products saturate 16 bits."
    )
    tensor_cores: bool = Field(description="Whether it has units for products of matrices.")
    multiprocessors: Annotated[int, Field(ge=1, le=10_000)] | None = Field(
        None, description="Streaming multiprocessors of its GPU, each of which computes a tile of a layer at a time."
    )
    dla_cores: Annotated[int, Field(ge=0, le=DLA_CORES.most + 1)] | None = Field(
        None, description="Its DLA cores (deep learning accelerators); left out where there are none."
    )
    engine_options: EngineSettings | None = Field(
        None, description="How engines for it are built, unless somebody says otherwise (docs/engines.md)."
    )
    measured: Measured | None = Field(
        None, description="What the device's efficiency is solved from (docs/predict.md)."
    )
    efficiency: Annotated[float, Field(gt=0, le=1_000)] | None = Field(
        None,
        description="The part of its peak at which it computes, in place of `measured`: what `resnet-gen profile` "
        "makes of the measured layers of any network.",
    )
    note: Words | None = Field(None, description="What else one should know.")
    source: Words = Field(description="Where the figures come from.")

    @model_validator(mode="after")
    def _speaks_of_every_precision(self) -> Target:
        for precision in PRECISIONS:
            allowed, refused = precision in self.precisions, precision in self.refuses
            if not (allowed or refused):
                raise _make_fault("no_reason", "nothing is said of {precision}", "precisions", precision=precision)
            if allowed and refused:
                raise _make_fault("both", "{precision} stands under 'refuses' too", "precisions", precision=precision)
        return self

    @model_validator(mode="after")
    def _has_what_its_gpu_has(self) -> Target:
        if self.engine != "onnx" and not (self.compute_capability and self.tensorrt):
            words = "'{engine}' needs 'compute_capability' and 'tensorrt'"
            raise _make_fault("engine", words, "engine", engine=self.engine)
        if self.compute_capability:
            for precision in self.precisions:
                if reason := explain_too_old(precision, self.capability):
                    raise _make_fault("too_old", "{reason}", "precisions", reason=reason)
        return self

    @model_validator(mode="after")
    def _has_one_efficiency(self) -> Target:
        if self.measured and self.efficiency is not None:
            raise _make_fault("two_efficiencies", "'measured' says the efficiency already", "efficiency")
        return self

    @model_validator(mode="after")
    def _reads_what_it_runs(self) -> Target:
        for precision, opset in _OPSETS.items():
            if precision in self.precisions and self.opset < opset:
                words = "{precision} needs ONNX opset {needed}, and this reads up to {own}"
                own = str(self.opset)
                raise _make_fault("opset", words, "precisions", precision=precision, needed=str(opset), own=own)
        version = tuple(int(n) for n in (self.tensorrt or "10").split(".")[:2])
        first, last = _SCRIPTED
        if self.engine == "in-place" and (version < first or version[0] > last):
            raise _make_fault("tensorrt", "bundles are for TensorRT 8.2 to 11", "tensorrt")
        return self

    @property
    def capability(self) -> tuple[int, int]:
        """The compute capability as (major, minor); (0, 0) where there is none."""
        major, minor = (self.compute_capability or "0.0").split(".")
        return int(major), int(minor)

    def refusal(self, precision: str) -> str | None:
        """Why the device does not run this precision; None if it does."""
        if precision in self.precisions:
            return None
        reasons = (reason for refused, reason in self.refuses.items() if refused == precision)
        return next(reasons, f"there is no precision '{precision}'")


def _make_fault(kind: str, words: str, at: str, **context: str) -> PydanticCustomError:
    return PydanticCustomError(kind, words, {"at": at, **context})


@cache
def shipped_targets() -> dict[str, Path]:
    """The shipped devices: name to file, in alphabetical order, numbers by their size."""
    return {path.stem: path for path in sorted(targets_folder().glob("*.yaml"), key=lambda p: _natural_key(p.stem))}


def _natural_key(name: str) -> list[tuple[str, int]]:
    return [("", int(word)) if word.isdigit() else (word, 0) for word in re.split(r"(\d+)", name)]


def load_target(reference: str) -> Target:
    """The shipped device of that name, which is read once, or the one in the YAML file at that path.

    Raises `Refused` for whatever is wrong with it, as for a spec.
    """
    if reference in shipped_targets():
        return _shipped_target(reference)
    path = named_file(reference)
    if path is None:
        raise _refuse_unknown(reference)
    return _read_target(path, reference)


def is_file_of_device(name: str) -> bool:
    """Whether what a budget calls its device is a YAML file beside it; all else is the name of a shipped one."""
    return name.endswith((".yaml", ".yml")) and name not in shipped_targets()


def load_shipped_target(name: str) -> Target:
    """A shipped device; raises `Refused` for any other name, be there a file of it or not."""
    if name not in shipped_targets():
        raise _refuse_unknown(name)
    return _shipped_target(name)


@cache
def _shipped_target(name: str) -> Target:
    path = shipped_targets()[name]
    return _read_target(path, f"specs/targets/{path.name}")


def _read_target(path: Path, shown: str) -> Target:
    return validate(Target, read_file(path, shown, "start with 'name: my-device'"))


def _refuse_unknown(reference: str) -> Refused:
    hint = suggest(reference, shipped_targets(), exact_numbers=True, others="are files (docs/targets.md)")
    return refuse(f"there is no target '{shorten(reference)}'", hint=hint)
