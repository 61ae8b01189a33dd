"""The options of `build` that say how an engine is built: one for each in the table of `language.engine_options`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from resnet_gen.cli import options
from resnet_gen.language.engine_options import OPTIONS, EngineOption
from resnet_gen.problems import Bounds


def _make_option(option: EngineOption) -> Callable[[options.F], options.F]:
    if option.kind == "switch":
        name = option.option.removeprefix("--")
        return click.option(f"--{name}/--no-{name}", option.key, default=None, help=option.help)
    if option.kind == "flags":
        return click.option(option.option, option.key, multiple=True, metavar="FLAG", help=f"{option.help} Repeatable.")
    if isinstance(option.values, Bounds):
        return click.option(option.option, option.key, type=click.IntRange(*option.values), help=option.help)
    if option.values:
        return click.option(option.option, option.key, type=click.Choice(option.values), help=option.help)
    return click.option(option.option, option.key, type=options.FILE, help=option.help)


engine = options.combine_options(*(_make_option(option) for option in OPTIONS.values() if option.kind != "profiles"))
"""All of them; profiles are `--min-shapes` and its two others."""


def take_settings(choices: dict[str, Any]) -> dict[str, Any]:
    """What was said with these options, taken out of all that was said."""
    found = {key: choices.pop(key) for key in OPTIONS if key in choices}
    said = {key: value for key, value in found.items() if value not in (None, ())}
    if "timing_cache" in said:
        said["timing_cache"] = str(said["timing_cache"])
    return said
