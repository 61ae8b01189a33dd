"""Options that several commands share."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from resnet_gen.cli.output import say
from resnet_gen.compare.difference.parts_option import ALL, permit_parts
from resnet_gen.engine.names import ENGINE, HINTS, RUNTIMES, suitable_runtime
from resnet_gen.ops.limits import SIDES
from resnet_gen.ops.precision import COMPUTE, METHODS, PLACEMENTS, Calibration
from resnet_gen.ops.serving_words import CHANNEL_ORDERS, LAYOUTS, PIXEL_TYPES, SERVED_WORDS
from resnet_gen.problems import refuse, shorten
from resnet_gen.quantization.limits import CALIBRATION_IMAGES, PERCENTILES
from resnet_gen.weights.downloads.names import HELP, METAVAR, WeightsName, parse_weights
from resnet_gen.weights.downloads.settings import announce
from resnet_gen.weights.seeds import DEFAULT_SEED, SEEDS

F = TypeVar("F", bound=Callable[..., Any])


class Finite(click.FloatRange):
    """A range of numbers, among which what is no number is not."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = super().convert(value, param, ctx)
        if math.isnan(found):
            self.fail(f"{value} is not a number.", param, ctx)
        return found


class _Place(click.Path):
    """A path; an empty text, which Python takes for the current folder, is none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value == "":
            self.fail("an empty text is no path.", param, ctx)
        return super().convert(value, param, ctx)


class _File(_Place):
    """A file, or a folder that is there."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if str(value).endswith(("/", os.sep)) and not Path(value).is_dir():
            self.fail(f"there is no folder '{value}'.", param, ctx)
        return super().convert(value, param, ctx)


class _Weights(_File):
    """A file of weights, or the name of published ones; what is fetched for it is said."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        found = parse_weights(value) if isinstance(value, str) else value
        if not isinstance(found, WeightsName):
            return super().convert(value, param, ctx)
        announce.set(partial(say, err=True))
        return found


WEIGHTS = _Weights(path_type=Path)
FOLDER, FILE = _Place(path_type=Path), _File(path_type=Path)


def combine_options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one, in this order."""

    def add(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return add


settings = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE",
    help="Change one key of the spec, as in --set 'stages.depths=[3,4,23,3]'.",
)  # fmt: skip


def parts(function: F) -> F:
    """`--parts`: which files of parts are run."""

    @wraps(function)
    def run_permitted(*given: Any, parts: str, **more: Any) -> Any:
        base = more.get("base")
        with permit_parts(f"base:{base}" if parts == "base" and base else parts):
            return function(*given, **more)

    return click.option(
        "--parts", metavar="none|base:REVISION|all", default=ALL, show_default=True,
        help="Whose Python files of parts are run: nobody's, those that a git revision has, or all.",
    )(cast("F", run_permitted))  # fmt: skip


spec_options = combine_options(settings, parts)
"""How a spec is read."""


def gate_parts(function: F) -> F:
    """The same of a command whose exit code is a verdict: it runs them in a process of its own."""

    @wraps(function)
    def run_watched(*given: Any, parts_patience: float, **more: Any) -> Any:
        with _watch_parts(parts_patience):
            return function(*given, **more)

    return parts(
        click.option(
            "--parts-patience", type=Finite(0.1, 86_400), metavar="SECONDS", default=60, show_default=True,
            help="How long code of parts may say nothing before it fails.",
        )(cast("F", run_watched))
    )  # fmt: skip


def _watch_parts(patience: float) -> AbstractContextManager[None]:
    """Inside, code of parts is announced: to stop before it, or as a sign of life where it is to run."""
    from resnet_gen.cli import CodeAhead, output
    from resnet_gen.language.custom_parts import files

    def stop(_: str) -> None:
        raise CodeAhead(patience)

    return files.hold_value(files.notice, output.send_heartbeat if output.receiver else stop)


project = combine_options(
    click.option(
        "--config", type=FILE,
        help="The project file, in place of the resnet-gen.toml or pyproject.toml that is found.",
    ),
    click.option("--no-config", is_flag=True, help="Look for no project file."),
)  # fmt: skip


builds = click.option(
    "--builds", multiple=True, metavar="NAME",
    help="Without a SPEC, the project's builds to take, any number of times; all without it.",
)  # fmt: skip


def output_format(*choices: str) -> Callable[[F], F]:
    """`--format`, the first choice being the default."""
    return click.option(
        "--format", "form", type=click.Choice(choices), default=choices[0], show_default=True,
        help="How data are printed.",
    )  # fmt: skip


def weights(more: str = "") -> Callable[[F], F]:
    """`--weights` and `--seed`; `more` is what else the seed is of."""
    also = f", {more}" if more else ""
    return combine_options(
        click.option(
            "--seed", type=click.IntRange(*SEEDS),
            help=f"Seed of the He initialization that is used without --weights{also}.  [default: {DEFAULT_SEED}]",
        ),
        click.option("--weights", type=WEIGHTS, metavar=METAVAR, help=f"Weights to use: {HELP}"),
    )  # fmt: skip


