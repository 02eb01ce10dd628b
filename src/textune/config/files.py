"""Study files: YAML or JSON text to plain values, with the line of every setting.

The YAML read here is the JSON-like core of YAML 1.2: `1e-3` is a number, `no` and `2024-01-01` are text, only `true`
and `false` are booleans; a key given twice is an error, and aliases cannot grow a small file into a large one. The size
of a file is bounded while it is parsed, far above what a study needs, so that another file is refused at once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from textune.errors import Problem, StudyError

__all__ = [
    "MAX_BYTES",
    "MAX_DEPTH",
    "MAX_INTEGER",
    "MAX_NODES",
    "TOO_LONG",
    "Document",
    "StudyLoader",
    "parse",
    "parse_value",
    "too_long",
    "too_much",
]

Path = tuple[str | int, ...]
MAX_NODES = 5_000
"""Keys and values. Each value of a choice is tried out in the study, which takes a fraction of a millisecond."""

MAX_DEPTH = 50
MAX_BYTES = 200_000
MAX_INTEGER = 2**63 - 1
TOO_LONG = f"is a number of too many digits; whole numbers go up to {MAX_INTEGER:,}"


@dataclass(frozen=True)
class Document:
    """A parsed study file: its values, the line on which each path stands, and the paths that `--set` gave since."""

    values: dict[str, Any]
    source: str = "study"
    lines: Mapping[Path, int] = field(default_factory=dict)
    overridden: set[Path] = field(default_factory=set)

    def where(self, path: Path) -> str:
        """Returns `file:line` (or `--set`) of the path, or of the nearest one above it."""
        for end in range(len(path), -1, -1):
            if path[:end] in self.overridden:
                return "--set"
            if path[:end] in self.lines:
                return f"{self.source}:{self.lines[path[:end]]}"
        return self.source


class _TooManyNodesError(Exception):
    """Ends the parsing of a study that has more nodes than any needs."""


class StudyLoader(yaml.SafeLoader):
    """PyYAML's parser with YAML 1.2's idea of what a plain word means, and a bound on how much it takes in."""

    _num_nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._num_nodes += 1
        if self._num_nodes > MAX_NODES:
            raise _TooManyNodesError
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML reads it from the class


for _tag, _pattern, _first in (
    ("null", r"~|null|", ["~", "n", ""]),
    ("bool", r"true|false", list("tf")),
    ("int", r"[-+]?[0-9]+|0x[0-9a-fA-F]+|0o[0-7]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?|[-+]?[0-9]+[eE][-+]?[0-9]+|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
):
    StudyLoader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), _first)


_TAGS = frozenset(f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "str", "seq", "map"))


def parse(text: str, source: str = "study", *, as_json: bool = False) -> Document:
    """Parses a study file.

    Raises:
        StudyError: the text is no YAML (or JSON), no mapping, names a key twice, or is nested beyond reason.
    """
    builder = _Builder(source)
    if as_json:
        values = _json(text, source)
        # JSON is YAML once tabs and characters that YAML wants escaped are gone: the line numbers come from there
        text = text.replace("\t", " ").replace("\x7f", "\\x7f").encode("ascii", "backslashreplace").decode()
        builder.build(_compose(text, source))
    else:
        values = builder.build(_compose(text, source)) or {}
    if not isinstance(values, dict):
        builder.problem((), "must be a mapping of settings, such as 'training: {epochs: 3}'")
    builder.refuse_half_characters(values)
    if builder.problems:
        raise StudyError(builder.problems)
    return Document(values, source, builder.lines)


def parse_value(text: str, source: str = "--set") -> Any:
    """Parses one value as it would be read in a study file: `1e-3`, `[a, b]`, `{kind: rnn}`."""
    builder = _Builder(source)
    value = builder.build(_compose(text, source))
    builder.refuse_half_characters(value)
    if builder.problems:
        raise StudyError(builder.problems)
    return value


def _compose(text: str, source: str) -> yaml.Node | None:
    if len(text) > MAX_BYTES:
        raise too_long(source)
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=StudyLoader)
    except _TooManyNodesError:
        raise too_much(source, MAX_NODES + 1) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{source}:{mark.line + 1}" if mark else source
        raise StudyError([Problem(where, "", f"is not valid YAML: {error.problem or error}")]) from error
    except (yaml.YAMLError, ValueError, OverflowError) as error:
        reason = getattr(error, "reason", error)
        raise StudyError([Problem(source, "", f"is not valid YAML: {reason}")]) from error
    except RecursionError as error:
        raise StudyError([Problem(source, "", f"is nested deeper than {MAX_DEPTH} levels")]) from error
    return node


def _json(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise StudyError([Problem(f"{source}:{error.lineno}", "", f"is not valid JSON: {error.msg}")]) from error
    except RecursionError as error:
        raise StudyError([Problem(source, "", f"is nested deeper than {MAX_DEPTH} levels")]) from error
    except ValueError as error:
        raise StudyError([Problem(source, "", f"is not valid JSON: {error}")]) from error


def too_long(source: str) -> StudyError:
    """Returns the error of a study of more bytes than any needs."""
    message = f"is larger than {MAX_BYTES:,} bytes; a study file is a few kilobytes, so check that this is one"
    return StudyError([Problem(source, "", message)])


def too_much(source: str, num_values: int) -> StudyError:
    """Returns the error of a study that has too many values, or else is nested too deeply."""
    limit = f"{MAX_NODES:,} keys and values" if num_values > MAX_NODES else f"{MAX_DEPTH} levels"
    advice = "check that it is a study file, and that aliases in it do not refer to each other"
    return StudyError([Problem(source, "", f"has more than {limit}; {advice}")])


class _Builder:
    """Turns composed nodes into values, noting the line of every path and every problem."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: dict[Path, int] = {}
        self.problems: list[Problem] = []
        self._num_nodes = 0

    def problem(self, path: Path, message: str) -> None:
        line = self.lines.get(path)
        where = f"{self.source}:{line}" if line else self.source
        self.problems.append(Problem(where, ".".join(map(str, path)), message))

    def build(self, node: yaml.Node | None, path: Path = ()) -> Any:
        if node is None:
            return None
        self._num_nodes += 1
        if self._num_nodes > MAX_NODES or len(path) > MAX_DEPTH:
            raise too_much(self.source, self._num_nodes)
        self.lines.setdefault(path, node.start_mark.line + 1)
        if node.tag not in _TAGS:
            self.problem(path, f"has the YAML tag '{node.tag}'; only text, numbers, lists and mappings are allowed")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._scalar(node, path)

    def refuse_half_characters(self, value: Any, path: Path = ()) -> None:
        """Half of a surrogate pair, which an escape such as "\\ud800" gives, can be written nowhere."""
        if isinstance(value, str) and not value.isascii():
            try:
                value.encode()
            except UnicodeEncodeError:
                self.problem(path, "holds half of a surrogate pair, which is no text")
        elif isinstance(value, Mapping):
            for key, each in value.items():
                self.refuse_half_characters(key, path)
                self.refuse_half_characters(each, (*path, key))
        elif isinstance(value, list):
            for index, each in enumerate(value):
                self.refuse_half_characters(each, (*path, index))

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._scalar(key_node, path) if isinstance(key_node, yaml.ScalarNode) else None
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                self.problems.append(Problem(f"{self.source}:{line}", ".".join(map(str, path)), "keys must be text"))
                continue
            if key in values:
                first = self.lines[(*path, key)]
                name = ".".join(map(str, (*path, key)))
                self.problems.append(Problem(f"{self.source}:{line}", name, f"is given twice; first on line {first}"))
                continue
            self.lines[(*path, key)] = line
            values[key] = self.build(value_node, (*path, key))
        return values

    def _scalar(self, node: yaml.Node, path: Path) -> Any:
        tag, text = node.tag.removeprefix("tag:yaml.org,2002:"), str(node.value)
        if tag == "null":
            return None
        if tag == "bool":
            return text == "true"
        if tag in ("int", "float"):
            return self._number(tag, text, path)
        return text

    def _number(self, tag: str, text: str, path: Path) -> int | float | None:
        try:
            if tag == "float":
                return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
            number = int(text, 0 if text[:2] in ("0x", "0o") else 10)
        except ValueError:  # what a tag calls a number, or more digits than Python converts
            self.problem(path, "is a number that cannot be read (too many digits?)")
            return None
        if abs(number) > MAX_INTEGER:
            self.problem(path, TOO_LONG)
            return None
        return number
