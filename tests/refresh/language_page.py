"""The reference page of the specification language, out of the models themselves."""

from __future__ import annotations

import inspect
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from resnet_gen.language.budgets import Budgets, CountBudget, LatencyBudget, SizeBudget
from resnet_gen.language.spec import Claim, Deviation, Input, Override, Spec, Stages, know_every_part
from resnet_gen.language.training import StochasticDepth, Training
from resnet_gen.parts.base import FAMILIES, Part
from resnet_gen.parts.registry import members
from resnet_gen.system.templates import render

_MODELS = (
    *(Spec, Input, Stages, Override, Claim, Deviation, Budgets, CountBudget, LatencyBudget, SizeBudget),
    *(Training, StochasticDepth),
)
_KEYS = {"WidthRule": "widths", "ActivationPart": "activation"}
_SECTIONS = {"block", "shortcut", "attention", "downsample", "widths"}


def language_page() -> str:
    """`docs/language.md`: every key, its type, default and meaning; every part and its paper."""
    know_every_part()
    models = [(_heading(m), _text(m), _rows(m)) for m in _MODELS]
    families = [(_key(f), _text(f), [_part(p) for p in members(f)]) for f in FAMILIES]
    return render("docs/language.md.jinja", models=models, families=families)


def _text(model: type[BaseModel]) -> str:
    return inspect.cleandoc(model.__doc__ or "")


def _heading(model: type[BaseModel]) -> str:
    return {
        "Spec": "The spec",
        "Override": "stages: overrides",
        "Claim": "claims",
        "Deviation": "claims: exception",
        "CountBudget": "budgets: of a count",
        "LatencyBudget": "budgets: latency",
        "SizeBudget": "budgets: onnx_size",
        "AccuracyBudget": "budgets: accuracy",
        "StochasticDepth": "training: stochastic_depth",
    }.get(model.__name__, model.__name__.lower())


def _key(family: type[Part]) -> str:
    """Where a spec names a part of this family."""
    name = _KEYS.get(family.__name__, family.__name__.lower())
    return f"stages.{name}" if name in _SECTIONS else name


def _part(part: type[Part]) -> tuple[str, str, list[tuple[str, str, str, str]]]:
    return part.kind_name(), _text(part), _rows(part)


def _rows(model: type[BaseModel]) -> list[tuple[str, str, str, str]]:
    """Name, type, default and meaning of each key."""
    properties = model.model_json_schema()["properties"]
    fields = model.model_fields.items()
    return [(n, _type(properties[n]), _default(f), f.description or "") for n, f in fields if n != "kind"]


def _type(schema: dict[str, Any]) -> str:
    """A JSON Schema type in a few words."""
    if "enum" in schema or "const" in schema:
        return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
    if "anyOf" in schema:
        words = dict.fromkeys(_type(option) for option in schema["anyOf"] if option.get("type") != "null")
        return "a part" if any("discriminator" in option for option in schema["anyOf"]) else " or ".join(words)
    if each := schema.get("prefixItems"):
        return f"list of {len(each)}: {' and '.join(dict.fromkeys(map(_type, each)))}"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    plain = {"integer": "whole number", "number": "number", "string": "text", "boolean": "true or false"}
    return plain.get(str(schema.get("type")), "mapping") + _bounds(schema)


def _bounds(schema: dict[str, Any]) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    return f", {low:.15g} to {high:.15g}" if low is not None and high is not None else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, Part):
        return f"`{value.kind}`"
    if value is None or isinstance(value, (BaseModel, dict)) or value in ("", ()):
        return ""
    if isinstance(value, tuple):
        value = list(value)
    return f"`{str(value).lower()}`"
