"""A network into eight bits: placement, calibration, scales, and what it cost."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from resnet_gen.calibrate import Choice, calibrate
from resnet_gen.calibrate.data import RANDOM, Images, images
from resnet_gen.calibrate.noise import Noise, measure
from resnet_gen.graph import Graph
from resnet_gen.keep import kept
from resnet_gen.load import Loaded
from resnet_gen.ops import Dequantize, DType
from resnet_gen.passes import quantize as eight
from resnet_gen.passes.quantize import Range, Style, place, quantize
from resnet_gen.problems import refuse
from resnet_gen.weights.base import Weights

Placement: TypeAlias = Literal["tensorrt", "cpu"]
PLACEMENTS: tuple[Placement, ...] = get_args(Placement)
Said = Callable[[str, int, int], bool]


class Calibration(NamedTuple):
    """What to calibrate with: a folder, an .npz or `random`, how many images at most, and how ranges are chosen."""

    source: str
    most: int = 512
    choice: Choice = Choice()


class Quantizing(NamedTuple):
    """How to quantize: INT8 or FP8, for which kind of runtime, and the float type of all that is left."""

    kind: Literal["int8", "fp8"]
    placement: Placement
    compute: DType
    calibration: Calibration
    in_graph: bool = False
    reduce_range: bool = False

    @property
    def style(self) -> Style:
        """Where Q/DQ stand, and in which types."""
        if self.kind == "fp8":
            return eight.TENSORRT_FP8
        style = eight.CPU_INT8 if self.placement == "cpu" else eight.TENSORRT_INT8
        return style._replace(in_graph=self.in_graph, weight_bits=7 if self.reduce_range else 8)


class Quantized(NamedTuple):
    """The network in eight bits, float32 elsewhere; what a manifest says of it, and the whole account."""

    graph: Graph
    weights: Weights
    entry: dict[str, Any]
    account: str
    noise: Noise


def quantized(graph: Graph, weights: Weights, loaded: Loaded, how: Quantizing, said: Said | None = None) -> Quantized:
    """Quantize a network whose batch norms are folded; raises `Refused` for images that cannot be used."""
    placement = place(graph, how.style, kept(graph, loaded))
    if not placement.layers:
        raise refuse(f"nothing is left to be quantized to {how.kind.upper()}", hint="see quantization.keep in the spec")
    given = images(how.calibration.source, loaded.spec.input, how.calibration.most)

    def seen(done: int, every: int) -> None:
        if said:
            said("calibration", done, every)

    ranges = calibrate(graph, weights, placement.values, given, how.calibration.choice, seen)
    new, stored = quantize(graph, weights, placement, ranges, how.style, how.compute)
    noise = measure((graph, weights), (new, stored), given)
    entry = _entry(how, given, noise)
    return Quantized(new, stored, entry, _account(entry, new, ranges, noise), noise)


def _entry(how: Quantizing, given: Images, noise: Noise) -> dict[str, Any]:
    choice = how.calibration.choice
    rule: dict[str, Any] = {"method": choice.method}
    if choice.method == "percentile":
        rule["percentile"] = choice.percentile
    return {
        "kind": how.kind,
        "placement": how.placement,
        "weight_bits": how.style.weight_bits,
        "layers": len(noise.layers),
        "calibration": {**given.entry(), **rule},
        "accuracy_is_meaningless": how.calibration.source == RANDOM,
        "signal_to_noise_db": {name: round(value, 1) for name, value in noise.outputs.items()},
        "top1_agreement": round(noise.agreement, 4),
    }


def _account(entry: dict[str, Any], graph: Graph, ranges: dict[str, Range], noise: Noise) -> str:
    """The whole account as JSON: every range and scale, and every layer's ratios in dB."""
    scales = {n.name.removesuffix(".dequantize"): n.op for n in graph.nodes if isinstance(n.op, Dequantize)}
    activations = {
        name: {"least": ranges[name].least, "most": ranges[name].most, "scale": op.scale, "zero_point": op.zero_point}
        for name, op in scales.items()
    }
    layers = {ratio.layer: {"own_db": round(ratio.own, 2), "total_db": round(ratio.total, 2)} for ratio in noise.layers}
    whole = {**entry, "noise_images": noise.images, "activations": activations, "noise": layers}
    return json.dumps(whole, indent=1) + "\n"
