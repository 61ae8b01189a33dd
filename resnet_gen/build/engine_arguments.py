"""Options of an engine's build as the command line and Python give them, checked as those of a file are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from resnet_gen.language.engine_options import OPTIONS
from resnet_gen.language.engine_settings import AS_ANY_PATH, EngineSettings
from resnet_gen.language.faults import find_problems
from resnet_gen.language.source import Source
from resnet_gen.problems import Problem, Refused


def read_settings(given: Mapping[str, Any], shown: str | None = None) -> EngineSettings:
    """The settings; raises `Refused` for what is none, called `shown.key`, or without it as the command line has it."""
    try:
        return EngineSettings.model_validate(dict(given), context=AS_ANY_PATH)
    except ValidationError as error:
        source = Source(dict(given), {})
        problems = find_problems(error.errors(include_url=False), source, EngineSettings)
        raise Refused(_rename(problem, shown) for problem in problems) from None


def _rename(problem: Problem, shown: str | None) -> Problem:
    key, _, words = problem.message.partition(": ")
    first = key.partition(".")[0]
    if shown:
        return Problem(f"{shown}.{problem.message}", hint=problem.hint)
    name = OPTIONS[first].option if first in OPTIONS else key
    return Problem(f"{name}: {words}", hint=problem.hint)
