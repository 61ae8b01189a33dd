"""What a model's file takes of a picture, and what its outputs mean: by its metadata, its manifest, or its spec."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter

from resnet_gen.build import manifest
from resnet_gen.build.serving import UNSMOOTHED
from resnet_gen.engine.base import Runner, format_shape
from resnet_gen.engine.file_serving import FileServing
from resnet_gen.engine.names import ENGINE
from resnet_gen.graph.surroundings import PixelInput, Surroundings
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower
from resnet_gen.language.serve import Label, Serve
from resnet_gen.language.served_outputs import find_surroundings, with_served_maps
from resnet_gen.language.spec import Input
from resnet_gen.onnx.metadata_keys import LABELS_KEY, SERVE_KEY, SPEC_KEY, WRAP_KEY
from resnet_gen.problems import Refused, refuse
from resnet_gen.system.files import SMALL
from resnet_gen.weights.base import Array

_SURROUNDINGS = TypeAdapter(Surroundings)
_AGAIN = "build it again"


def find_serving(session: Runner, loaded: Loaded | None = None) -> FileServing:
    """What a file has around its network: of a spec that was built for this run, or as the file or its manifest says.

    Raises `Refused` for what cannot be read.
    """
    if loaded is not None:
        around = find_surroundings(loaded, lower(with_served_maps(loaded))) or Surroundings()
        labels = loaded.spec.serve.labels if loaded.spec.serve else None
        return FileServing(around.input, around.outputs, labels or ())
    stated, spec = _find_statements(session)
    if stated is None:
        return _read_serving(session)
    try:
        if max(len(stated), len(spec)) > SMALL:
            raise ValueError
        around = _SURROUNDINGS.validate_json(stated)
        labels = _read_labels(spec)
        finite = around.input is None or all(map(math.isfinite, (around.input.scale, around.input.crop or 1.0)))
        if not finite or (around.input and not (around.input.scale > 0 and 0 < (around.input.crop or 1.0) <= 1)):
            raise ValueError
    except (ValueError, KeyError, TypeError, RecursionError):  # pydantic's errors are ValueErrors
        raise refuse("what it says of its pixels cannot be read", session.where, _AGAIN) from None
    return FileServing(around.input, around.outputs, labels)


def read_statement(text: str) -> Surroundings:
    """What a file states of what is put around its network; raises `ValueError` for what is no such statement."""
    if len(text) > SMALL:
        raise ValueError
    around = _SURROUNDINGS.validate_json(text)
    pixels = around.input
    if pixels and not (0 < pixels.scale < math.inf and 0 < (1.0 if pixels.crop is None else pixels.crop) <= 1):
        raise ValueError
    return around


def _find_statements(session: Runner) -> tuple[str | None, str]:
    """What a file, or an engine's manifest, says of what is put around the network, and its spec, both as JSON."""
    path = Path(session.where)
    if path.suffix == ENGINE:
        built = manifest.read(path.with_name(manifest.file_name(path.name.partition(".")[0]))) or {}
        stated = built.get("serve")
        if not isinstance(stated, dict):
            return None, "{}"
        around = {key: stated.get(key) for key in ("input", "outputs")}
        return json.dumps(around), json.dumps(built["spec"].get("resolved", {}))
    return session.metadata.get(SERVE_KEY), session.metadata.get(SPEC_KEY, "{}")


def _read_labels(text: str) -> tuple[str, ...]:
    spec: Any = json.loads(text)
    serve = spec.get("serve") if isinstance(spec, dict) else None
    return (Serve.model_validate_json(json.dumps(serve)).labels or ()) if serve else ()


def _read_serving(session: Runner) -> FileServing:
    """What an ONNX file has around its network by its own nodes; of an engine that says nothing, what its type says.

    A file that was built with nothing around its network is not read again.
    """
    built_bare = SPEC_KEY in session.metadata and WRAP_KEY not in session.metadata
    if built_bare or Path(session.where).suffix == ENGINE:
        return FileServing(_assume_pixels(session))
    from resnet_gen.onnx.reading.surroundings.file import read_surroundings  # onnx, which other files do without

    try:
        around = read_surroundings(Path(session.where))
    except Refused:  # of an opset that only runtimes read
        return FileServing(_assume_pixels(session))
    return FileServing(around.input or _assume_pixels(session), around.outputs, _read_wrap_labels(session))


def _read_wrap_labels(session: Runner) -> tuple[str, ...]:
    """What `wrap` wrote of its classes' names; raises `Refused` for what is none."""
    text = session.metadata.get(LABELS_KEY, "[]")
    try:
        if len(text) > SMALL:
            raise ValueError
        return _LABELS.validate_json(text)
    except (ValueError, RecursionError):
        raise refuse("what it says of its classes cannot be read", session.where, "wrap it again") from None


_LABELS = TypeAdapter(tuple[Label, ...])


def _assume_pixels(session: Runner) -> PixelInput | None:
    """How a file that says nothing takes its pixels, if bytes are what it takes: by its shape."""
    if session.dtype != np.uint8:
        return None
    return PixelInput(layout="NHWC" if session.shape[-1] in _CHANNELS else "NCHW")


_CHANNELS = (1, 3, 4)


def check_pixels(session: Runner, x: Array) -> None:
    """Refuse what is no byte where bytes are taken, which a cast would make others of."""
    if session.dtype != np.uint8 or x.dtype == np.uint8:
        return
    if not (np.all(x >= 0) and np.all(x <= _LAST) and np.all(x == np.rint(x))):
        raise refuse("takes pixels, whole numbers from 0 to 255", session.where, "hand over what is not normalized")


_LAST = 255


def check_shape(session: Runner, serving: FileServing, taken: Input, batch: int) -> None:
    """Refuse a batch that the model does not take, and a model that does not take what its spec says."""
    fixed, *image = session.shape
    if fixed is not None and fixed != batch:
        raise refuse(f"--batch {batch}: the model takes {fixed} at a time", session.where)
    wanted = serving.shape(taken)
    if any(side is not None and side != own for side, own in zip(image, wanted, strict=True)):
        message = f"takes {format_shape(image)}, the spec in its metadata {format_shape(wanted)}"
        raise refuse(message, session.where)


def find_unsmoothed(session: Runner, serving: FileServing) -> str | None:
    """What is to be said of a file that resizes pictures, where its runtime does so in another way."""
    resizes = serving.input is not None and serving.input.crop is not None
    return f"{session.where}: {UNSMOOTHED}" if resizes and session.runtime["library"] == "openvino" else None
