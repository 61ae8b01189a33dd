"""What a profile is of: what is said, and else what the manifest beside it says of the bundle that it comes from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from resnet_gen.build import manifest
from resnet_gen.language.load import Loaded, load_text
from resnet_gen.language.lower import lower
from resnet_gen.language.source import read_text
from resnet_gen.ops.limits import BATCHES
from resnet_gen.ops.precision import PRECISIONS, Precision
from resnet_gen.problems import Document, refuse, several
from resnet_gen.speed.estimated_rates import estimate_rates, lacks_rates
from resnet_gen.speed.layer_comparison import LayerComparison, compare_layers
from resnet_gen.speed.limits import PREDICTED_BATCH, PREDICTED_PRECISION
from resnet_gen.speed.prediction import predict
from resnet_gen.speed.profile_files import read_profile
from resnet_gen.speed.targets import load_shipped_target

if TYPE_CHECKING:
    from resnet_gen.speed.targets import Target


class ProfileSubject(NamedTuple):
    """The network that was measured, where, in what and how many images at once; None where it is not said."""

    spec: Loaded | None = None
    device: Target | None = None
    precision: Precision | None = None
    batch: int | None = None


class KnownSubject(NamedTuple):
    """The same, with nothing left open."""

    spec: Loaded
    device: Target
    precision: Precision
    batch: int


def resolve_subject(path: Path, said: ProfileSubject, measured: int | None = None) -> KnownSubject:
    """What a profile is of; raises `Refused` for what nobody says, the manifest beside it neither.

    `measured` is the batch that the profile itself says; another that somebody says is refused.
    """
    place = manifest.locate_beside(path)
    built = manifest.read(place) or {}
    spec = said.spec or _read_spec(built, place)
    if spec is None:
        hint = "say --spec SPEC, or keep the manifest of the bundle beside it"
        raise refuse("of which network? no manifest says it", str(path), hint)
    bundle = built.get("bundle")
    part = bundle if isinstance(bundle, dict) else {}
    device = said.device or _read_device(part)
    if device is None:
        raise refuse("on which device? no manifest says it", str(path), "say --for DEVICE")
    usual: Precision = "fp32" if device.engine == "onnx" else PREDICTED_PRECISION
    precision = said.precision or _choose(built.get("precision")) or usual
    if measured and said.batch not in (None, measured):
        message = f"its runs had {several(measured, 'image')} at once, not {said.batch:,}"
        raise refuse(message, str(path), f"say --batch {measured}, or leave it out")
    return KnownSubject(spec, device, precision, said.batch or measured or _read_batch(part))


def compare_files(paths: Sequence[Path], said: ProfileSubject) -> tuple[Loaded, LayerComparison]:
    """The network of a profile, and its measured layers beside the predicted kernels; raises `Refused`."""
    data = read_profile(paths)
    subject = resolve_subject(paths[0], said, data.batch)
    graph, device = lower(subject.spec), subject.device
    estimated = lacks_rates(device, subject.precision)
    if estimated:
        device = estimate_rates(graph, device, subject.precision, subject.batch, data)
    prediction = predict(graph, device, subject.precision, subject.batch)
    return subject.spec, replace(compare_layers(prediction, data), estimated=estimated)


def _read_spec(built: dict[str, Any], place: Path) -> Loaded | None:
    """The spec that a manifest carries; what names Python files is not taken from there, as they would be run."""
    resolved = built.get("spec", {}).get("resolved")
    if not isinstance(resolved, dict):
        return None
    if resolved.get("parts") or resolved.get("extends"):
        raise refuse("its network has parts of its own", str(place), "say --spec SPEC")
    return load_text(read_text(Document(str(place), json.dumps(resolved))))


def _read_device(part: dict[str, Any]) -> Target | None:
    name = part.get("device")
    return load_shipped_target(name) if isinstance(name, str) else None


def _choose(value: Any) -> Precision | None:
    return next((known for known in PRECISIONS if known == value), None)


def _read_batch(part: dict[str, Any]) -> int:
    """The batch that a bundle times its layers with: the one it is tuned for."""
    batch = part.get("batch")
    if isinstance(batch, list) and len(batch) == 3:
        batch = batch[1]
    whole = isinstance(batch, int) and not isinstance(batch, bool) and BATCHES.least <= batch <= BATCHES.most
    return int(batch) if whole and batch is not None else PREDICTED_BATCH
