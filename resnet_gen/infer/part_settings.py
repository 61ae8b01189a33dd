"""Parts by their kind and plain settings, as a specification would name them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any, TypeAlias, TypeVar, cast

from pydantic import ValidationError

from resnet_gen.ops import Activation
from resnet_gen.parts.base import ActivationPart, Part
from resnet_gen.parts.registry import members

P = TypeVar("P", bound=Part)
Choice: TypeAlias = tuple[str, Mapping[str, Any]]
"""A kind, and settings."""


def make_part(family: Callable[..., P], kind: str, settings: Mapping[str, Any]) -> P | None:
    """The part of a family with these settings; None where the language does not allow them."""
    return cast("P | None", _make_cached_part(cast("type[Part]", family), kind, json.dumps(settings)))


def allowed_parts(family: Callable[..., P], choices: Iterable[Choice]) -> Iterator[P]:
    """The parts of a family of these kinds, with these settings, that the language allows."""
    made = (make_part(family, kind, settings) for kind, settings in choices)
    return (one for one in made if one is not None)


@lru_cache(maxsize=4_096)
def _make_cached_part(family: type[Part], kind: str, settings: str) -> Part | None:
    found = next((member for member in members(family) if member.kind_name() == kind), None)
    try:
        return found.model_validate({"kind": kind, **json.loads(settings)}) if found else None
    except ValidationError:
        return None


_ACTIVATION_SETTINGS = {"leaky_relu": "slope", "elu": "alpha"}
"""Activations with a setting, and what it is called."""


def activation_part(op: Activation) -> ActivationPart | None:
    """The part that an operation is; None where the language has none."""
    setting = _ACTIVATION_SETTINGS.get(op.function)
    return make_part(ActivationPart, op.function, {setting: op.slope} if setting else {})


def part_data(part: Part, *always: str) -> str | dict[str, Any]:
    """A part as a specification writes it: its kind, with the settings that are not its defaults and those `always`."""
    plain = part.model_dump(mode="json")
    data = {key: part_data(value) if isinstance(value, Part) else plain[key] for key, value in part}
    usual = {name: field.default for name, field in type(part).model_fields.items()}
    shown = {key: value for key, value in data.items() if key in always or getattr(part, key) != usual[key]}
    shown.pop("kind", None)
    return {"kind": part.kind_name(), **shown} if shown else part.kind_name()
