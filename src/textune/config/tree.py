"""Where a dotted path leads: through sections and components to a setting, its type and its owner.

A study's settings are a tree of plain values as given (nothing filled in); which settings a component has depends on
its kind, so a path is always followed together with a tree.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from pydantic.fields import FieldInfo

from textune.config.base import Component, Config, kind_and_settings
from textune.config.study import StudyConfig
from textune.registry import lookup

__all__ = ["Place", "assign", "follow", "value_at"]

Settings = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where a path leads.

    Attributes:
        owner: the config class that has the last part of the path as a setting (or would have it).
        owner_name: how a message calls it: `encoder 'rnn'`, `training`, `a study`.
        field: the setting; None if the owner has none of that name, or the path ends in `kind`.
        role: the role if a component fills the place.
    """

    owner: type[Config]
    owner_name: str
    field: FieldInfo | None = None
    role: str | None = None


def follow(settings: Mapping[str, Any], path: tuple[str | int, ...]) -> Place | None:
    """Returns where the path leads, or None if it goes on below a plain value or a kind that does not exist."""
    place = Place(StudyConfig, "a study")
    value: Any = settings
    cls: type[Config] | None = StudyConfig
    name = "a study"
    for index, part in enumerate(path):
        if cls is None:
            return None
        if isinstance(part, int) and isinstance(value, list):  # a stage of the search: each is of the one class
            if not 0 <= part < len(value):
                return None
            value, name = value[part], ".".join(map(str, path[: index + 1]))
            continue
        if part == "kind" and cls.kind:
            return Place(cls, name) if index == len(path) - 1 else None
        field = cls.model_fields.get(str(part))
        place = Place(cls, name, field, _role(field))
        if field is None:
            return place if index == len(path) - 1 else None
        value = _child(value, part)
        if place.role is not None:
            kind, _ = kind_and_settings(place.role, value if isinstance(value, str | Mapping) else {})
            cls = lookup(place.role, kind) if isinstance(kind, str) else None
            name = f"{place.role} '{kind}'"
        else:
            cls = _section(field)
            name = ".".join(map(str, path[: index + 1]))
    return place


def _role(field: FieldInfo | None) -> str | None:
    if field is None:
        return None
    return next((mark.role for mark in field.metadata if isinstance(mark, Component)), None)


def _section(field: FieldInfo) -> type[Config] | None:
    annotation = field.annotation
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Config):
            return candidate
    return None


def _child(value: Any, part: str | int) -> Any:
    return value.get(part, {}) if isinstance(value, Mapping) else {}


def value_at(values: Mapping[str, Any], path: str) -> Any:
    """Returns the value at a dotted path of a dumped config (a component's is its kind), or None if there is none."""
    value: Any = values
    for part in path.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value["kind"] if isinstance(value, Mapping) and "kind" in value else value


def assign(settings: Settings, path: str, value: Any) -> list[str]:
    """Puts a value at a dotted path of a settings tree, in place, and returns the paths that this dropped.

    A component given as a mapping without `kind`, or with the kind it has, is merged. One of another kind (also by
    `….kind`) keeps those given settings that the new kind has too, and takes its defaults for the rest.
    """
    parts = path.split(".")
    if parts[-1] == "kind" and len(parts) > 1:
        place = follow(settings, tuple(parts[:-1]))
        if place is not None and place.role is not None:
            return assign(settings, ".".join(parts[:-1]), {"kind": value})
    parent = _parent(settings, parts)
    place = follow(settings, tuple(parts))
    if place is None or place.role is None or not isinstance(value, str | Mapping):
        parent[parts[-1]] = copy.deepcopy(value)
        return []
    parent[parts[-1]], dropped = _merge_component(place.role, parent.get(parts[-1], {}), value)
    return [f"{path}.{name}" for name in dropped]


def _parent(settings: Settings, parts: list[str]) -> Settings:
    node = settings
    for depth, part in enumerate(parts[:-1], 1):
        child = node.get(part)
        place = follow(settings, tuple(parts[:depth])) if isinstance(child, str) else None
        if place is not None and place.role is not None:  # the kind alone, as text
            child = {"kind": child}
        node[part] = child if isinstance(child, dict) else {}
        node = node[part]
    return node


def _merge_component(role: str, old: Any, new: str | Mapping[str, Any]) -> tuple[Settings, list[str]]:
    old_kind, old_settings = kind_and_settings(role, old if isinstance(old, str | Mapping) else {})
    new_settings = {"kind": new} if isinstance(new, str) else dict(new)
    new_kind = new_settings.pop("kind", old_kind)
    dropped: list[str] = []
    if new_kind != old_kind:
        cls = lookup(role, new_kind) if isinstance(new_kind, str) else None
        known = cls.model_fields if cls is not None else {}
        dropped = [name for name in old_settings if name not in known]
        old_settings = {name: value for name, value in old_settings.items() if name in known}
    return {"kind": new_kind, **_merge(old_settings, new_settings)}, dropped


def _merge(old: Mapping[str, Any], new: Mapping[str, Any]) -> Settings:
    merged = copy.deepcopy(dict(old))
    for name, value in new.items():
        if isinstance(value, Mapping) and isinstance(merged.get(name), Mapping):
            merged[name] = _merge(merged[name], value)
        else:
            merged[name] = copy.deepcopy(value)
    return merged
