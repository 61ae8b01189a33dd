"""A file wrapped: edited, proved, and written with a manifest that says what was done."""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from resnet_gen.build.models import parse_embedded_input
from resnet_gen.build.wrap_manifest import locate_wrap_manifest, write_wrap_manifest
from resnet_gen.build.wrap_pixels import choose_pixels
from resnet_gen.build.wrap_proof import OutputCheck, ProofPlan, WrapProof, choose_sides, prove
from resnet_gen.graph.surrounding_terms import describe_pixels, describe_surroundings
from resnet_gen.graph.surroundings import RANKED, PixelInput
from resnet_gen.onnx.metadata_keys import LABELS_KEY, SERVE_KEY, SPEC_KEY, WRAP_KEY
from resnet_gen.onnx.wrapping.editor import ModelEditor
from resnet_gen.onnx.wrapping.last_layer import find_last_layer, replace_last_layer
from resnet_gen.onnx.wrapping.model_file import WholeModel, find_coarsest_type, load_whole, make_reference
from resnet_gen.onnx.wrapping.request import WrapRequest, check_request, count_best
from resnet_gen.problems import json_text, refuse, shorten
from resnet_gen.system.digest import digest_file
from resnet_gen.system.write import Transaction, check_free, check_not_read
from resnet_gen.weights.base import Array

PIXELS = "pixels"
"""What the input of a wrapped file is called."""


class WrappedFile(NamedTuple):
    """A file that was written: where, its manifest, what was done, and the proof, unless it was not asked for."""

    path: Path
    """The ONNX file."""
    manifest: Path
    """Its manifest."""
    changes: tuple[str, ...]
    """What was done, a line each."""
    proof: WrapProof | None
    """What came of running both files."""


class _Edit(NamedTuple):
    """What was done to a model, and how it is to be compared with the original."""

    editor: ModelEditor
    pixels: PixelInput | None
    changes: list[str]
    checks: list[OutputCheck]
    free: list[str]
    features: str | None
    classes: int | None = None


def wrap_file(path: Path, out: Path, asked: WrapRequest, *, replace: bool, proof: bool) -> WrappedFile:
    """Edit a file as asked, prove that its inside computes the same, and write it with a manifest; raises `Refused`."""
    check_request(asked)
    manifest = _check_output(path, out, replace=replace)
    whole = load_whole(path)
    _check_untouched(whole, asked, str(path))
    embedded = parse_embedded_input(whole.metadata, str(path))
    edit = _edit_model(whole, asked, str(path), lambda channels: choose_pixels(asked, channels, embedded, str(path)))
    metadata = _make_metadata(whole, asked, edit)
    model = edit.editor.export(metadata)
    found = _prove_edit(whole, asked, edit, model, path) if proof else None
    for one in (out, manifest):
        check_not_read(one)
    with Transaction(out.parent) as files:
        digest = files.write(out.name, [model])
        text = _describe_wrap(path, {out.name: digest}, asked, edit.changes, found)
        files.write_text(manifest.name, text)
    return WrappedFile(out, manifest, tuple(edit.changes), found)


def _check_output(path: Path, out: Path, *, replace: bool) -> Path:
    """The manifest's place; refuses places that cannot be written to, and the file itself."""
    if out.suffix != ".onnx":
        raise refuse(f"wrap writes no '{shorten(out.suffix or out.name)}'", str(out), "name it FILE.onnx")
    manifest = locate_wrap_manifest(out)
    for one in (out, manifest):
        check_free(one, [path], replace=replace)
    return manifest


def _check_untouched(whole: WholeModel, asked: WrapRequest, where: str) -> None:
    """Refuse to put pixels before a model that takes pixels."""
    if asked.takes_pixels and whole.surroundings.input and asked.cut_input is None:
        line = next(iter(describe_surroundings(whole.surroundings)))
        raise refuse(f"it {line} already", where, "--cut-input TENSOR begins behind that")


def _edit_model(whole: WholeModel, asked: WrapRequest, where: str, choose: Callable[[int], PixelInput | None]) -> _Edit:
    """All edits, in this order: what is left out, dimensions, the last layer, outputs, the input, names."""
    editor = ModelEditor(whole, where)
    edit = _Edit(editor, None, [], [], [], None)
    if asked.cut_input is not None:
        edit.changes.append(editor.cut_input(asked.cut_input))
    if asked.cuts:
        edit.changes.append(editor.cut_outputs(asked.cuts))
    if asked.batch is not None:
        edit.changes.append(editor.set_batch(asked.batch))
    if asked.size is not None:
        edit.changes.append(editor.set_size(asked.size))
    if asked.classes is not None:
        edit = edit._replace(features=find_last_layer(editor).inputs[0].name)
        edit.changes.append(replace_last_layer(editor, asked.classes, _make_draw(asked)))
    scores = _ScoreTensors.find(editor, asked)
    _edit_outputs(edit, asked, scores)
    if asked.classes is not None:
        _free_checks(edit)
    takes_pixels = whole.surroundings.input is not None and asked.cut_input is None
    pixels = None if takes_pixels else choose(_count_channels(editor, where))
    if pixels:
        edit.changes.append(editor.add_pixels(pixels, PIXELS) + f": {describe_pixels(pixels)}")
    renames = dict(asked.renames)
    edit.changes.extend(editor.rename(asked.renames))
    checks = [check._replace(names=tuple(renames.get(n, n) for n in check.names)) for check in edit.checks]
    free = [renames.get(name, name) for name in edit.free]
    return edit._replace(pixels=pixels, checks=checks, free=free, classes=scores.classes if scores else None)


