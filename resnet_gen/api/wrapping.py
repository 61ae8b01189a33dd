"""Anybody's ONNX file, with pixels before it and classes behind it, or with other ends."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from resnet_gen.api.arguments import AnyPath, check_one_of, check_within, name_of
from resnet_gen.onnx.wrapping.request import (
    CHANNEL_ORDERS,
    DEFAULT_START,
    INPUT_TYPES,
    LAYOUTS,
    OPEN,
    SCALES,
    STARTS,
    LayerStart,
    PixelScale,
    WrapInputType,
    WrapRequest,
)
from resnet_gen.ops.limits import BATCHES, CLASSES, SIDES
from resnet_gen.problems import refuse
from resnet_gen.weights.seeds import DEFAULT_SEED, SEEDS

if TYPE_CHECKING:
    from resnet_gen.build.wrap import WrappedFile


def wrap(
    file: AnyPath,
    path: AnyPath,
    *,
    input_type: WrapInputType | None = None,
    layout: Literal["NCHW", "NHWC"] | None = None,
    channel_order: Literal["RGB", "BGR"] | None = None,
    mean: Sequence[float] | Literal["imagenet", "none"] | None = None,
    std: Sequence[float] | None = None,
    scale: PixelScale | None = None,
    outputs: Sequence[str] = (),
    labels: Sequence[str] | AnyPath = (),
    cuts: Sequence[str] = (),
    cut_input: str | None = None,
    renames: Mapping[str, str] | None = None,
    batch: int | Literal["open"] | None = None,
    size: tuple[int, int] | Literal["open"] | None = None,
    classes: int | None = None,
    start: LayerStart = DEFAULT_START,
    seed: int = DEFAULT_SEED,
    proof: bool = True,
    replace: bool = False,
) -> WrappedFile:
    """Wrap anybody's ONNX file through onnx-graphsurgeon, and prove that its inside computes the same (docs/wrap.md).

    Args:
        file: The file; its weights may lie beside it.
        path: Where to write, as `.onnx`; a manifest is written beside it.
        input_type: What the file is to take; as it does.
        layout: Whether channels stand first or last there; first.
        channel_order: `BGR` has channels turned around.
        mean: Mean of each channel, of values in 0..1; that of the spec in the file.
        std: Standard deviation of each channel, above 0.
        scale: The greatest pixel; 255 where pixels are normalized.
        outputs: `logits`, `probabilities`, `topK` as in `top5`, `embedding`, `unit_embedding`; as it does.
        labels: What the classes are called, or the path of a text file with a line for each.
        cuts: Tensors to end at.
        cut_input: A tensor to begin at.
        renames: New names of inputs and outputs by their old ones.
        batch: Images at once, or `open`.
        size: Rows and columns in pixels, or `open`.
        classes: Replace the last layer by one of so many classes.
        start: What its weights start from.
        seed: Seed of these weights.
        proof: Run both files on the same random images with ONNX Runtime and compare.
        replace: Replace files that are there.

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

    check_one_of("input_type", input_type, INPUT_TYPES)
    check_one_of("layout", layout, LAYOUTS)
    check_one_of("channel_order", channel_order, CHANNEL_ORDERS)
    check_one_of("scale", scale, SCALES)
    check_one_of("start", start, STARTS)
    check_within("classes", classes, *CLASSES)
    check_within("seed", seed, *SEEDS)
    asked = WrapRequest(
        input_type=input_type,
        layout=layout,
        order=channel_order,
        mean=mean if isinstance(mean, str) else _as_numbers("mean", mean),
        std=_as_numbers("std", std),
        scale=scale,
        outputs=tuple(outputs),
        labels=_as_labels(labels),
        cuts=tuple(cuts),
        cut_input=cut_input,
        renames=tuple((renames or {}).items()),
        batch=_as_batch(batch),
        size=_as_size(size),
        classes=classes,
        start=start,
        seed=seed,
    )
    return wrap_file(Path(name_of(file)), Path(name_of(path)), asked, replace=replace, proof=proof)


def _as_numbers(name: str, given: Sequence[float] | None) -> tuple[float, ...] | None:
    import math

    if given is None:
        return None
    found = tuple(given)
    if not found or not all(isinstance(n, (int, float)) and math.isfinite(n) for n in found):
        raise refuse(f"{name}: not finite numbers")
    return tuple(map(float, found))


def _as_labels(given: Sequence[str] | AnyPath) -> tuple[str, ...]:
    from resnet_gen.build.labels import check_labels, read_labels

    if isinstance(given, (str, os.PathLike)):
        return read_labels(Path(given))
    return check_labels(list(given), "labels") if given else ()


def _as_batch(batch: int | str | None) -> int | str | None:
    if batch != OPEN:
        check_within("batch", batch, *BATCHES)  # type: ignore[arg-type]
    return batch


def _as_size(size: Sequence[int] | str | None) -> tuple[int, int] | str | None:
    if size is None or size == OPEN:
        return OPEN if size else None
    if isinstance(size, str) or len(size) != 2:
        raise refuse("size: not rows and columns, and not 'open'")
    for side in size:
        check_within("size", side, *SIDES)
    return int(size[0]), int(size[1])
