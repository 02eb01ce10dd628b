"""Prints the study-file reference (docs/study-file.md) from the configs themselves: `make generated`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textune.config.base import ROLE_KEY, Config
from textune.config.study import (
    ConfirmConfig,
    DimensionConfig,
    EarlyStoppingConfig,
    ModelConfig,
    SearchConfig,
    ShortConfig,
    StudyConfig,
    TrainingConfig,
)
from textune.registry import ROLES, kinds

HEAD = Path(__file__).with_name("study-file.head.md")
SECTIONS: dict[str, type[Config]] = {
    "top level": StudyConfig,
    "model": ModelConfig,
    "training": TrainingConfig,
    "training.early_stopping": EarlyStoppingConfig,
    "search": SearchConfig,
    "search.space": DimensionConfig,
    "short": ShortConfig,
    "confirm": ConfirmConfig,
}
WORDS = {"integer": "whole number", "string": "text", "boolean": "true, false", "array": "list", "object": "mapping"}
LIMITS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def main() -> None:
    """Prints the page."""
    print(HEAD.read_text(encoding="utf-8"))
    for title, config in SECTIONS.items():
        print(f"## {title}\n\n{config.__doc__}\n")
        print_settings(config)
    for role in ROLES.values():
        print(f"## {role.name}\n\nA role: {role.summary}.\n")
        for kind, config in kinds(role.name).items():
            default = " (default)" if kind == role.default else ""
            print(f"### {role.name} `{kind}`{default}\n\n{paragraph(config.__doc__)}\n")
            print_settings(config)


def print_settings(config: type[Config]) -> None:
    """Prints a table of settings."""
    if not config.model_fields:
        print("No settings.\n")
        return
    print("| setting | allowed | default | |\n|---|---|---|---|")
    for name, schema in config.model_json_schema()["properties"].items():
        role = schema.get(ROLE_KEY)
        default = f"`{ROLES[role].default}`" if role else shown(schema.get("default"))
        if config.model_fields[name].is_required():
            default = "required"
        description = schema["description"].replace("|", "\\|")
        print(f"| `{name}` | {allowed_values(schema)} | {default} | {description} |")
    print()


def allowed_values(schema: dict[str, Any]) -> str:
    """Says in words what a JSON schema allows."""
    match schema:
        case {"anyOf": alternatives}:
            return " or ".join(allowed_values(each) for each in alternatives)
        case {"enum": values}:
            return ", ".join(f"`{value}`" for value in values)
        case {"const": value}:
            return f"`{value}`"
        case {"$ref": reference}:
            return next(link(title) for title, config in SECTIONS.items() if reference.endswith(f"/{config.__name__}"))
        case {"x-role": role}:
            return link(role)
        case {"type": "array", "items": items} if items:
            return f"list of {allowed_values(items)}"
        case {"type": "object", "additionalProperties": {"$ref": _} as values}:
            return f"path: {allowed_values(values)}"
    limits = [f"{sign} {schema[key]}" for key, sign in LIMITS.items() if key in schema]
    word = WORDS.get(schema.get("type", ""), schema.get("type", "any"))
    return " ".join([word, ", ".join(limits)]).strip()


def link(title: str) -> str:
    """Links to the section of that title, whose anchor is the title without its full stops."""
    return f"[{title}](#{title.replace('.', '')})"


def paragraph(text: str | None) -> str:
    """Puts a docstring flush left."""
    return "\n".join(line.strip() for line in (text or "").strip().splitlines())


def shown(value: Any) -> str:
    """Shows a default."""
    if value in ({}, []):
        return ""
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    return f"`{'null' if value is None else str(value).lower() if isinstance(value, bool) else value}`"


if __name__ == "__main__":
    main()
