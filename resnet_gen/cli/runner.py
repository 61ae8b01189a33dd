"""What `run` does with its options."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import click
import numpy as np
from pydantic import ValidationError

from resnet_gen.build import SPEC_KEY, Request, build
from resnet_gen.engine.onnxruntime import Session, open_model
from resnet_gen.image import read_image
from resnet_gen.load import load
from resnet_gen.problems import refuse
from resnet_gen.spec import Input
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
    outputs, times = session.timed(x, repeat)
    _check_outputs(session, outputs)
    _report(outputs, _Run(str(image) if image else "random", [batch, *session.shape[1:]], median(times)), top, form)


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
    try:
        return Input.model_validate_json(json.dumps(json.loads(text)["input"]))
    except (ValueError, KeyError, TypeError):  # pydantic's errors are ValueErrors
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


def _check_outputs(session: Session, outputs: dict[str, Array]) -> None:
    for name, values in outputs.items():
        if values.ndim < 2 or values.dtype.kind != "f" or not values.size:
            found = f"{values.dtype} {_sides(values.shape) or 'scalar'}"
            raise refuse(f"puts out {found} as '{name}', not scores or a map for each image", session.where)


def _input(image: Path | None, taken: Input, batch: int, seed: int) -> Array:
    if image is not None:
        return np.repeat(read_image(image, taken), batch, axis=0)
    return np.random.default_rng(seed).standard_normal((batch, *taken.shape), np.float32)


class _Run(NamedTuple):
    """What was run: the input and its shape, and the median of the seconds that a batch took."""

    input: str
    shape: list[int | None]
    seconds: float

    def speed(self) -> dict[str, float]:
        """Milliseconds a batch, images a second."""
        images = self.shape[0] or 1
        return {"milliseconds": round(1000 * self.seconds, 3), "images_per_second": round(images / self.seconds, 1)}


def _report(outputs: dict[str, Array], run: _Run, top: int, form: str) -> None:
    found = {name: values[0].astype(np.float64) for name, values in outputs.items()}
    if not all(np.isfinite(values).all() for values in found.values()):
        click.echo("warning: the network puts out values that are not finite", err=True)
    scores = next((values for values in found.values() if values.ndim == 1), None)
    best = _best(scores, top)
    maps = {name: values for name, values in found.items() if len(found) > 1 or values.ndim > 1}
    if form == "json":
        classes = [{"class": i, "score": _finite(score)} for i, score in best]
        shown = {"outputs": [_map_entry(*item) for item in maps.items()]} if maps else {}
        click.echo(
            json.dumps({"input": run.input, "shape": run.shape, "top": classes, **shown, **run.speed()}, indent=2)
        )
        return
    for name, values in maps.items():
        click.echo(f"{name:<14} {_sides(values.shape):<14} mean {values.mean():9.4f}  std {values.std():9.4f}")
    for i, score in best:
        click.echo(f"class {i:>5}  score {score:9.4f}")
    speed = run.speed()
    click.echo(f"{speed['milliseconds']} ms a batch of {run.shape[0]}, {speed['images_per_second']} images/s (median)")


def _best(scores: Array | None, top: int) -> list[tuple[int, float]]:
    """The classes of the highest scores; none where no output is one row of scores."""
    if scores is None:
        return []
    return [(int(i), float(scores[i])) for i in np.argsort(-scores, kind="stable")[:top]]


def _map_entry(name: str, values: Array) -> dict[str, Any]:
    figures = {"mean": _finite(float(values.mean())), "std": _finite(float(values.std()))}
    return {"name": name, "shape": list(values.shape), **figures}


def _finite(score: float) -> float | None:
    """The score, or what JSON can say in its place."""
    return score if np.isfinite(score) else None
