"""The JSON Schema of the specification language."""

from __future__ import annotations

from typing import Any

from resnet_gen.spec import Spec


def json_schema() -> dict[str, Any]:
    """JSON Schema (draft 2020-12) of a spec file, with descriptions, for editors and CI.

    A spec that extends another may leave out what it inherits, so that only
    `name` is required where `extends` stands.
    """
    schema = Spec.model_json_schema()
    required = [key for key in schema.pop("required") if key != "name"]
    complete: dict[str, Any] = {"required": required, "properties": {"stages": {"required": ["depths", "widths", "block"]}}}
    schema["$defs"]["Stages"].pop("required")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "required": ["name"],
        "if": {"not": {"required": ["extends"]}},
        "then": complete,
    }
