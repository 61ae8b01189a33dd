"""The proof that a wrapped file computes inside what the original does: both run on the same pixels, and are compared.

What stands around the network is computed a second time here, in float64 and without ONNX.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np

from resnet_gen.engine.base import Runner, Tuning
from resnet_gen.engine.onnxruntime import open_model
from resnet_gen.graph.surroundings import PixelInput
from resnet_gen.ops.serving import find_resized_sides
from resnet_gen.problems import Refused, refuse, shorten

CheckKind: TypeAlias = Literal["same", "softmax", "unit", "vector", "top_k"]
_TOLERANCES = {"float32": 1e-5, "float16": 2e-3, "bfloat16": 2e-2, "eight bits": 2e-2}
"""Of the largest value, by the coarsest type that a file computes in: what rounding in another order explains."""
_TIMES, _OPEN_SIDE = 2, 64
"""How many more images than both take at once, so that an open batch is another than the one that was fixed."""


class OutputCheck(NamedTuple):
    """Outputs of the wrapped file, and the tensor of the original of which they are made; `k` and `raw` of the best."""

    kind: CheckKind
    names: tuple[str, ...]
    source: str
    k: int = 0
    raw: bool = False


class ProofPlan(NamedTuple):
    """What is run: both files, what is put before the network, and what is compared.

    `images` are how many each file takes at once, None where any number; `shape` is that of an image, of which pixels
    are made for a network with its channels first; `free` are outputs of new weights, which are looked at alone.
    `resized` is an output, of the file that is run alone, with what it makes of pictures of another size.
    """

    reference: Path
    wrapped: Path
    pixels: PixelInput | None
    shape: tuple[int, int, int]
    images: tuple[int | None, int | None]
    checks: tuple[OutputCheck, ...]
    free: tuple[str, ...]
    coarsest: str
    resized: str | None = None


class ComparedOutput(NamedTuple):
    """The largest difference of an output, and the largest value that it was to have."""

    name: str
    difference: float
    largest: float


class WrapProof(NamedTuple):
    """What came of running both: for how many images, and how far the outputs are apart."""

    images: int
    """How many images were run."""
    outputs: tuple[ComparedOutput, ...]
    """Each output's name, largest difference, and largest value."""
    tolerance: float
    """What part of the largest value a difference may be."""
    coarsest: str
    """The coarsest type that the file computes in, which says the tolerance."""

    def describe(self) -> list[str]:
        """In words, a line an output."""
        how = f"of {self.images} random images, on ONNX Runtime"
        return [
            f"proved: '{shorten(one.name)}' differs from what the original computes by {one.difference:.2g} at most, "
            f"its largest value is {one.largest:.4g} ({how})"
            for one in self.outputs
        ]

    def as_data(self) -> dict[str, Any]:
        """The same for a manifest: figures of two digits, which do not depend on the processor's last bit."""
        outputs = [one.name for one in self.outputs]
        return {"images": self.images, "outputs": outputs, "tolerance": self.tolerance, "of": self.coarsest}


def prove(plan: ProofPlan, where: str) -> WrapProof:
    """Run both files and compare; raises `Refused` where one cannot be run, or where they differ."""
    runners = [_open(path, where, what) for path, what in ((plan.reference, "original"), (plan.wrapped, "wrapped"))]
    many = math.lcm(*(n or 1 for n in plan.images)) * _TIMES
    x, given = _draw_inputs(plan, many, of_bytes=runners[1].dtype == np.uint8)
    found = _run_all(runners[1], given, plan.images[1], where, "wrapped")
    if plan.pixels and plan.resized:
        x = _take_resized(found.pop(plan.resized), given, plan, where)
    wanted = _run_all(runners[0], x, plan.images[0], where, "original")
    for name in plan.free:
        if not np.isfinite(found[name]).all():
            raise refuse(f"its output '{shorten(name)}' is not finite", where)
    tolerance = _TOLERANCES[plan.coarsest]
    outputs = [one for check in plan.checks for one in _compare(check, wanted, found)]
    for one in outputs:
        if not one.difference <= tolerance * max(one.largest, 1e-30):
            message = f"'{shorten(one.name)}' differs from the original by {one.difference:.3g} of {one.largest:.3g}"
            raise refuse(f"the wrapped file computes something else: {message}", where, "nothing is written")
    return WrapProof(many, tuple(outputs), tolerance, plan.coarsest)


