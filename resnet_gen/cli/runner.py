"""What `run` does with its options."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import click
import numpy as np
from pydantic import ValidationError

from resnet_gen.build import SPEC_KEY, Request, build
from resnet_gen.engine.onnxruntime import Session, open_model
from resnet_gen.image import read_image
from resnet_gen.load import load
from resnet_gen.problems import refuse
from resnet_gen.spec import Input, Spec, know_every_part
from resnet_gen.weights.base import Array


def run_model(
    model: str,
    settings: tuple[str, ...],
    *,
    image: Path | None,
    batch: int | None,
    top: int,
    repeat: int,
    weights: Path | None,
    seed: int,
    form: str,
) -> None:
    """Run a spec or an ONNX file and print what comes out."""
    if model.endswith(".onnx"):
        if settings or weights:
            raise refuse("an ONNX file has its own shape and weights", model, "run the spec instead")
        session, taken = _opened(Path(model))
    else:
        session, taken = _emitted(model, settings, Request(weights=weights, seed=seed))
    batch = batch or session.shape[0] or 1
    _check_input(session, taken, batch)
    x = _input(image, taken, batch, seed)
    output, times = session.timed(x, repeat)
    _check_output(session, output)
    _report(output, times, session, image, top, form)


def _opened(path: Path) -> tuple[Session, Input]:
    """A model from a file, and what input it takes: from its own spec, else from its shape."""
    if not path.is_file():
        raise refuse("there is no such file", str(path))
    session = open_model(path)
    if SPEC_KEY in session.metadata:
        return session, _carried(session.metadata[SPEC_KEY], path)
    channels, height, width = (side or 0 for side in session.shape[1:])
    try:
        taken = Input(channels=channels, size=(height, width))
    except ValidationError:
        raise refuse("its input is no image of a fixed size", str(path)) from None
    click.echo(f"{path}: carries no spec; ImageNet's preprocessing is assumed", err=True)
    return session, taken


def _carried(text: str, path: Path) -> Input:
    know_every_part()
    try:
        return Spec.model_validate_json(text).input
    except ValidationError:
        raise refuse("the spec in its metadata cannot be read", str(path), "build it again") from None


def _emitted(model: str, settings: tuple[str, ...], request: Request) -> tuple[Session, Input]:
    loaded = load(model, settings)
    if request.weights is None:
        click.echo(f"weights are drawn from seed {request.seed}: the classes mean nothing", err=True)
    with tempfile.TemporaryDirectory() as folder:
        build(loaded, request, Path(folder))
        session = open_model(Path(folder) / f"{loaded.spec.name}.onnx", shown=model)
    return session, loaded.spec.input


def _check_input(session: Session, taken: Input, batch: int) -> None:
    fixed, *image = session.shape
    if fixed is not None and fixed != batch:
        raise refuse(f"--batch {batch}: the model takes {fixed} at a time", session.where)
    if any(side not in (None, wanted) for side, wanted in zip(image, taken.shape, strict=True)):
        raise refuse(f"takes {_sides(image)}, the spec in its metadata {_sides(taken.shape)}", session.where)


def _sides(shape: Sequence[int | None]) -> str:
    return "x".join(str(side or "?") for side in shape)


def _check_output(session: Session, output: Array) -> None:
    if output.ndim != 2 or output.dtype.kind != "f" or not output.size:
        found = f"{output.dtype} {_sides(output.shape) or 'scalar'}"
        raise refuse(f"puts out {found}, not one row of scores for each image", session.where)


def _input(image: Path | None, taken: Input, batch: int, seed: int) -> Array:
    if image is not None:
        return np.repeat(read_image(image, taken), batch, axis=0)
    return np.random.default_rng(seed).standard_normal((batch, *taken.shape), np.float32)


def _report(output: Array, times: list[float], session: Session, image: Path | None, top: int, form: str) -> None:
    scores = output[0].astype(np.float64)
    if not np.isfinite(scores).all():
        click.echo("warning: the network puts out values that are not finite", err=True)
    best = np.argsort(-scores, kind="stable")[:top]
    seconds = median(times)
    data: dict[str, Any] = {
        "input": str(image) if image else "random",
        "shape": [len(output), *session.shape[1:]],
        "top": [{"class": int(i), "score": _finite(scores[i])} for i in best],
        "milliseconds": round(1000 * seconds, 3),
        "images_per_second": round(len(output) / seconds, 1),
    }
    if form == "json":
        click.echo(json.dumps(data, indent=2))
        return
    for i in best:
        click.echo(f"class {i:>5}  score {scores[i]:9.4f}")
    click.echo(f"{data['milliseconds']} ms a batch of {len(output)}, {data['images_per_second']} images/s (median)")


def _finite(score: float) -> float | None:
    """The score, or what JSON can say in its place."""
    return float(score) if np.isfinite(score) else None
