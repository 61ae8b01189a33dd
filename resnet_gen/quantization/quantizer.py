"""A network into eight bits: placement, calibration, scales, and what it cost."""

from __future__ import annotations

import json
import warnings
from functools import partial
from typing import Any, NamedTuple

from resnet_gen.engine.tensorrt import Progress
from resnet_gen.graph import Graph
from resnet_gen.graph.serving import pixel_step
from resnet_gen.graph.surroundings import PixelInput
from resnet_gen.language.float_exceptions import float_nodes
from resnet_gen.language.load import Loaded
from resnet_gen.ops import Dequantize
from resnet_gen.ops.precision import Placement, QuantizationChoice
from resnet_gen.problems import refuse, several
from resnet_gen.quantization import placement as eight
from resnet_gen.quantization.calibration import calibrate
from resnet_gen.quantization.calibration.activations import ImageProgress
from resnet_gen.quantization.calibration.images import RANDOM, ImageSplit, split_images
from resnet_gen.quantization.limits import ENOUGH_IMAGES
from resnet_gen.quantization.placement import PlacementStyle, QdqPlacement, Range, place, quantize
from resnet_gen.quantization.signal_to_noise import NetworkNoise, find_bias_corrections, measure
from resnet_gen.weights.base import Array, DerivedWeights, Recipe, Weights

_COSTLIEST = 5
"""Layers that the manifest names, because the most is lost in them."""


_STYLES: dict[Placement, PlacementStyle] = {
    "tensorrt": eight.TENSORRT_INT8,
    "cpu": eight.CPU_INT8,
    "openvino": eight.OPENVINO_INT8,
}


def choose_style(how: QuantizationChoice) -> PlacementStyle:
    """Where Q/DQ stand, and in which types."""
    if how.kind == "fp8":
        return eight.TENSORRT_FP8
    return _STYLES[how.placement]._replace(in_graph=how.in_graph, weight_bits=7 if how.reduce_range else 8)


class QuantizedNetwork(NamedTuple):
    """The network in eight bits, float32 elsewhere; what a manifest says of it, and the whole account."""

    graph: Graph
    weights: Weights
    entry: dict[str, Any]
    account: str


def quantize_network(
    graph: Graph,
    weights: Weights,
    loaded: Loaded,
    how: QuantizationChoice,
    progress: Progress | None = None,
    pixels: PixelInput | None = None,
) -> QuantizedNetwork:
    """Quantize a network whose batch norms are folded; raises `Refused` for images that cannot be used.

    Ranges and biases follow from one part of the images, and what it cost is measured on the other. Where its file
    takes `pixels`, its first layer is quantized as they are, if that can be.
    """
    wanted, placement, images = plan_quantization(graph, loaded, how)
    _warn_of_few(loaded.spec.name, images, how)
    given = images.calibrating

    def begin_phase(name: str) -> ImageProgress | None:
        return partial(progress, name) if progress else None

    pictures = None if how.calibration.source == RANDOM else loaded.spec.input
    ranges = calibrate(graph, weights, placement.observed, given, how.calibration, begin_phase("calibration"), pictures)
    fixed = _find_pixel_steps(graph, wanted, how, pixels)
    first = quantize(graph, weights, placement, ranges, wanted, how.compute, fixed)
    corrected = _shift_biases(weights, find_bias_corrections((graph, weights), first, given, begin_phase("biases")))
    new, stored = quantize(graph, corrected, placement, ranges, wanted, how.compute, fixed)
    noise = measure((graph, weights), (new, stored), images.measured, begin_phase("signal to noise"))
    entry = _make_entry(how, images, noise)
    return QuantizedNetwork(new, stored, entry, _dump_account(entry, new, placement.find_ranges(ranges), noise))


def preview_network(graph: Graph, weights: Weights, loaded: Loaded, how: QuantizationChoice) -> QuantizedNetwork:
    """What `quantize_network` makes, with scales of no meaning, as no image is run; raises `Refused` as it does."""
    style, placement, _ = plan_quantization(graph, loaded, how)
    ranges = {value.name: Range(-1.0, 1.0) for value in placement.observed}
    return QuantizedNetwork(*quantize(graph, weights, placement, ranges, style, how.compute), {}, "")


class QuantizationPlan(NamedTuple):
    """Where Q/DQ will stand, and the images that scales will follow from."""

    style: PlacementStyle
    placement: QdqPlacement
    images: ImageSplit


