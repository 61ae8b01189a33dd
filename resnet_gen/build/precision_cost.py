"""What precision and passes cost a network that is built: it is compared with float32 on a few images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from resnet_gen.build.passes import PreparedNetwork
from resnet_gen.build.request import Request
from resnet_gen.language.load import Loaded
from resnet_gen.language.spec import Input
from resnet_gen.ops import DType
from resnet_gen.ops.precision import Calibration
from resnet_gen.problems import Refused, refuse, several
from resnet_gen.quantization.calibration.images import RANDOM, Images, open_images, split_images
from resnet_gen.quantization.precision_error import MOST_IMAGES, PrecisionComparison, compare, name_layers


@dataclass(frozen=True)
class PrecisionCost:
    """A comparison, None where float32 itself is not finite; `entry` names the images, `drawn` that they are noise."""

    comparison: PrecisionComparison | None
    drawn: bool
    entry: dict[str, Any]
    compute: DType

    def summarize(self) -> str:
        """What was found, or why nothing was."""
        found = self.comparison
        if found is None:
            return "not compared with FP32: that itself outputs values that are not finite"
        images = several(found.images, "image") + (" of drawn noise" if self.drawn else "")
        if not found.finite:
            return f"not finite, where FP32 is, for {images}"
        ratios = ", ".join(f"{output} {ratio:.1f} dB" for output, ratio in found.decibels.items())
        same = "" if found.agreement is None else f"; same best class for {found.agreement:.0%}"
        how = f", every value rounded to {self.compute}" if found.emulated else ""
        return f"signal to noise of {ratios} against FP32 on {images}{same}{how}"

    def list_warnings(self) -> list[str]:
        """What may be wrong with what was built."""
        found = self.comparison
        if found is None:
            return []
        if found.beyond:
            return [f"{self._describe_overflow(found)}; bfloat16 and float32 hold that"]
        if not found.finite:
            return [f"in {self.compute} it outputs values that are not finite"]
        lines = []
        if min(found.decibels.values()) < _LEAST_DECIBELS:
            lines.append("it is far from the network in float32: look for weights that the type cannot hold")
        if found.near:
            layers = name_layers(found.near)
            lines.append(f"{self.compute} ends at {found.limit:,.0f}, and {self._images} near it: {layers}")
        return lines

    def make_refusal(self, option: str) -> Refused | None:
        """Why it is not built, if images that were given show it; `option` chooses another type."""
        found = self.comparison
        if self.drawn or not found or (found.finite and not found.beyond):
            return None
        words = self._describe_overflow(found) if found.beyond else f"{self.compute} outputs values that are not finite"
        return refuse(words, hint=f"{option} bf16 or fp32 holds that; --no-compare builds it all the same")

    def _describe_overflow(self, found: PrecisionComparison) -> str:
        return f"{self.compute} holds up to {found.limit:,.0f}, and {self._images} {name_layers(found.beyond)}"

    @property
    def _images(self) -> str:
        return "drawn noise reaches" if self.drawn else "the images reach"


def measure_cost(loaded: Loaded, network: PreparedNetwork, request: Request) -> PrecisionCost:
    """Compare what is built with float32.

    Raises `Refused` for images that cannot be read, and where images that were
    given make values that the type cannot hold.
    """
    asked = request.images or Calibration(RANDOM)
    given = open_compared(asked, loaded.spec.input, split=request.quantizing is not None)
    exact = network.exact, network.weights
    found = compare(network.reference, exact, network.inside, request.compute, given)
    made = PrecisionCost(found, asked.source == RANDOM, given.entry(), request.compute)
    if refused := made.make_refusal("--rest" if request.quantizing else "--precision"):
        raise refused
    return made


def open_compared(asked: Calibration, to: Input, *, split: bool) -> Images:
    """The few images that a build is compared on: with `split`, of those that eight bits were not calibrated with."""
    if split and (apart := split_images(asked.source, to, asked.most).held_out):
        return apart.take(range(MOST_IMAGES))
    return open_images(asked.source, to, min(asked.most, MOST_IMAGES))


_LEAST_DECIBELS = 15.0
"""Of an output: below, what is built is another network."""
