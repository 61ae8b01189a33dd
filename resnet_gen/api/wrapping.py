"""Wrapping: pixels before anybody's ONNX file and classes behind it, or other ends."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypedDict

from resnet_gen.api.arguments import AnyPath, check_one_of, check_within, name_of
from resnet_gen.onnx.wrapping.request import (
    DEFAULT_START,
    INPUT_TYPES,
    OPEN,
    SCALES,
    STARTS,
    LayerStart,
    PixelScale,
    WrapInputType,
    WrapRequest,
)
from resnet_gen.ops.limits import BATCHES, CLASSES, SIDES
from resnet_gen.ops.serving_words import CHANNEL_ORDERS, LAYOUTS
from resnet_gen.problems import refuse, shorten
from resnet_gen.weights.seeds import DEFAULT_SEED, SEEDS

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from resnet_gen.build.wrap import WrappedFile


class WrapOptions(TypedDict, total=False):
    """What is done to a file. What is left out stays as it is."""

    input_type: WrapInputType | None
    """What the file is to take."""
    layout: Literal["NCHW", "NHWC"] | None
    """Whether channels stand first or last there; first."""
    channel_order: Literal["RGB", "BGR"] | None
    """`BGR` has channels turned around."""
    mean: Sequence[float] | Literal["imagenet", "none"] | None
    """Mean of each channel, of values in 0..1; that of the spec in the file."""
    std: Sequence[float] | None
    """Standard deviation of each channel, above 0."""
    scale: PixelScale | None
    """The greatest pixel; 255 where pixels are normalized."""
    any_size: bool
    """Take pictures of any size, which the graph resizes and crops."""
    crop: float | None
    """Part of a side that the crop keeps; that of the spec in the file."""
    outputs: Sequence[str]
    """`logits`, `probabilities`, `topK` as in `top5`, `embedding`, `unit_embedding`."""
    labels: Sequence[str] | AnyPath
    """What the classes are called, or the path of a text file with a line for each."""
    cuts: Sequence[str]
    """Tensors to end at."""
    cut_input: str | None
    """A tensor to begin at."""
    renames: Mapping[str, str]
    """New names of inputs and outputs by their old ones."""
    batch: int | Literal["open"] | None
    """Images at once, or `open`."""
    size: tuple[int, int] | Literal["open"] | None
    """Rows and columns in pixels, or `open`."""
    classes: int | None
    """Replace the last layer by one of so many classes."""
    start: LayerStart | None
    """What its weights start from."""
    seed: int | None
    """Seed of these weights."""


def wrap(
    file: AnyPath, path: AnyPath, *, proof: bool = True, replace: bool = False, **options: Unpack[WrapOptions]
) -> WrappedFile:
    """Wrap anybody's ONNX file through onnx-graphsurgeon, and prove that its inside computes the same (docs/wrap.md).

    Args:
        file: The file; its weights may lie beside it.
        path: Where to write, as `.onnx`; a manifest is written beside it.
        proof: Run both files on the same random images with ONNX Runtime, and compare.
        replace: Replace files that are there.
        **options: What is done: see [`WrapOptions`](#wrapoptions).

    Returns:
        Where the file and its manifest are, what was done, and the proof: the largest difference of each output.

    Raises:
        Refused: For what cannot be read, is not there, does not go together, or computes something else.

    Example:
        >>> from resnet_gen import build, wrap
        >>> model, *_ = build("cifar-resnet20", "built")
        >>> made = wrap(model, "served.onnx", input_type="uint8", layout="NHWC", outputs=["top5"])
        >>> made.changes[0], made.proof.outputs[1].name
        ('outputs top5', 'top5_indices')
    """
    from resnet_gen.build.wrap import wrap_file

    asked = _make_request(options)
    return wrap_file(Path(name_of(file)), Path(name_of(path)), asked, replace=replace, proof=proof)


def _make_request(options: WrapOptions) -> WrapRequest:
    """The request of options that were checked; raises `Refused`."""
    _check_words(options)
    mean = options.get("mean")
    return WrapRequest(
        input_type=options.get("input_type"),
        layout=options.get("layout"),
        order=options.get("channel_order"),
        mean=mean if isinstance(mean, str) else _as_numbers("mean", mean),
        std=_as_numbers("std", options.get("std")),
        scale=options.get("scale"),
        any_size=options.get("any_size", False),
        crop=options.get("crop"),
        outputs=_as_words("outputs", options.get("outputs", ())),
        labels=_as_labels(options.get("labels", ())),
        cuts=_as_words("cuts", options.get("cuts", ())),
        cut_input=options.get("cut_input"),
        renames=tuple(options.get("renames", {}).items()),
        batch=_as_batch(options.get("batch")),
        size=_as_size(options.get("size")),
        classes=options.get("classes"),
        start=options.get("start") or DEFAULT_START,
        seed=options.get("seed") or DEFAULT_SEED,
    )


def _check_words(options: WrapOptions) -> None:
    check_one_of("input_type", options.get("input_type"), INPUT_TYPES)
    check_one_of("layout", options.get("layout"), LAYOUTS)
    check_one_of("channel_order", options.get("channel_order"), CHANNEL_ORDERS)
    check_one_of("scale", options.get("scale"), SCALES)
    check_one_of("start", options.get("start"), STARTS)
    check_within("classes", options.get("classes"), *CLASSES)
    check_within("seed", options.get("seed"), *SEEDS)


def _as_words(name: str, given: Sequence[str]) -> tuple[str, ...]:
    """Several words; raises `Refused` for one alone, which is a sequence of its letters too."""
    if isinstance(given, str):
        raise refuse(f"{name}: a list is wanted, not a text", hint=f"{name}=['{shorten(given)}']")
    return tuple(given)


def _as_numbers(name: str, given: Sequence[float] | None) -> tuple[float, ...] | None:
    if given is None:
        return None
    found = tuple(given)
    if not found or not all(isinstance(n, (int, float)) and math.isfinite(n) for n in found):
        raise refuse(f"{name}: not finite numbers")
    return tuple(map(float, found))


def _as_labels(given: Sequence[str] | AnyPath) -> tuple[str, ...]:
    from resnet_gen.language.labels import check_labels, read_labels

    if isinstance(given, (str, os.PathLike)):
        return tuple(read_labels(Path(given), name_of(given)))
    return check_labels(list(given), "labels") if given else ()


def _as_batch(batch: int | str | None) -> int | str | None:
    if not isinstance(batch, str):
        check_within("batch", batch, *BATCHES)
    elif batch != OPEN:
        raise refuse(f"batch: '{batch}' is neither a number nor '{OPEN}'")
    return batch


def _as_size(size: Sequence[int] | str | None) -> tuple[int, int] | str | None:
    if size is None or size == OPEN:
        return OPEN if size else None
    if isinstance(size, str) or len(size) != 2:
        raise refuse(f"size: not rows and columns, and not '{OPEN}'")
    for side in size:
        check_within("size", side, *SIDES)
    return int(size[0]), int(size[1])
