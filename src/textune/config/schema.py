"""The JSON schema of study files, for editors; generated from the configs and the registry."""

from __future__ import annotations

import json
from typing import Any

from textune.config.base import ROLE_KEY
from textune.config.study import StudyConfig
from textune.registry import ROLES, kinds

__all__ = ["schema_text", "study_schema"]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def study_schema() -> dict[str, Any]:
    """Returns the schema of a study file with every kind that is registered.

    It knows keys, types and bounds. What depends on several settings, such as the paths of a space, is for `check`.
    """
    schema = StudyConfig.model_json_schema()
    definitions = schema.pop("$defs")
    for role in ROLES:
        definitions[role] = {"anyOf": [{"enum": list(kinds(role))}, *(_reference(role, kind) for kind in kinds(role))]}
        for kind, config in kinds(role).items():
            definition = config.model_json_schema()
            definitions.update(definition.pop("$defs", {}))
            definitions[f"{role}.{kind}"] = _component(role, kind, definition)
    schema["properties"]["search"] = _one_or_list(schema["properties"]["search"])
    definitions["DimensionConfig"] = _dimension(definitions["DimensionConfig"])
    linked: dict[str, Any] = _linked({**schema, "$defs": definitions})
    return {"$schema": DIALECT, "title": "Textune study", **linked}


def schema_text() -> str:
    """Returns the schema as it stands in `schema/study.schema.json`."""
    return json.dumps(study_schema(), indent=2, ensure_ascii=False) + "\n"


def _reference(role: str, kind: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{role}.{kind}"}


def _component(role: str, kind: str, definition: dict[str, Any]) -> dict[str, Any]:
    """Adds `kind`, which only the role's default kind can do without."""
    named = {"kind": {"const": kind, "description": f"this {role}"}}
    properties = {**named, **definition.get("properties", {})}
    return {**definition, "properties": properties, "required": [] if kind == ROLES[role].default else ["kind"]}


def _dimension(definition: dict[str, Any]) -> dict[str, Any]:
    """A range has both ends, a choice its values; a list is a choice. Unused settings of the other form are null."""
    choices = {"type": "array", "minItems": 1}
    ends = {end: {"type": "number"} for end in ("low", "high")}
    forms = [
        {"required": ["low", "high"], "properties": {**ends, "values": {"type": "null"}}},
        {"required": ["values"], "properties": {"values": choices}},
    ]
    return {"anyOf": [choices, {**definition, "anyOf": forms}]}


def _one_or_list(setting: dict[str, Any]) -> dict[str, Any]:
    """Says which of the two a value is meant to be, so that an editor shows what is wrong inside it."""
    one, several = setting["anyOf"]
    rest = {key: value for key, value in setting.items() if key != "anyOf"}
    return {**rest, "if": {"type": "array"}, "then": several, "else": one}


def _linked(schema: Any) -> Any:
    """Points the fields that components fill at the kinds of their role, and drops titles that repeat names."""
    if isinstance(schema, list):
        return [_linked(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    linked = {key: _linked(value) for key, value in schema.items() if key != "title" or not isinstance(value, str)}
    role = linked.pop(ROLE_KEY, None)
    return linked if role is None else {"$ref": f"#/$defs/{role}", **linked}
