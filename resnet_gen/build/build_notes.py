"""What whoever builds should know of it: what eight bits and other types cost, and what changes nothing."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet_gen.build.manifest import read
from resnet_gen.build.manifest_schema import read_manifest
from resnet_gen.build.request import Request
from resnet_gen.engine.cpu_numerics import (
    FOR_SATURATION,
    FOR_SLOW_BFLOAT16,
    SLOW_BFLOAT16,
    describe_saturation_by,
    slows_bfloat16,
    sums_saturate,
)
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower
from resnet_gen.ops.precision import QuantizationChoice
from resnet_gen.problems import several
from resnet_gen.weights.folding import find_foldable_norms

if TYPE_CHECKING:
    from resnet_gen.build.precision_cost import PrecisionCost


def drop_idle_fold(loaded: Loaded, request: Request) -> tuple[Request, tuple[str, ...]]:
    """The request, without folding where there is nothing to fold, and a line that says so."""
    if not request.fold or find_foldable_norms(lower(loaded)):
        return request, ()
    note = f"note: {loaded.spec.name}: no batch norm follows a convolution: --fold-bn changes nothing"
    return dataclasses.replace(request, fold=False), (note,)


def list_cost_notes(name: str, cost: PrecisionCost) -> Iterator[str]:
    """What a build costs beside FP32, a line each."""
    yield f"{name}: {cost.summarize()}"
    for warning in cost.list_warnings():
        yield f"warning: {name}: {warning}"


def list_device_notes(name: str, request: Request) -> Iterator[str]:
    """What this machine's processor is slow at of what is built for CPUs, a line each."""
    if request.precision == "bf16" and request.device and request.device.engine == "onnx" and slows_bfloat16():
        yield f"note: {name}: {SLOW_BFLOAT16}"
        yield f"hint: {FOR_SLOW_BFLOAT16}"


def list_quantization_notes(name: str, manifest: Path, how: QuantizationChoice) -> Iterator[str]:
    """What eight bits cost, as its manifest has it, and whether this machine can show it."""
    entry = (read(manifest) or {})["quantization"]
    ratios = ", ".join(f"{output} {ratio} dB" for output, ratio in entry["signal_to_noise_db"].items())
    agreement = entry["top1_agreement"]
    same = "" if agreement is None else f"; same best class for {agreement:.0%}"
    yield f"{name}: signal to noise of {ratios} against FP32 on {_name_noise_images(entry)}{same}"
    costliest = ", ".join(f"{layer} {ratio} dB" for layer, ratio in entry["costliest_db"].items())
    yield f"{name}: costliest layers: {costliest}"
    if entry["accuracy_is_meaningless"]:
        yield f"warning: {name}: calibrated with random images: its accuracy means nothing"
    if how.kind == "fp8":
        yield "note: ONNX Runtime 1.32 computes FP8 files right only without its optimizer (ORT_DISABLE_ALL)"
    if how.placement == "openvino":
        yield f"note: {name}: Q/DQ are placed for OpenVINO and an open batch; ONNX Runtime is faster with --qdq cpu"
    if how.kind == "int8" and how.placement != "tensorrt" and entry["weight_bits"] == 8 and sums_saturate():
        library = "OpenVINO" if how.placement == "openvino" else "ONNX Runtime"
        yield f"warning: {describe_saturation_by(library, name)}"
        yield f"hint: {FOR_SATURATION}"


def list_sparsity_notes(manifest: Path) -> Iterator[str]:
    """Whether the weights have the zeros that an engine's sparse kernels are to skip, a line each.

    Nothing where sparsity is not asked for, or where every layer has them that may.
    """
    there = read_manifest(manifest)
    found = there.sparse_weights if there else None
    if there is None or found is None or not found.dense:
        return
    if found.layers:
        of = several(found.layers + len(found.dense), "layer")
        dense = ", ".join(found.dense[:_MOST_DENSE]) + (", ..." if len(found.dense) > _MOST_DENSE else "")
        share = f"with {found.share:.1%} of the weights"
        yield f"note: {there.name}: {found.layers} of {of} that may be sparse are, {share}; dense: {dense}"
        return
    drawn = "drawn weights have no zeros" if there.weights.source == "seed" else "no layer has two zeros in every four"
    yield f"warning: {there.name}: sparsity changes nothing: {drawn}, and kernels for dense weights are used"
    yield f"hint: resnet-gen weights prune {there.name} CHECKPOINT -o FILE writes weights that are sparse"


_MOST_DENSE = 5
"""Layers that a note names."""


def _name_noise_images(entry: dict[str, Any]) -> str:
    """The images that the error was measured on: whether the scales follow from them."""
    if entry["accuracy_is_meaningless"]:
        return several(entry["noise_images"], "random image")
    if entry["held_out_images"]:
        calibrating = several(entry["calibration"]["images"], "image")
        return f"{several(entry['noise_images'], 'image')} held out of its calibration with {calibrating}"
    return f"{several(entry['noise_images'], 'image')} that it was calibrated with (too few to hold any out)"