def plan_quantization(graph: Graph, loaded: Loaded, how: QuantizationChoice) -> QuantizationPlan:
    """What is to be done with a network whose batch norms are folded; raises `Refused` for what cannot be."""
    style = choose_style(how)
    placement = place(graph, style, float_nodes(graph, loaded))
    if not placement.layers:
        hint = "see quantization.keep in the spec" if loaded.spec.quantization else "see docs/precision.md for what is"
        raise refuse(f"nothing is left to be quantized to {how.kind.upper()}", hint=hint)
    choice = how.calibration
    images = split_images(choice.source, loaded.spec.input, choice.most)
    if choice.source != RANDOM and len(images.calibrating) == 1 and choice.most > 1:
        raise refuse("one image is not enough to calibrate with", choice.source, "--calibration-images 1 takes it so")
    return QuantizationPlan(style, placement, images)


def _find_pixel_steps(
    graph: Graph, style: PlacementStyle, how: QuantizationChoice, pixels: PixelInput | None
) -> dict[str, tuple[float, int]]:
    """Scale and zero point of the input where pixels are just these eight bits."""
    step = pixel_step(pixels) if style.activations == "uint8" and how.compute == "float32" else None
    return {graph.input.name: step} if step else {}


def _warn_of_few(name: str, images: ImageSplit, how: QuantizationChoice) -> None:
    """Warn of few images; random ones are reported as such elsewhere."""
    choice, number = how.calibration, len(images.calibrating)
    if choice.source == RANDOM:
        return
    if min(choice.most, number + len(images.held_out or ())) < ENOUGH_IMAGES:
        text = f"{name}: calibrated with {several(number, 'image')}; ranges that follow from fewer than {ENOUGH_IMAGES}"
        warnings.warn(f"{text} may not hold for others", FewImagesWarning, stacklevel=2)


class FewImagesWarning(UserWarning):
    """Scales follow from few images."""


def _shift_biases(weights: Weights, by: dict[str, Array]) -> Weights:
    """The weights with these numbers added to the layers' biases."""

    def make_recipe(name: str, shift: Array) -> Recipe:
        return lambda base, start, stop: base.rows(name, start, stop) + shift[start:stop]

    return DerivedWeights(
        weights, {f"{layer}.bias": make_recipe(f"{layer}.bias", shift) for layer, shift in by.items()}
    )


def _make_entry(how: QuantizationChoice, images: ImageSplit, noise: NetworkNoise) -> dict[str, Any]:
    choice = how.calibration
    costliest = sorted(noise.layers, key=lambda ratio: ratio.own)[:_COSTLIEST]
    rule: dict[str, Any] = {"method": choice.method}
    if choice.method == "percentile":
        rule["percentile"] = choice.percentile
    return {
        "kind": how.kind,
        "placement": how.placement,
        "weight_bits": choose_style(how).weight_bits,
        "layers": len(noise.layers),
        "calibration": {**images.calibrating.entry(), **rule},
        "accuracy_is_meaningless": how.calibration.source == RANDOM,
        "signal_to_noise_db": {name: round(value, 1) for name, value in noise.outputs.items()},
        "top1_agreement": None if noise.agreement is None else round(noise.agreement, 4),
        "noise_images": noise.images,
        "held_out_images": len(images.held_out) if images.held_out else 0,
        "costliest_db": {ratio.layer: round(ratio.own, 1) for ratio in costliest},
    }


def _dump_account(entry: dict[str, Any], graph: Graph, ranges: dict[str, Range], noise: NetworkNoise) -> str:
    """The whole account as JSON, a line for each range and scale and for each layer's ratios in dB."""
    scales = {n.name.removesuffix(".dequantize"): n.op for n in graph.nodes if isinstance(n.op, Dequantize)}
    activations = {
        name: {"least": ranges[name].least, "most": ranges[name].most, "scale": op.scale, "zero_point": op.zero_point}
        for name, op in scales.items()
    }
    layers = {ratio.layer: {"own_db": round(ratio.own, 2), "total_db": round(ratio.total, 2)} for ratio in noise.layers}
    head = json.dumps(entry, indent=1)[:-2]
    return f'{head},\n "activations": {_dump_lines(activations)},\n "noise": {_dump_lines(layers)}\n}}\n'


def _dump_lines(entries: dict[str, dict[str, Any]]) -> str:
    """A JSON object with a line for each entry."""
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items()) + "\n }"