def _open(path: Path, where: str, what: str) -> Runner:
    try:
        return open_model(path, where, Tuning(as_written=True))
    except Exception as error:
        raise _refuse_unproved(f"the {what} file cannot be run", error, where) from None


def _refuse_unproved(message: str, error: Exception, where: str) -> Exception:
    hint = "--no-proof writes it without the proof that it computes the same"
    words = error.problems[0].message if isinstance(error, Refused) else str(error)
    return refuse(f"{message}: {shorten(words.strip(), 300)}", where, hint)


def _run_all(runner: Runner, x: Any, most: int | None, where: str, what: str) -> dict[str, Any]:
    """The outputs for all images, as many at once as the file takes."""
    step = most or len(x)
    try:
        parts = [runner.run(x[start : start + step]) for start in range(0, len(x), step)]
    except Exception as error:
        raise _refuse_unproved(f"the {what} file cannot be run", error, where) from None
    try:
        return {name: np.concatenate([part[name] for part in parts]) for name in runner.outputs}
    except ValueError as error:
        raise _refuse_unproved(f"the {what} file has an output without a batch", error, where) from None


def _draw_inputs(plan: ProofPlan, many: int, *, of_bytes: bool) -> tuple[Any, Any]:
    """What the original takes and what the wrapped file takes, of the same images."""
    random, (channels, height, width) = np.random.default_rng(0), plan.shape
    if plan.pixels is None:
        sides = (many, *plan.shape)
        x = random.integers(0, 256, sides, np.uint8) if of_bytes else random.standard_normal(sides, np.float32)
        return x, x
    if plan.resized:
        height, width = 2 * height + 1, width + width // 2 + 3
    pixels = random.integers(0, 256, (many, height, width, channels), np.uint8)
    given = pixels if plan.pixels.dtype == "uint8" else (pixels / 255 * plan.pixels.scale).astype(plan.pixels.dtype)
    if plan.pixels.dtype != "uint8" and not plan.pixels.mean:
        given = random.standard_normal(pixels.shape, np.float32)
    network = _normalize(given, plan.pixels).astype(np.float32)
    return network, given if plan.pixels.layout == "NHWC" else np.ascontiguousarray(given.transpose(0, 3, 1, 2))


def _normalize(given: Any, pixels: PixelInput) -> Any:
    """What the network takes, in float64, channels first."""
    values = np.asarray(given, np.float64)[..., :: -1 if pixels.order == "BGR" else 1] / pixels.scale
    if pixels.mean:
        values = (values - np.asarray(pixels.mean)) / np.asarray(pixels.std)
    return np.ascontiguousarray(values.transpose(0, 3, 1, 2))


def _take_resized(found: Any, given: Any, plan: ProofPlan, where: str) -> Any:
    """What the network takes of pictures that the wrapped file resized, once that is what float64 makes of them.

    A whole value may be another where float64 is next to a half: what the file makes of these is taken for the rest.
    """
    assert plan.pixels
    pixels = plan.pixels
    pictures = np.asarray(given if pixels.layout == "NCHW" else given.transpose(0, 3, 1, 2), np.float64)
    pictures = pictures[:, ::-1] if pixels.order == "BGR" else pictures
    least, most = (_resize(pictures, plan.shape[1:], pixels, near) for near in (-_NEAR, _NEAR))
    values = np.asarray(found, np.float64)
    apart = np.maximum(least - values, values - most) if values.shape == least.shape else np.inf
    if not np.max(apart) <= _CLOSE * np.abs(most).max() * (pixels.dtype != "uint8"):
        message = f"pictures that are resized differ by {np.max(apart):.3g}"
        raise refuse(f"the wrapped file computes something else: {message}", where, "nothing is written")
    turned = found[:, ::-1] if pixels.order == "BGR" else found
    return _normalize(turned.transpose(0, 2, 3, 1), pixels).astype(np.float32)


