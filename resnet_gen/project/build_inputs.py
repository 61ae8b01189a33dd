"""Of what something is built, as one hash of all that it depends on: what did not change need not be built again."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from resnet_gen import __version__
from resnet_gen.build.manifest import weights_entry
from resnet_gen.build.precision_cost import open_compared
from resnet_gen.build.request import Request
from resnet_gen.language.load import Loaded
from resnet_gen.ops.precision import Calibration
from resnet_gen.quantization.calibration.images import open_undivided
from resnet_gen.system.digest import digest_file, digest_text
from resnet_gen.weights.downloads.location import locate_weights


def digest_inputs(loaded: Loaded, request: Request) -> str:
    """SHA-256 of the spec, the weights, the images, the device, everything that is asked for, and this version.

    Raises `Refused` for images that are not there, and `OSError` for weights.
    """
    plain = partial(_make_plain, loaded)
    fields = {field.name: getattr(request, field.name) for field in dataclasses.fields(request)}
    given, compared = fields.pop("weights"), fields.pop("images")
    weights = weights_entry(locate_weights(given, loaded) if given else None, fields.pop("seed"))
    entry = {
        "version": __version__,
        "spec": loaded.digest(),
        "weights": weights,
        "images": compared and _describe_compared(loaded, compared, split=request.quantizing is not None),
        **{name: plain(value) for name, value in fields.items()},
    }
    return digest_text(json.dumps(entry, sort_keys=True))


def _describe_compared(loaded: Loaded, images: Calibration, *, split: bool) -> dict[str, Any]:
    return open_compared(images, loaded.spec.input, split=split).entry()


def _make_plain(loaded: Loaded, value: Any) -> Any:
    """Anything of a request as JSON has it; files by their bytes."""
    plain = partial(_make_plain, loaded)
    if isinstance(value, Calibration):
        images = open_undivided(value.source, loaded.spec.input, value.most).entry()
        return [images, value.most, value.method, value.percentile]
    if isinstance(value, Path):
        return [value.name, digest_file(value) if value.is_file() else None]
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): plain(inner) for key, inner in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(inner) for inner in value]
    if isinstance(value, frozenset):
        return sorted(map(plain, value))
    return value
