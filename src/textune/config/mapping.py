"""A study given as a mapping, as the text of a study file: what it means does not depend on how it was given."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import yaml

from textune.config.files import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_NODES,
    TOO_LONG,
    StudyLoader,
    too_long,
    too_much,
)
from textune.errors import Problem, StudyError

__all__ = ["study_text"]

Path = tuple[str, ...]


class _Dumper(yaml.SafeDumper):
    """PyYAML's writer, quoting the words that a study file takes for something else than text."""

    yaml_implicit_resolvers = StudyLoader.yaml_implicit_resolvers

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - what was given twice is written twice
        return True


def study_text(study: Mapping[str, Any]) -> str:
    """Returns YAML.

    Raises:
        StudyError: it holds what no study file can, such as a function; names every place.
    """
    values = _Values()
    plain = values.of(study, ())
    if values.problems:
        raise StudyError(values.problems)
    return yaml.dump(plain, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


class _Values:
    """Turns Python values into those of a study file, noting every problem."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []
        self._num_values = 0

    def of(self, value: Any, path: Path) -> Any:
        self._num_values += 1
        if self._num_values > MAX_NODES or len(path) > MAX_DEPTH:
            raise too_much("study", self._num_values)
        if isinstance(value, Mapping):
            return {self._key(key, path): self.of(each, (*path, str(key))) for key, each in value.items()}
        if isinstance(value, list | tuple):
            return [self.of(each, (*path, str(index))) for index, each in enumerate(value)]
        if isinstance(value, str) and len(value) > MAX_BYTES:
            raise too_long("study")
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if isinstance(value, int) and abs(value) > MAX_INTEGER:
            return self._problem(path, TOO_LONG)
        for kind in (bool, int, float, str):
            if isinstance(value, kind):
                return kind(value)  # text and numbers of numpy, and of enums, are some too
        if value is None:
            return None
        return self._problem(path, f"is a {type(value).__name__}; allowed are text, numbers, lists and mappings")

    def _key(self, key: Any, path: Path) -> str:
        if isinstance(key, str):
            return str(key)
        self._problem(path, "keys must be text")
        return ""

    def _problem(self, path: Path, message: str) -> None:
        self.problems.append(Problem("study", ".".join(path), message))