def _count_channels(editor: ModelEditor, where: str) -> int:
    channels = editor.given.shape[1]
    if not isinstance(channels, int):
        raise refuse(f"input '{shorten(editor.given.name)}': its channels are not stated", where)
    return channels


def _make_draw(asked: WrapRequest) -> Callable[[str, tuple[int, ...], int], Array] | None:
    """What draws new weights, evenly up to one over the root of a layer's inputs; biases are zero."""
    if asked.start == "zeros":
        return None

    def draw(role: str, shape: tuple[int, ...], fan: int) -> Array:
        if role == "bias":
            return np.zeros(shape, np.float32)
        key = hashlib.sha256(f"{asked.seed}/{role}".encode()).digest()
        random = np.random.Generator(np.random.PCG64(int.from_bytes(key, "little")))
        return (random.random(shape, np.float32) * 2 - 1) / np.float32(math.sqrt(fan))

    return draw


def _edit_outputs(edit: _Edit, asked: WrapRequest, scores: _ScoreTensors | None) -> None:
    """Outputs that are asked for in place of the model's own, and how each is compared."""
    editor = edit.editor
    own = list(editor.graph.outputs)
    if not asked.outputs:
        edit.checks.extend(OutputCheck("same", (t.name,), t.name) for t in own)
        return
    tensors: list[Any] = []
    for word in asked.outputs:
        made, check = _make_output(editor, scores, word, own)
        tensors += made
        edit.checks.extend(check)
    edit.changes.append(f"outputs {', '.join(asked.outputs)}")
    editor.set_outputs(tensors)


def _free_checks(edit: _Edit) -> None:
    """With new weights, what is made of them cannot be compared; what the last layer reads is, in their place."""
    edit.free.extend(name for check in edit.checks for name in check.names if check.source != edit.features)
    edit.checks[:] = [check for check in edit.checks if check.source == edit.features]


class _ScoreTensors(NamedTuple):
    """The scores of a model's one output and, where it outputs probabilities, these."""

    logits: Any
    probabilities: Any | None
    classes: int | None

    @staticmethod
    def find(editor: ModelEditor, asked: WrapRequest) -> _ScoreTensors | None:
        """Those of the one output that is a row of scores; None where it has another number of them."""
        rows = [tensor for tensor in editor.graph.outputs if tensor.shape and len(tensor.shape) == 2]
        if len(rows) != 1:
            return None
        (tensor,) = rows
        classes = asked.classes or tensor.shape[1]
        found = _ScoreTensors(tensor, None, classes if isinstance(classes, int) else None)
        if len(tensor.inputs) == 1 and tensor.inputs[0].op == "Softmax":
            before = tensor.inputs[0].inputs[0]
            before.dtype, before.shape = before.dtype or tensor.dtype, before.shape or tensor.shape
            return found._replace(logits=before, probabilities=tensor)
        return found


def _make_output(
    editor: ModelEditor, scores: _ScoreTensors | None, word: str, own: list[Any]
) -> tuple[list[Any], list[OutputCheck]]:
    """The tensors of one word for outputs, and how they are compared."""
    if word.endswith("embedding"):
        return _make_embedding(editor, word, own)
    if word == "logits" and (scores is None or scores.probabilities is None):
        return own, [OutputCheck("same", (t.name,), t.name) for t in own]
    if scores is None:
        raise refuse(f"outputs: '{word}' is of one row of scores, and it has none, or several", editor.where)
    if word == "logits":
        return [scores.logits], [OutputCheck("same", (scores.logits.name,), scores.logits.name)]
    if word == "probabilities":
        made = scores.probabilities or editor.append_softmax(scores.logits)
        return [made], [OutputCheck("softmax", (made.name,), scores.logits.name)]
    k = count_best(word) or 1
    if scores.classes is not None and k > scores.classes:
        raise refuse(f"outputs: {word} is more than its {scores.classes:,} classes", editor.where)
    values, indices = editor.append_best(scores.probabilities or editor.append_softmax(scores.logits), k)
    return [values, indices], [OutputCheck("top_k", (values.name, indices.name), scores.logits.name, k)]


def _make_embedding(editor: ModelEditor, word: str, own: list[Any]) -> tuple[list[Any], list[OutputCheck]]:
    """What the last layer reads, or the one output of a network without one, as a vector."""
    tensor = _find_vector(editor, own)
    source = tensor.name
    if not tensor.shape or len(tensor.shape) != 2:
        tensor = editor.append_vector(tensor)
    elif word == "embedding" and tensor not in own:
        tensor = editor.name_scores(tensor, "embedding")
    if word == "embedding":
        return [tensor], [OutputCheck("vector", (tensor.name,), source)]
    made = editor.append_unit(tensor)
    return [made], [OutputCheck("unit", (made.name,), source)]


