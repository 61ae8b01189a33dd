"""What a profile makes of a device's file: the figure that its efficiency follows from."""

from __future__ import annotations

from typing import Any

from resnet_gen.language.load import Loaded, load
from resnet_gen.language.yaml_writer import dump
from resnet_gen.problems import refuse
from resnet_gen.speed.layer_comparison import LayerComparison
from resnet_gen.speed.targets import Target
from resnet_gen.system.resources import shipped_specs

_DIGITS = 4
_MOST_MISSING = 0.1
"""Part of the predicted time that may be of kernels which were not found in the profile."""


def list_figures(loaded: Loaded, comparison: LayerComparison, source: str) -> dict[str, Any]:
    """The keys of a device's file: `measured` for a shipped network as it is shipped, else `efficiency`.

    Raises `Refused` where no efficiency explains what was measured, where much of the network was not found in it, and
    for what a CPU computed where the device is none.
    """
    prediction = comparison.prediction
    if comparison.profile.on_cpu and prediction.target.engine != "onnx":
        message = f"a CPU computed what was measured, and {prediction.target.name} is none"
        raise refuse(message, hint="is it the profile of another machine? --for cpu is for this kind")
    missing = sum(row.predicted_ms or 0.0 for row in comparison.unmeasured) / 1e3 / prediction.seconds
    if missing > _MOST_MISSING:
        message = f"{missing:.0%} of the predicted time is of kernels that no measured layer names"
        raise refuse(message, hint="give the layer information too, of an engine built with detailed verbosity")
    efficiency = comparison.efficiency
    if efficiency is None:
        hint = "is it the profile of this network, on this device, at this batch?"
        raise refuse("no part of the device's peak explains these times", hint=hint)
    if not _is_shipped(loaded):
        return {"efficiency": float(f"{efficiency:.{_DIGITS}g}")}
    return {
        "measured": {
            "network": loaded.spec.name,
            "precision": prediction.precision,
            "batch": prediction.batch,
            "images_per_second": float(f"{comparison.images_per_second:.{_DIGITS}g}"),
            "source": source,
        }
    }


def _is_shipped(loaded: Loaded) -> bool:
    name = loaded.spec.name
    return name in shipped_specs() and load(name).digest() == loaded.digest()


def device_text(target: Target, figures: dict[str, Any], name: str) -> str:
    """The device's file with these figures in place of its own, under another name."""
    data = target.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    kept = {key: value for key, value in data.items() if key not in ("measured", "efficiency")}
    return dump({**kept, "name": name, **figures})
