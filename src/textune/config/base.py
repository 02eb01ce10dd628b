"""The base of every config, and the type of a field that a component fills."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError, core_schema

from textune.errors import TextuneError, suggestion
from textune.registry import ROLES, kinds, lookup

__all__ = ["DEFAULT", "ROLE_KEY", "Component", "Config", "kind_and_settings"]


class Config(BaseModel):
    """Validated, frozen settings; unknown keys are errors.

    Every field has a description, and a default unless it is the study's `data`. Types are strict: a number in quotes
    is text, `true` is no number, `3.0` is no integer; an integer is a float. A subclass registered under a role knows
    its `role` and `kind`, and usually has a `build()`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)

    role: ClassVar[str] = ""
    kind: ClassVar[str] = ""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: Any) -> None:
        """Refuses a setting that would stand in for what Textune asks every component of its role."""
        taken = [name for name in cls.model_fields if any(hasattr(base, name) for base in cls.__bases__)]
        if taken:
            parent = cls.__mro__[1].__name__
            raise TextuneError(
                f"{cls.__name__} has a setting named '{taken[0]}', which its base class {parent} already uses; rename "
                "the setting"
            )

    def dump(self) -> dict[str, Any]:
        """Returns the settings as JSON values, `kind` first; `validate(dump())` gives an equal config."""
        settings = self.model_dump(mode="json")
        return {"kind": self.kind, **settings} if self.kind else settings


class Component:
    """Marks a field that takes any kind of a role: a mapping with `kind`, or the kind alone as text."""

    def __init__(self, role: str) -> None:
        self.role = role

    def validate(self, value: Any) -> Config:
        if isinstance(value, Config) and value.role == self.role:
            return value
        if not isinstance(value, str | Mapping):
            raise PydanticCustomError("component", "must be a mapping with 'kind', or a kind: {kinds}", self._context())
        kind, settings = kind_and_settings(self.role, value)
        cls = lookup(self.role, kind) if isinstance(kind, str) else None
        if cls is None:
            raise PydanticCustomError(
                "unknown_kind",
                "{role} '{given}' is not available{hint}; available: {kinds}",
                {**self._context(), "given": str(kind), "hint": suggestion(str(kind), list(kinds(self.role)))},
            )
        config: Config = cls.model_validate(settings)
        return config

    def _context(self) -> dict[str, Any]:
        return {"role": self.role, "kinds": ", ".join(kinds(self.role))}

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.validate,
            serialization=core_schema.plain_serializer_function_ser_schema(lambda config: config.dump()),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {ROLE_KEY: self.role, "description": ROLES[self.role].summary}


ROLE_KEY = "x-role"
"""Names a field's role in the JSON schema of a config, which knows no kinds; `schema` puts in what they are."""

DEFAULT: Any = Field(default={}, validate_default=True)
"""The default of a component field: the role's default kind with its default settings."""


def kind_and_settings(role: str, value: str | Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Splits what a study file gives for a component into its kind (the role's default if unnamed) and its settings."""
    if isinstance(value, str):
        return value, {}
    settings = dict(value)
    return settings.pop("kind", ROLES[role].default), settings
