"""From what the command line says to what is built: a device's choices, and refusals before anything is begun."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from resnet_gen.build.output_kinds import CAPABILITIES, REPORT
from resnet_gen.build.request import BuildBatch, EngineWishes, Request
from resnet_gen.engine.tensorrt import BACKENDS
from resnet_gen.language.engine_options import OPTIONS
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
from resnet_gen.weights.downloads.names import WeightsSource
from resnet_gen.weights.seeds import DEFAULT_SEED

if TYPE_CHECKING:
    from resnet_gen.language.engine_settings import EngineSettings
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
    weights: WeightsSource | None = None
    seed: int | None = None
    fold: bool = False
    typed_io: bool = False
    calibration: Calibration | None = None
    placement: Placement | None = None
    rest: Float | None = None
    reduce_range: bool = False
    tf32: bool = False
    compare: bool = True
    engine: EngineSettings | None = None
    project_engine: EngineSettings | None = None
    symbolic_size: bool = False


def resolve_request(wishes: BuildWishes) -> Request:
    """The request that wishes come to; raises `Refused` with the reason for what the device cannot do."""
    target = wishes.target or (_KINDS[wishes.device.engine] if wishes.device else "onnx")
    precision = wishes.precision or _choose_precision(wishes)
    if wishes.weights and wishes.seed is not None:
        raise refuse("--seed means nothing beside --weights")
    if wishes.batch.profile and target == "onnx":
        raise refuse("--batch: a range means nothing for target 'onnx'", hint="it is for engines, bundles and triton")
    if wishes.device:
        _check_device(wishes.device, target, precision, wishes)
    _check_delivery(wishes, target, precision)
    capabilities = _resolve_capabilities(wishes, target, precision)
    for number in capabilities:
        if reason := explain_too_old(precision, divmod(number, 10)):
            raise refuse(f"--precision {precision}: not for SM {number}: {reason}", hint="leave it out of --sm")
    quantizing = _resolve_quantization(wishes, target, precision)
    if wishes.typed_io and (quantizing.compute if quantizing else COMPUTE[precision]) == "float32":
        raise refuse(f"--io typed means nothing for --precision {precision}", hint="layers compute in float32")
    return Request(
        target,
        precision,
        capabilities,
        wishes.opset,
        wishes.batch,
        wishes.weights,
        wishes.seed or DEFAULT_SEED,
        wishes.fold,
        quantizing,
        wishes.typed_io,
        wishes.device,
        wishes.tf32,
        wishes.calibration if target != REPORT else None,
        wishes.compare,
        EngineWishes(wishes.engine, wishes.project_engine),
        wishes.symbolic_size,
    )


def _choose_precision(wishes: BuildWishes) -> Precision:
    """INT8 where there are images for it, FP16 on a GPU, else FP32."""
    if not wishes.device:
        return "fp32"
    if wishes.calibration and "int8" in wishes.device.precisions:
        return "int8"
    return "fp16" if "fp16" in wishes.device.precisions and wishes.device.engine != "onnx" else "fp32"


def _check_device(device: Target, target: str, precision: Precision, wishes: BuildWishes) -> None:
    if reason := device.refusal(precision):
        hint = f"it has {', '.join(device.precisions)}"
        raise refuse(f"--for {device.name}: not in {precision.upper()}: {reason}", hint=hint)
    if target in BACKENDS and device.engine != target and not (target == "tensorrt" and device.engine != "onnx"):
        wanted = _KINDS[device.engine]
        raise refuse(f"--for {device.name}: {target} builds no engines for it", hint=f"use --target {wanted}")
    if wishes.capabilities:
        words = "says the compute capability already" if device.compute_capability else "no engine is built there"
        raise refuse(f"--for {device.name}: {words}", hint="leave out --sm")
    if wishes.opset and wishes.opset > device.opset:
        reader = f"TensorRT {device.tensorrt}" if device.tensorrt else device.title
        raise refuse(f"--for {device.name}: {reader} reads ONNX opsets up to {device.opset}", hint="leave out --opset")


def _check_delivery(wishes: BuildWishes, target: str, precision: Precision) -> None:
    """What goes to a device or a server as scripts and settings must be right for it without ever being tried here."""
    device = wishes.device
    gpu = device is not None and device.engine != "onnx"
    builds_engine = target in BACKENDS or target == "bundle" or (target == "triton" and gpu)
    if wishes.tf32 and not (builds_engine or (target == "triton" and not device)):
        raise refuse(f"--tf32 means nothing for target '{target}'", hint="it is for GPUs: engines, bundles, triton")
    if target == "bundle" and device is None:
        raise refuse("--target bundle: for which device?", hint="add --for DEVICE; `resnet-gen targets` lists them")
    if target == "bundle" and device and not gpu:
        raise refuse(f"--for {device.name}: no engine is built there", hint="use --target onnx, or triton")
    if target == "triton" and device and not gpu and precision == "bf16":
        raise refuse("--target triton: ONNX Runtime has no bfloat16 convolution on CPUs", hint="--precision fp32")
    said = next(wishes.engine.items(), None) if wishes.engine else None
    if said and not builds_engine:
        hint = "it is for engines, and bundles that build one"
        raise refuse(f"{OPTIONS[said[0]].option} means nothing for target '{target}'", hint=hint)
    if wishes.symbolic_size and builds_engine:
        hint = "profiles say which sizes an engine takes: --min-shapes, --opt-shapes and --max-shapes"
        raise refuse(f"--symbolic-size means nothing for target '{target}'", hint=hint)
    least = wishes.batch.profile.least if wishes.batch.profile else 1
    if target == "triton" and least > 1:
        hint = "begin the range with 1, or fix the batch: --batch 8"
        raise refuse(f"--batch: Triton sends batches of 1, and the range begins with {least}", hint=hint)


def _resolve_capabilities(wishes: BuildWishes, target: str, precision: Precision) -> tuple[int, ...]:
    backend = BACKENDS.get(target)
    if not (backend and backend.names_targets):
        return wishes.capabilities
    if wishes.device:
        major, minor = wishes.device.capability
        return (10 * major + minor,)
    having = (n for n in CAPABILITIES if not explain_too_old(precision, divmod(n, 10)))
    return wishes.capabilities or tuple(having)


def _resolve_quantization(wishes: BuildWishes, target: str, precision: Precision) -> QuantizationChoice | None:
    if precision not in ("int8", "fp8"):
        _check_plain(wishes, precision)
        return None
    if wishes.fold:
        raise refuse(f"--fold-bn means nothing for --precision {precision}", hint="batch norms are folded for it")
    if wishes.reduce_range and precision == "fp8":
        raise refuse("--reduce-range means nothing for --precision fp8", hint="it is for the integers of int8")
    calibration, placement = _require_calibration(wishes, target, precision)
    old = wishes.device is not None and (wishes.device.tensorrt or "10").split(".")[0] in ("7", "8", "9")
    compute = COMPUTE[wishes.rest] if wishes.rest else _choose_rest(wishes, target, precision, placement)
    seven = wishes.reduce_range or (wishes.device is not None and wishes.device.reduce_range)
    return QuantizationChoice(precision, placement, compute, calibration, old, seven and precision == "int8")


def _require_calibration(wishes: BuildWishes, target: str, precision: Precision) -> tuple[Calibration, Placement]:
    """Images and placement; raises `Refused` for all of them that nobody said, at once."""
    faults, placement = list[Problem](), None
    if wishes.calibration is None:
        hint = "--calibration FOLDER or FILE.npz; --calibration random shows that it builds, and nothing of accuracy"
        faults.append(Problem(f"--precision {precision}: needs images to calibrate with", hint=hint))
    try:
        placement = _resolve_placement(wishes, target, precision)
    except Refused as refused:
        faults.extend(refused.problems)
    if wishes.calibration is None or placement is None:
        raise Refused(faults)
    return wishes.calibration, placement


def _check_plain(wishes: BuildWishes, precision: Precision) -> None:
    """Refuse what would be ignored where nothing is quantized."""
    images = wishes.calibration
    if images and not wishes.compare:
        raise refuse(f"--calibration means nothing for --precision {precision} beside --no-compare")
    options = {
        "--calibration": images if precision == "fp32" and not wishes.fold else None,
        "--calibration-method": images and images.method != Calibration("").method,
        "--percentile": images and images.percentile != Calibration("").percentile,
        "--qdq": wishes.placement,
        "--rest": wishes.rest,
        "--reduce-range": wishes.reduce_range,
    }
    for option, value in options.items():
        if value:
            hint = "it is for int8 and fp8" if option != "--calibration" else "give --fold-bn, or another precision"
            raise refuse(f"{option} means nothing for --precision {precision}", hint=hint)


def _resolve_placement(wishes: BuildWishes, target: str, precision: Precision) -> Placement:
    fitting: Placement | None = None
    if target in BACKENDS or target == "bundle" or precision == "fp8":
        fitting = "tensorrt"
    elif wishes.device:
        fitting = "cpu" if wishes.device.engine == "onnx" else "tensorrt"
    if wishes.placement == "openvino" and fitting != "tensorrt":
        _check_openvino(wishes, target)
        return "openvino"
    if fitting and wishes.placement not in (None, fitting):
        what = f"--for {wishes.device.name}" if wishes.device else f"--precision {precision} --target {target}"
        raise refuse(f"--qdq {wishes.placement}: {what} wants Q/DQ placed for {fitting}", hint="leave out --qdq")
    placement = fitting or wishes.placement
    if placement is None:
        hint = "say --for DEVICE, --qdq cpu or --qdq tensorrt: in the wrong places Q/DQ are slower than FP32"
        raise refuse(f"--precision {precision}: for which kind of runtime?", hint=hint)
    return placement


def _check_openvino(wishes: BuildWishes, target: str) -> None:
    """Raise `Refused` where OpenVINO's placement gains nothing, or another runtime reads the file."""
    if target == "triton":
        raise refuse("--qdq openvino: Triton's file is read by ONNX Runtime", hint="use --qdq cpu")
    if wishes.batch.fixed is not None:
        words = "OpenVINO adds shortcuts within convolutions where the batch is open, in float where it is fixed"
        raise refuse(f"--qdq openvino: {words}", hint="leave out --batch, or use --qdq cpu")


def _choose_rest(wishes: BuildWishes, target: str, precision: Precision, placement: Placement) -> DType:
    """float16 beside eight bits on GPUs, where the file may have scales of that type."""
    if placement != "tensorrt" or (wishes.device and wishes.device.opset < _TYPED_SCALES):
        return "float32"
    gpu = wishes.device is not None or target in BACKENDS or precision == "fp8"
    return "float16" if gpu else "float32"