_NEAR, _CLOSE = 1e-3, 1e-5
"""How near to a half a value may be rounded either way, and how far floats may be, of the largest."""


def _resize(pictures: Any, size: Sequence[int], pixels: PixelInput, near: float) -> Any:
    """The central crop of pictures (N, C, H, W), resized in float64 with triangles as Pillow has them.

    Bytes are rounded twice, each time as if they were greater by `near`; no weight is below zero.
    """
    assert pixels.crop is not None
    height, width = pictures.shape[2:]
    sides = find_resized_sides((height, width), (size[0], size[1]), pixels.crop)
    rows, columns = map(_weigh, (height, width), sides, size)
    if pixels.dtype == "uint8":
        half = 0.5 + near
        return np.floor(rows @ np.floor(pictures @ columns.T + half) + half)
    return rows @ (pictures @ columns.T)


def _weigh(own: int, resized: int, made: int) -> Any:
    """How much of each pixel of a side is in each that is made of it: (made, own)."""
    middles = ((resized - made) // 2 + np.arange(made) + 0.5) * own / resized
    apart = np.abs(np.arange(own) + 0.5 - middles[:, None]) / max(own / resized, 1.0)
    parts = np.maximum(1 - apart, 0)
    return parts / parts.sum(axis=1, keepdims=True)


def _compare(check: OutputCheck, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> list[ComparedOutput]:
    source = np.asarray(wanted[check.source], np.float64)
    if check.kind == "top_k":
        return _compare_best(check, source if check.raw else _softmax(source), found)
    expected = _MAKERS[check.kind](source)
    return [_measure(check.names[0], expected, found)]


def _measure(name: str, expected: Any, found: Mapping[str, Any]) -> ComparedOutput:
    here = np.asarray(found[name], np.float64)
    if here.shape != expected.shape:
        return ComparedOutput(name, math.inf, float(np.abs(expected).max(initial=0.0)))
    difference = float(np.abs(here - expected).max(initial=0.0))
    return ComparedOutput(name, difference, float(np.abs(expected).max(initial=0.0)))


def _compare_best(check: OutputCheck, scores: Any, found: Mapping[str, Any]) -> list[ComparedOutput]:
    """The best values, and those of the classes that are said to have them: of equal scores either may be first."""
    values, indices = check.names
    best = -np.sort(-scores, axis=1)[:, : check.k]
    there = np.asarray(found[indices])
    whole = there.dtype.kind == "i" and there.shape == best.shape
    if not whole or there.min(initial=0) < 0 or there.max(initial=0) >= scores.shape[1]:
        return [ComparedOutput(indices, math.inf, 1.0)]
    named = {indices: np.take_along_axis(scores, there, axis=1)}
    return [_measure(values, best, found), _measure(indices, best, named)]


def _softmax(scores: Any) -> Any:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def _unit(vectors: Any) -> Any:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


_MAKERS: dict[str, Callable[[Any], Any]] = {
    "same": lambda values: values,
    "softmax": _softmax,
    "unit": _unit,
    "vector": lambda values: values.reshape(len(values), -1),
}


def choose_sides(dims: Sequence[Any]) -> tuple[int, int, int]:
    """Sides to prove with: those that are fixed, and a few where they are open."""
    first, second, third = (side if isinstance(side, int) and side > 0 else _OPEN_SIDE for side in dims)
    return first, second, third
