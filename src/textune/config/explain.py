"""Validation errors as problems: where, what was given, what is allowed, what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from textune.config.base import Config
from textune.config.files import Document
from textune.config.tree import follow
from textune.errors import Problem, quoted, suggestion
from textune.registry import kinds

__all__ = ["explain", "sentence", "unknown_setting"]

_MUST_BE = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text (numbers and true/false need quotes)",
    "dict_type": "a mapping",
    "model_type": "a mapping of settings",
    "tuple_type": "a list",
    "list_type": "a list",
}
_BOUNDS = {
    "greater_than_equal": ("at least", "ge"),
    "greater_than": ("greater than", "gt"),
    "less_than_equal": ("at most", "le"),
    "less_than": ("less than", "lt"),
}
_WAYS: Mapping[tuple[str | int, ...], str] = {
    ("data",): "write data: {path: reviews.csv} for a file of your own, or data: {kind: KIND} for other data (run "
    "textune kinds data to list the kinds), or pass a DataFrame to textune.run",
}
"""How to give a setting that has no default."""


def explain(error: ValidationError, document: Document) -> list[Problem]:
    """Returns one problem per error, in the order of the file."""
    problems = []
    for detail in error.errors(include_url=False):
        path = _known_part(detail["loc"], document.values)
        line_path = (*path, "kind") if detail["type"] == "unknown_kind" else path
        problems.append(
            Problem(document.where(line_path), ".".join(map(str, path)), sentence(detail, document.values, path))
        )
    return problems


def sentence(detail: ErrorDetails, settings: Mapping[str, Any], path: tuple[str | int, ...]) -> str:
    """Returns what is wrong with one value and what is allowed."""
    kind, context = detail["type"], detail.get("ctx", {})
    given = quoted(detail["input"])
    if kind == "extra_forbidden":
        return unknown_setting(settings, path)
    if kind == "missing" or (kind == "component" and detail["input"] is None and path in _WAYS):
        return f"is missing; {_WAYS.get(path, 'set it')}"
    if kind == "unknown_kind" and path == ("data",) and isinstance(detail["input"], str) and "." in detail["input"]:
        return f"is {given}, which is no kind of data; for a file or folder write data: {{path: {detail['input']}}}"
    if kind in _MUST_BE:
        return f"must be {_MUST_BE[kind]}, not {given}"
    if kind in _BOUNDS:
        words, key = _BOUNDS[kind]
        return f"must be {words} {context[key]}, not {given}"
    if kind == "literal_error":
        return f"is {given}; allowed: {str(context['expected']).replace(' or ', ', ')}{_hint(detail['input'], context)}"
    if kind == "string_pattern_mismatch":
        return f"is {given}; allowed are letters, digits, '.', '_' and '-' (pattern {context['pattern']})"
    if kind == "value_error":
        return str(context["error"])
    message = detail["msg"]
    return message if kind in ("unknown_kind", "component") else f"{message[0].lower()}{message[1:]}, not {given}"


def unknown_setting(settings: Mapping[str, Any], path: tuple[str | int, ...]) -> str:
    """Returns the sentence for a setting that its owner does not have."""
    place = follow(settings, path)
    if place is None:
        return "there is no such setting"
    names = [*(["kind"] if place.owner.kind else []), *place.owner.model_fields]
    others = [f"'{kind}'" for kind, cls in _kinds_beside(place.owner).items() if path[-1] in cls.model_fields]
    hint = f"; {place.owner.role} {' and '.join(others)} has it" if others else suggestion(str(path[-1]), names)
    allowed = "" if hint else f"; it has: {', '.join(names)}" if names else "; it has no settings"
    return f"{place.owner_name} has no such setting{hint}{allowed}"


def _kinds_beside(owner: type[Config]) -> Mapping[str, type[Config]]:
    """Returns the config classes of a component's role, by kind; none for a section."""
    return kinds(owner.role) if owner.role else {}


def _known_part(location: tuple[int | str, ...], values: Any) -> tuple[int | str, ...]:
    """Drops what pydantic adds behind the path of a value (the branch of a union it tried)."""
    path: list[int | str] = []
    for part in location:
        path.append(part)
        if isinstance(values, Mapping):
            values = values.get(part, {}) if part in values else None
        elif isinstance(values, list | tuple) and isinstance(part, int):
            values = values[part] if part < len(values) else None
        else:
            values = None
        if values is None:
            break
        if not isinstance(values, Mapping | list | tuple):
            break
    return tuple(path)


def _hint(given: Any, context: Mapping[str, Any]) -> str:
    allowed = [word.strip(" '\"") for word in str(context["expected"]).replace(" or ", ",").split(",")]
    return suggestion(given, allowed) if isinstance(given, str) else ""
