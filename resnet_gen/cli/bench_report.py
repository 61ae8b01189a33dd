"""The figures of `bench`, for people and for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from resnet_gen.cli.output import finite_or_none
from resnet_gen.engine.base import Runner, format_shape
from resnet_gen.problems import json_text, several, visible
from resnet_gen.speed.benchmark import OutputDifference, Result, Timing, compare_speed

PERCENTILES = (50, 90, 99)


def format_title(runner: Runner) -> str:
    """A model and what runs it: `resnet50 on onnxruntime 1.31.1, computed in f32`."""
    return format_model(runner.where, runner.runtime)


def format_model(name: str, runtime: Mapping[str, str]) -> str:
    """A model by its name and what runs it."""
    words = [f"{name} on {runtime['library']} {runtime['version']}"]
    words += [f"computed in {runtime['precision']}"] if "precision" in runtime else []
    words += [several(int(runtime["threads"]), "thread")] if "threads" in runtime else []
    return visible(", ".join(words))


def as_json(runners: Sequence[Runner], results: Sequence[Result]) -> str:
    """One object: `models` and, for each shape, `results` in the models' order; milliseconds and images a second."""
    models = [
        {"model": r.where, "runtime": r.runtime, "input": {"name": r.input, "type": r.dtype.name}} for r in runners
    ]
    return json_text({"models": models, "results": [_make_entry(result) for result in results]})


def _make_entry(result: Result) -> dict[str, Any]:
    entry: dict[str, Any] = {"shape": list(result.shape), "timings": [_convert_timing(t) for t in result.timings]}
    if len(result.timings) == 2:
        found = compare_speed(*result.timings)
        quartiles = [round(found.low, 4), round(found.high, 4)]
        entry["ratio"] = {"median": round(found.median, 4), "quartiles": quartiles, "blocks": found.blocks}
        entry["outputs"] = _convert_difference(result.difference)
    return entry


def _convert_timing(timing: Timing) -> dict[str, Any]:
    percentiles = {f"p{p}_ms": _to_milliseconds(timing.percentile(p)) for p in PERCENTILES}
    speed = {"mean_ms": _to_milliseconds(timing.mean), "images_per_second": round(timing.images_per_second, 2)}
    return {"runs": timing.runs, **percentiles, **speed}


def _to_milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 4)


def _convert_difference(found: OutputDifference | None) -> dict[str, Any] | None:
    """None where the outputs could not be compared; null figures where they are not finite."""
    if found is None:
        return None
    return {
        "largest_difference": finite_or_none(found.largest),
        "largest_value": finite_or_none(found.scale),
        "top1_agreeing": found.agreeing,
        "images": found.images,
    }


def as_text(runners: Sequence[Runner], results: Sequence[Result]) -> str:
    """A table with a row for each model and batch; for two models, how they compare below."""
    letters = ["A", "B"] if len(runners) > 1 else [""]
    lines = [f"{letter}  {format_title(r)}".lstrip() for letter, r in zip(letters, runners, strict=True)]
    lines += [f"images of {format_shape(results[0].shape[1:])}", ""]
    lines.append(
        f"{'batch':>5} {'':1} {'runs':>7} {'p50 ms':>10} {'p90 ms':>10} {'p99 ms':>10} {'mean ms':>10} {'images/s':>10}"
    )
    for result in results:
        lines += [_format_row(letter, timing) for letter, timing in zip(letters, result.timings, strict=True)]
    if len(runners) > 1:
        lines += ["", *(line for result in results for line in _format_comparison(result))]
    return "\n".join(lines)


def _format_row(letter: str, timing: Timing) -> str:
    times = (*(timing.percentile(p) for p in PERCENTILES), timing.mean)
    shown = " ".join(f"{1000 * t:>10.3f}" for t in times)
    return f"{timing.batch:>5} {letter:1} {timing.runs:>7,} {shown} {timing.images_per_second:>10,.1f}"


def _format_comparison(result: Result) -> list[str]:
    found = compare_speed(*result.timings)
    spread = f"quartiles of {found.blocks} blocks {found.low:.3f} to {found.high:.3f}"
    speed = f"batch {result.shape[0]}: A is {found.median:.3f} times as fast as B ({spread})"
    return [speed, f"  outputs: {_describe_difference(result.difference)}"]


def _describe_difference(found: OutputDifference | None) -> str:
    if found is None:
        return "of different number or shape, so not compared"
    text = f"largest difference {found.largest:.3g}, largest value {found.scale:.3g}"
    if found.agreeing is None:
        return text
    return f"{text}; same top class for {found.agreeing} of {found.images}"