def _find_vector(editor: ModelEditor, own: list[Any]) -> Any:
    headless = len(own) == 1 and own[0].shape and len(own[0].shape) == 2 and own[0].inputs
    if headless and own[0].inputs[0].op in ("Flatten", "Squeeze", "Reshape", "ReduceMean"):
        return own[0]
    found = find_last_layer(editor, rounded=True).inputs[0]
    if found.dtype is None:
        raise refuse("outputs: nothing is known of what its last layer reads", editor.where)
    return found


# --- what is said of it ----------------------------------------------------------


def _make_metadata(whole: WholeModel, asked: WrapRequest, edit: _Edit) -> dict[str, str]:
    """The file's metadata, without a spec that is not its own any more, and with what was done."""
    kept = {key: value for key, value in whole.metadata.items() if key != SERVE_KEY}
    other = asked.cuts or asked.cut_input or asked.classes is not None or isinstance(asked.size, tuple)
    if other and SPEC_KEY in kept:
        kept = {key: value for key, value in kept.items() if not key.startswith(SPEC_KEY)}
        edit.changes.append("the spec in its metadata is left out: it is of another network now")
    if asked.labels:
        _check_labels(asked, edit.editor, edit.classes or _count_ranked(whole, asked))
        kept[LABELS_KEY] = json_text(list(asked.labels), None)
        edit.changes.append(f"labels of {len(asked.labels):,} classes in its metadata")
    return {**kept, WRAP_KEY: json_text(edit.changes, None)}


def _count_ranked(whole: WholeModel, asked: WrapRequest) -> int | None:
    """Of how many classes a file outputs the best, where it goes on doing so."""
    if asked.cuts or asked.outputs:
        return None
    ranked = [o.source for o in whole.surroundings.outputs if o.kind in (*RANKED, "probabilities")]
    found = {(whole.types[source].dims or (None,))[-1] for source in ranked if source in whole.types}
    count = found.pop() if len(found) == 1 else None
    return count if isinstance(count, int) else None


def _check_labels(asked: WrapRequest, editor: ModelEditor, classes: int | None) -> None:
    """Refuse labels of another number than classes."""
    wanted = asked.classes or classes
    if wanted is None:
        raise refuse("labels: it is not known how many classes it has", editor.where)
    if wanted != len(asked.labels):
        raise refuse(f"labels: {len(asked.labels):,} of them for {wanted:,} classes", editor.where)


def _describe_wrap(
    path: Path, files: Mapping[str, str], asked: WrapRequest, changes: list[str], found: WrapProof | None
) -> str:
    data = {
        "of": {"file": path.name, "sha256": digest_file(path)},
        "asked": _list_asked(asked),
        "changes": changes,
        "proof": found.as_data() if found else None,
        "files": dict(files),
    }
    return write_wrap_manifest(data)


def _find_fixed(batch: Any) -> int | None:
    return batch if isinstance(batch, int) else None


def _list_asked(asked: WrapRequest) -> dict[str, Any]:
    """What was asked for; labels are in the file."""
    new = ("start", "seed") if asked.classes is None else ()
    return {k: v for k, v in asked._asdict().items() if v not in (None, (), False) and k not in ("labels", *new)}


# --- the proof ---------------------------------------------------------------------

_SIDES = ("channels", "rows", "columns")
"""What sides are called of which the two files have others."""


def _prove_edit(whole: WholeModel, asked: WrapRequest, edit: _Edit, model: bytes, path: Path) -> WrapProof:
    """Run the original and the edited model; of new weights what they read is compared."""
    checks, also = list(edit.checks), [edit.editor.resized] if edit.editor.resized else []
    if edit.features is not None and not any(check.source == edit.features for check in checks):
        checks.append(OutputCheck("same", (edit.features,), edit.features))
        also.append(edit.features)
    model = edit.editor.export({}, also) if also else model
    before, after = (edit.editor.original_dims(asked.cut_input), edit.editor.inner_dims())
    sides = choose_sides(after[1:])
    own = zip(before[1:], sides, _SIDES, strict=True)
    open_dims = [before[0], *(name if isinstance(one, int) and one != side else one for one, side, name in own)]
    reference = make_reference(whole, [check.source for check in checks], asked.cut_input, open_dims)
    with tempfile.TemporaryDirectory() as name:
        files = [Path(name, "original.onnx"), Path(name, "wrapped.onnx")]
        for file, data in zip(files, (reference, model), strict=True):
            file.write_bytes(data)
        images = (_find_fixed(before[0]), _find_fixed(after[0]))
        plan = ProofPlan(
            files[0], files[1], edit.pixels, sides, images, tuple(checks), tuple(edit.free), find_coarsest_type(whole),
            edit.editor.resized,
        )  # fmt: skip
        return prove(plan, str(path))