_SHAPES = {
    "shapes": "Shape of a fixed batch",
    "min-shapes": "Smallest shape of a range, each range being a profile",
    "opt-shapes": "Shape that an engine is tuned for",
    "max-shapes": "Largest shape of a range",
}
_AS_WRITTEN = "in place of --batch, as trtexec and Polygraphy write it."
shapes = combine_options(
    *(
        click.option(f"--{name}", metavar="input:NxCxHxW", multiple=name != "shapes", help=f"{which} {_AS_WRITTEN}")
        for name, which in _SHAPES.items()
    )
)

_CALIBRATION = Calibration("")
quantization = combine_options(
    click.option(
        "--calibration", metavar="FOLDER|FILE.npz|random",
        help="Images that INT8 and FP8 take their scales from, and that a build is compared with FP32 on.",
    ),
    click.option(
        "--calibration-images", "images", type=click.IntRange(*CALIBRATION_IMAGES),
        help=f"Images to use at most.  [default: {_CALIBRATION.most}]",
    ),
    click.option(
        "--calibration-method", "method", type=click.Choice(METHODS),
        help=f"How ranges follow from what is seen.  [default: {_CALIBRATION.method}]",
    ),
    click.option(
        "--percentile", type=Finite(*PERCENTILES),
        help=f"Part of the magnitudes to cover, for the method of that name.  [default: {_CALIBRATION.percentile}]",
    ),
    click.option(
        "--qdq", "placement", type=click.Choice(PLACEMENTS),
        help="Where INT8 puts Q/DQ, without --for; `openvino` beside --for cpu too.",
    ),
    click.option(
        "--rest", type=click.Choice(tuple(COMPUTE)),
        help="Type of what INT8 and FP8 leave.  [default: fp16 on GPUs, else fp32]",
    ),
    click.option(
        "--reduce-range", is_flag=True, help="Seven bits for weights: for x86 CPUs without VNNI, whose sums saturate."
    ),
)  # fmt: skip


def runtime(option: str = "--backend", name: str = "runtime", of: str = "") -> Callable[[F], F]:
    """`--backend`: what runs a model; `of` says which model, where there are two."""
    return click.option(
        option, name, type=click.Choice(RUNTIMES), metavar="NAME",
        help=f"What runs {of or 'it'}: {', '.join(RUNTIMES)}.  "
        f"[default: {suitable_runtime('')}, {suitable_runtime(ENGINE)} for an engine]",
    )  # fmt: skip


precision_hint = click.option(
    "--precision-hint", type=click.Choice(HINTS),
    help="Type that OpenVINO is asked to compute in.  [default: the file's]",
)  # fmt: skip

side = click.option(
    "--input", "side", type=click.IntRange(*SIDES), metavar="SIDE", help="Side of the square input, in pixels."
)


def with_input(texts: tuple[str, ...], side: int | None) -> tuple[str, ...]:
    """`--input SIDE` as one more `--set`."""
    return texts if side is None else (*texts, f"input.size={side}")


serving = combine_options(
    click.option(
        "--serve", is_flag=True, help="Take pixels, which the graph normalizes, in place of what the network takes."
    ),
    click.option("--serve-type", type=click.Choice(PIXEL_TYPES), help="Type of the pixels, as --set serve.type."),
    click.option("--layout", type=click.Choice(LAYOUTS), help="Where their channels stand, as --set serve.layout."),
    click.option(
        "--channel-order", type=click.Choice(CHANNEL_ORDERS), help="In which order they come, as --set serve.order."
    ),
    click.option("--any-size", is_flag=True, help="Take pictures of any size, which the graph resizes and crops."),
    click.option(
        "--serve-outputs", metavar="NAME,...",
        help=f"What comes out: {', '.join(SERVED_WORDS)}, a stage's map; as --set serve.outputs.",
    ),
    click.option("--labels", type=FILE, help="Names of the classes: a text file, one a line; as --set serve.labels."),
)  # fmt: skip
"""What a file takes and outputs, as settings of its spec."""


def with_serving(texts: tuple[str, ...], choices: dict[str, Any]) -> tuple[str, ...]:
    """The options of `serving`, taken out of `choices`, as more `--set`s."""
    given = {name: choices.pop(name) for name in _SERVING}
    if given["serve_outputs"] is not None and not given["serve_outputs"].strip():
        raise refuse("--serve-outputs: no output is named", hint="leave it out for those of the network")
    keys = {key: given[name] for name, key in _SERVING.items() if key and given[name]}
    if "size" in keys:
        keys["size"] = "any"
    if "outputs" in keys:
        keys["outputs"] = [name.strip() for name in keys["outputs"].split(",")]
    if not (keys or given["serve"]):
        return texts
    import json  # which help does without

    laid = (f"serve.{key}={json.dumps(str(value) if key == 'labels' else value)}" for key, value in keys.items())
    return (*texts, "serve={}", *laid)


_SERVING = {
    "serve": "", "serve_type": "type", "layout": "layout", "channel_order": "order", "any_size": "size",
    "serve_outputs": "outputs", "labels": "labels",
}  # fmt: skip
"""The key of `serve` that each option sets."""


def natural_numbers(text: str, option: str) -> tuple[int, ...]:
    """Numbers separated by commas, in rising order; raises `Refused` for anything else."""
    parts = text.split(",")
    if not all(re.fullmatch("[0-9]{1,9}", part.strip()) for part in parts):
        raise refuse(f"{option}: '{shorten(text)}' is not a list of numbers", hint=f"write {option} 86,89")
    return tuple(sorted({int(part) for part in parts}))
