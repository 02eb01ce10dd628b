"""The JSON schema of study files, for editors; generated from the configs and the registry."""

from __future__ import annotations

import json
from typing import Any

from textune.config.study import StudyConfig
from textune.registry import ROLES, kinds

__all__ = ["schema_text", "study_schema"]


def study_schema() -> dict[str, Any]:
    """Returns the schema of a study file with every kind that is registered."""
    schema = StudyConfig.model_json_schema()
    definitions = schema.setdefault("$defs", {})
    for role in ROLES:
        names = list(kinds(role))
        definitions[role] = {"anyOf": [{"enum": names}, *({"$ref": f"#/$defs/{role}.{kind}"} for kind in names)]}
        for kind, cls in kinds(role).items():
            definition = cls.model_json_schema()
            definitions.update(definition.pop("$defs", {}))
            required = [] if kind == ROLES[role].default else ["kind"]
            properties = {"kind": {"const": kind}, **definition.get("properties", {})}
            definitions[f"{role}.{kind}"] = {**definition, "properties": properties, "required": required}
    dimension = definitions["DimensionConfig"]
    definitions["DimensionConfig"] = {"anyOf": [{"type": "array", "minItems": 1}, dimension]}
    schema["properties"]["plugins"]["items"] = {"type": "string"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "Textune study"}


def schema_text() -> str:
    """Returns the schema as it stands in `schema/study.schema.json`."""
    return json.dumps(study_schema(), indent=2, ensure_ascii=False) + "\n"
