"""From what the command line says to what is built: a device's choices, and refusals before anything is begun."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from resnet_gen.build.request import BuildBatch, Request
from resnet_gen.build.targets import CAPABILITIES, REPORT
from resnet_gen.engine.tensorrt import BACKENDS
from resnet_gen.ops import DType
from resnet_gen.ops.precision import (
    COMPUTE,
    Calibration,
    Float,
    Placement,
    Precision,
    QuantizationChoice,
    explain_too_old,
)
from resnet_gen.problems import Problem, Refused, refuse
from resnet_gen.weights.seeds import DEFAULT_SEED

if TYPE_CHECKING:
    from resnet_gen.speed.targets import Target

_TYPED_SCALES = 19
"""The ONNX opset from which scales may be float16, so that what is not quantized may be."""
_KINDS = {"tensorrt-rtx": "tensorrt-rtx", "in-place": "bundle", "onnx": "onnx"}
"""What is built for a device whose engines are had in this way."""


@dataclass(frozen=True)
class BuildWishes:
    """What somebody asks for; None where nothing is said and the device, or a default, decides."""

    device: Target | None = None
    target: str | None = None
    precision: Precision | None = None
    capabilities: tuple[int, ...] = ()
    opset: int | None = None
    batch: BuildBatch = field(default=BuildBatch())
    weights: Path | None = None
    seed: int | None = None
    fold: bool = False
    typed_io: bool = False
    calibration: Calibration | None = None
    placement: Placement | None = None
    rest: Float | None = None
    reduce_range: bool = False
    tf32: bool = False
    compare: bool = True


def choose(wish: BuildWishes) -> Request:
    """The request that a wish comes to; raises `Refused` with the reason for what the device cannot do."""
    target = wish.target or (_KINDS[wish.device.engine] if wish.device else "onnx")
    precision = wish.precision or _best(wish)
    if wish.weights and wish.seed is not None:
        raise refuse("--seed means nothing beside --weights")
    if wish.batch.profile and target == "onnx":
        raise refuse("--batch: a range means nothing for target 'onnx'", hint="it is for engines, bundles and triton")
    if wish.device:
        _check_device(wish.device, target, precision, wish)
    _check_delivery(wish, target, precision)
    capabilities = _capabilities(wish, target, precision)
    for number in capabilities:
        if reason := explain_too_old(precision, divmod(number, 10)):
            raise refuse(f"--precision {precision}: not for SM {number}: {reason}", hint="leave it out of --sm")
    quantizing = _quantizing(wish, target, precision)
    if wish.typed_io and (quantizing.compute if quantizing else COMPUTE[precision]) == "float32":
        raise refuse(f"--io typed means nothing for --precision {precision}", hint="layers compute in float32")
    return Request(
        target,
        precision,
        capabilities,
        wish.opset,
        wish.batch,
        wish.weights,
        wish.seed or DEFAULT_SEED,
        wish.fold,
        quantizing,
        wish.typed_io,
        wish.device,
        wish.tf32,
        wish.calibration if target != REPORT else None,
        wish.compare,
    )


def _best(wish: BuildWishes) -> Precision:
    """INT8 where there are images for it, FP16 on a GPU, else FP32."""
    if not wish.device:
        return "fp32"
    if wish.calibration and "int8" in wish.device.precisions:
        return "int8"
    return "fp16" if "fp16" in wish.device.precisions and wish.device.engine != "onnx" else "fp32"


def _check_device(device: Target, target: str, precision: Precision, wish: BuildWishes) -> None:
    if reason := device.refusal(precision):
        hint = f"it has {', '.join(device.precisions)}"
        raise refuse(f"--for {device.name}: not in {precision.upper()}: {reason}", hint=hint)
    if target in BACKENDS and device.engine != target and not (target == "tensorrt" and device.engine != "onnx"):
        wanted = _KINDS[device.engine]
        raise refuse(f"--for {device.name}: {target} builds no engines for it", hint=f"use --target {wanted}")
    if wish.capabilities:
        said = "says the compute capability already" if device.compute_capability else "no engine is built there"
        raise refuse(f"--for {device.name}: {said}", hint="leave out --sm")
    if wish.opset and wish.opset > device.opset:
        reader = f"TensorRT {device.tensorrt}" if device.tensorrt else device.title
        raise refuse(f"--for {device.name}: {reader} reads ONNX opsets up to {device.opset}", hint="leave out --opset")


def _check_delivery(wish: BuildWishes, target: str, precision: Precision) -> None:
    """What goes to a device or a server as scripts and settings must be right for it without ever being tried here."""
    device = wish.device
    gpu = device is not None and device.engine != "onnx"
    if wish.tf32 and not (target in BACKENDS or target == "bundle" or (target == "triton" and (gpu or not device))):
        raise refuse(f"--tf32 means nothing for target '{target}'", hint="it is for GPUs: engines, bundles, triton")
    if target == "bundle" and device is None:
        raise refuse("--target bundle: for which device?", hint="add --for DEVICE; `resnet-gen targets` lists them")
    if target == "bundle" and device and not gpu:
        raise refuse(f"--for {device.name}: no engine is built there", hint="use --target onnx, or triton")
    if target == "triton" and device and not gpu and precision == "bf16":
        raise refuse("--target triton: ONNX Runtime has no bfloat16 convolution on CPUs", hint="--precision fp32")
    least = wish.batch.profile.least if wish.batch.profile else 1
    if target == "triton" and least > 1:
        hint = "begin the range with 1, or fix the batch: --batch 8"
        raise refuse(f"--batch: Triton sends batches of 1, and the range begins with {least}", hint=hint)


def _capabilities(wish: BuildWishes, target: str, precision: Precision) -> tuple[int, ...]:
    backend = BACKENDS.get(target)
    if not (backend and backend.names_targets):
        return wish.capabilities
    if wish.device:
        major, minor = wish.device.capability
        return (10 * major + minor,)
    having = (n for n in CAPABILITIES if not explain_too_old(precision, divmod(n, 10)))
    return wish.capabilities or tuple(having)


def _quantizing(wish: BuildWishes, target: str, precision: Precision) -> QuantizationChoice | None:
    if precision not in ("int8", "fp8"):
        _check_plain(wish, precision)
        return None
    if wish.fold:
        raise refuse(f"--fold-bn means nothing for --precision {precision}", hint="batch norms are folded for it")
    if wish.reduce_range and precision == "fp8":
        raise refuse("--reduce-range means nothing for --precision fp8", hint="it is for the integers of int8")
    calibration, placement = _needed(wish, target, precision)
    old = wish.device is not None and (wish.device.tensorrt or "10").split(".")[0] in ("7", "8", "9")
    compute = COMPUTE[wish.rest] if wish.rest else _rest(wish, target, precision, placement)
    seven = wish.reduce_range or (wish.device is not None and wish.device.reduce_range)
    return QuantizationChoice(precision, placement, compute, calibration, old, seven and precision == "int8")


def _needed(wish: BuildWishes, target: str, precision: Precision) -> tuple[Calibration, Placement]:
    """Images and placement; raises `Refused` for all of them that nobody said, at once."""
    faults, placement = list[Problem](), None
    if wish.calibration is None:
        hint = "--calibration FOLDER or FILE.npz; --calibration random shows that it builds, and nothing of accuracy"
        faults.append(Problem(f"--precision {precision}: needs images to calibrate with", hint=hint))
    try:
        placement = _placement(wish, target, precision)
    except Refused as refused:
        faults.extend(refused.problems)
    if wish.calibration is None or placement is None:
        raise Refused(faults)
    return wish.calibration, placement


def _check_plain(wish: BuildWishes, precision: Precision) -> None:
    """Refuse what would be ignored where nothing is quantized."""
    images = wish.calibration
    if images and not wish.compare:
        raise refuse(f"--calibration means nothing for --precision {precision} beside --no-compare")
    said = {
        "--calibration": images if precision == "fp32" and not wish.fold else None,
        "--calibration-method": images and images[2:] != Calibration("")[2:],
        "--qdq": wish.placement,
        "--rest": wish.rest,
        "--reduce-range": wish.reduce_range,
    }
    for option, value in said.items():
        if value:
            hint = "it is for int8 and fp8" if option != "--calibration" else "give --fold-bn, or another precision"
            raise refuse(f"{option} means nothing for --precision {precision}", hint=hint)


def _placement(wish: BuildWishes, target: str, precision: Precision) -> Placement:
    fitting: Placement | None = None
    if target in BACKENDS or target == "bundle" or precision == "fp8":
        fitting = "tensorrt"
    elif wish.device:
        fitting = "cpu" if wish.device.engine == "onnx" else "tensorrt"
    if fitting and wish.placement not in (None, fitting):
        what = f"--for {wish.device.name}" if wish.device else f"--precision {precision} --target {target}"
        raise refuse(f"--qdq {wish.placement}: {what} wants Q/DQ placed for {fitting}", hint="leave out --qdq")
    placement = fitting or wish.placement
    if placement is None:
        hint = "say --for DEVICE, --qdq cpu or --qdq tensorrt: in the wrong places Q/DQ are slower than FP32"
        raise refuse(f"--precision {precision}: for which kind of runtime?", hint=hint)
    return placement


def _rest(wish: BuildWishes, target: str, precision: Precision, placement: Placement) -> DType:
    """float16 beside eight bits on GPUs, where the file may have scales of that type."""
    if placement == "cpu" or (wish.device and wish.device.opset < _TYPED_SCALES):
        return "float32"
    gpu = wish.device is not None or target in BACKENDS or precision == "fp8"
    return "float16" if gpu else "float32"
