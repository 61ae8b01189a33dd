"""What a model's file takes of a picture, and what its outputs mean: by its metadata, its manifest, or its spec."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet_gen.build import manifest
from resnet_gen.engine.base import Runner, format_shape
from resnet_gen.engine.file_serving import FileServing
from resnet_gen.engine.names import ENGINE
from resnet_gen.graph.surroundings import NOTHING_AROUND, PixelInput, Surroundings
from resnet_gen.language.load import Loaded
from resnet_gen.language.lower import lower
from resnet_gen.language.serve import find_spec_labels
from resnet_gen.language.served_outputs import find_surroundings, with_served_maps
from resnet_gen.language.spec import Input
from resnet_gen.language.surroundings_statement import contrast_statement, read_statement
from resnet_gen.onnx.class_labels import read_class_labels
from resnet_gen.onnx.metadata_keys import LABELS_KEY, SERVE_KEY, SPEC_KEY, WRAP_KEY
from resnet_gen.ops.limits import CLASSES
from resnet_gen.problems import Refused, refuse
from resnet_gen.system.files import SMALL
from resnet_gen.weights.base import Array

if TYPE_CHECKING:
    from resnet_gen.onnx.reading.surroundings import InnerModel

_AGAIN = "build it again"
_UNSMOOTHED = "OpenVINO 2026.4 does not smooth what 'Resize' makes smaller, and its outputs are others: build it again"


def find_serving(session: Runner, loaded: Loaded | None = None) -> FileServing:
    """What a file has around its network: of a spec that was built for this run, or as its own graph has it.

    An engine's is what its manifest says. Raises `Refused` for what cannot be read, and for a file whose metadata say
    anything else than its graph does.
    """
    if loaded is not None and loaded.spec.serve is None:
        return FileServing()
    if loaded is not None:
        around = find_surroundings(loaded, lower(with_served_maps(loaded))) or NOTHING_AROUND
        classes = getattr(loaded.spec.head, "classes", None)
        return FileServing(around.input, around.outputs, loaded.spec.labels, classes)
    path = Path(session.where)
    built = (manifest.read(manifest.locate_beside(path)) or {}) if path.suffix == ENGINE else None
    stated = _read_statement(session, built)
    inner = _read_graph(session) if built is None else None
    found = inner.surroundings if inner else None
    if stated and found and (found.input or session.dtype != np.uint8):  # else what is done to its bytes is not known
        _check_statement(session, stated, found)
    around = stated or found or NOTHING_AROUND
    labels = _read_labels(session, built)
    classes = len(labels) or (_count_classes(session, built) if around.outputs else None)
    size = inner.find_image_size() if inner and around.input and around.input.crop is not None else None
    return FileServing(around.input or _assume_pixels(session), around.outputs, labels, classes, size)


def _read_graph(session: Runner) -> InnerModel | None:
    """An ONNX file's network and what its own nodes put around it; None of an opset that only runtimes read.

    A file that was built with nothing around its network is not read again: it takes what its shape says.
    """
    said = session.metadata
    if SPEC_KEY in said and not {WRAP_KEY, SERVE_KEY} & {*said} and session.dtype != np.uint8:
        return None
    from resnet_gen.onnx.reading.surroundings.file import read_inner_model  # onnx, which other files do without

    try:
        return read_inner_model(Path(session.where))
    except Refused:
        return None


def _check_statement(session: Runner, stated: Surroundings, found: Surroundings) -> None:
    """Refuse a file whose metadata say of what is around its network what its graph does not do."""
    if message := contrast_statement(stated, found):
        raise refuse(message, session.where, f"{_AGAIN}, or leave '{SERVE_KEY}' out of its metadata")


def _read_statement(session: Runner, built: dict[str, Any] | None) -> Surroundings | None:
    """What a file's metadata, or an engine's manifest, say of what is put around the network."""
    if built is None:
        text = session.metadata.get(SERVE_KEY)
    else:
        stated = built.get("serve")
        around = {key: stated.get(key) for key in ("input", "outputs")} if isinstance(stated, dict) else None
        text = json.dumps(around) if around else None
    try:
        return None if text is None else read_statement(text)
    except (ValueError, RecursionError):  # pydantic's errors are ValueErrors
        raise refuse("what it says of its pixels cannot be read", session.where, _AGAIN) from None


def _read_labels(session: Runner, built: dict[str, Any] | None) -> tuple[str, ...]:
    """What a file's classes are called, or an engine's by its manifest; refuses what is no list of names."""
    try:
        if built is not None and LABELS_KEY not in session.metadata:
            return find_spec_labels(built.get("spec", {}).get("resolved", {}))
        return read_class_labels(session.metadata)
    except (ValueError, KeyError, TypeError, RecursionError):
        by_spec = LABELS_KEY not in session.metadata and built is None
        what = "the spec in its metadata" if by_spec else "what it says of its classes"
        raise refuse(f"{what} cannot be read", session.where, _AGAIN) from None


def _count_classes(session: Runner, built: dict[str, Any] | None) -> int | None:
    """How many classes the spec in a file's metadata, or in an engine's manifest, has; None where none says it."""
    try:
        text = session.metadata.get(SPEC_KEY, "{}")
        stated = json.loads(text[: SMALL + 1]) if built is None else built["spec"]["resolved"]
        found = stated["head"]["classes"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return found if type(found) is int and CLASSES.least <= found <= CLASSES.most else None


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
    if not serving.fits(image, taken):
        message = f"takes {format_shape(image)}, the spec in its metadata {format_shape(serving.shape(taken))}"
        raise refuse(message, session.where)


def find_unsmoothed(session: Runner, serving: FileServing) -> list[str]:
    """What is to be said of a file that resizes pictures, where its runtime does so in another way."""
    if not serving.takes_any_size or session.runtime["library"] != "openvino":
        return []
    from resnet_gen.onnx.reading.surroundings.file import uses_resize  # onnx, which other files do without

    return [f"{session.where}: {_UNSMOOTHED}"] if uses_resize(Path(session.where)) else []
