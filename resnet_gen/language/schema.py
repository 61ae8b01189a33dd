"""The JSON Schema of the specification language."""

from __future__ import annotations

from typing import Any

from resnet_gen.language.spec import Spec, know_every_part


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a spec file, with descriptions, for editors and CI.

    A spec that extends another may leave out what it inherits, so that only `name` is required where `extends` stands.
    """
    know_every_part()
    schema = Spec.model_json_schema()
    stages = schema["$defs"]["Stages"]
    for definition in schema["$defs"].values():
        _describe_kind(definition)
    inner = {"required": stages.pop("required"), "properties": _without_kinds(stages)}
    whole = {
        "required": [key for key in schema.pop("required") if key != "name"],
        "properties": {**_without_kinds(schema), "stages": inner},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "required": ["name"],
        "if": {"not": {"required": ["extends"]}},
        "then": whole,
    }


def _describe_kind(definition: dict[str, Any]) -> None:
    """The word for a part is described as the part is."""
    kind = definition["properties"].get("kind")
    if kind:
        kind["description"] = definition.get("description", "A part of one's own.")


def _without_kinds(model: dict[str, Any]) -> dict[str, Any]:
    """Let parts leave out their `kind`, as in a child that changes one setting; returns what forbids it elsewhere."""
    strict = {}
    for key, value in model["properties"].items():
        for choice in value.get("anyOf", ()):
            if choice.pop("discriminator", None):
                choice["anyOf"] = choice.pop("oneOf")
                strict[key] = {"required": ["kind"]}
    return strict
