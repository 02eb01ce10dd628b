"""From a study file (or a mapping) to a checked study: all problems at once, before any data is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from textune.config.explain import explain
from textune.config.files import Document, parse, parse_value
from textune.config.mapping import study_text
from textune.config.space import Resolver, build_space
from textune.config.study import StudyConfig
from textune.config.tree import assign, follow
from textune.errors import Problem, StudyError, TextuneError
from textune.registry import load_plugin
from textune.space import ChoiceDimension, Space

__all__ = ["LoadedStudy", "load_study", "plugin_paths", "search_folders"]


@dataclass(frozen=True)
class LoadedStudy:
    """A study that passed every check which needs no data.

    Attributes:
        config: the study, every default filled in.
        space: what may vary.
        resolver: params → resolved config.
        folders: where relative paths in the study are tried, in order.
        text: the study file as given.
        plugins: plug-in file → SHA-256 of its source.
    """

    config: StudyConfig
    space: Space
    resolver: Resolver
    folders: tuple[Path, ...]
    text: str
    plugins: Mapping[str, str]

    def base_params(self) -> dict[str, Any]:
        """Returns the study's own values of the active dimensions, as a choice where one says the same."""
        params, base = self.space.base(), self.resolver.resolve({}).key
        for dimension in self.space.dimensions:
            if isinstance(dimension, ChoiceDimension) and dimension.path in params:
                same = (
                    value for value in dimension.values if self.resolver.resolve({dimension.path: value}).key == base
                )
                params[dimension.path] = next(same, params[dimension.path])
        return params


def load_study(
    source: Path | Mapping[str, Any], overrides: Sequence[str] = (), *, allow_plugins: bool = False
) -> LoadedStudy:
    """Reads and checks a study.

    Args:
        source: a `.yaml`, `.yml` or `.json` file, or the study as a mapping.
        overrides: `path=value`, each put in as a choice of that path would be.
        allow_plugins: whether the study may run the Python files it names.

    Raises:
        StudyError: with every problem found.
    """
    document, text, folder = _read(source)
    for override in overrides:
        _override(document, override)
    folders = search_folders(folder)
    plugins = _load_plugins(document, folders, allow_plugins)
    space, problems = build_space(document)
    try:
        config = StudyConfig.model_validate(document.values)
    except ValidationError as error:
        raise StudyError(_by_line(explain(error, document) + problems)) from None
    problems += _sampler_problems(config, space, document)
    if problems:
        raise StudyError(_by_line(problems))
    return LoadedStudy(config, space, Resolver(document.values), folders, text, plugins)


def _sampler_problems(config: StudyConfig, space: Space, document: Document) -> list[Problem]:
    """Returns what the sampler cannot do in this space: a grid takes no range of real numbers without `steps`."""
    try:
        cast("Any", config.search.sampler).num_trials(space)
    except StudyError as error:
        paths = [problem.path.removeprefix("search.space.") for problem in error.problems]
        places = [document.where(("search", "space", path)) for path in paths]
        return [replace(problem, where=where) for problem, where in zip(error.problems, places, strict=True)]
    return []


def _by_line(problems: list[Problem]) -> list[Problem]:
    def line(problem: Problem) -> int:
        number = problem.where.rpartition(":")[2]
        return int(number) if number.isdigit() else 0

    return sorted(problems, key=line)


def search_folders(folder: Path) -> tuple[Path, ...]:
    """Returns where relative paths of a study are tried: its own folder, then `$TEXTUNE_DATA`."""
    data = os.environ.get("TEXTUNE_DATA")
    return (folder, Path(data).resolve()) if data else (folder,)


def _read(source: Path | Mapping[str, Any]) -> tuple[Document, str, Path]:
    if isinstance(source, Mapping):
        text = study_text(source)
        return parse(text, "study"), text, Path.cwd()
    try:
        text = source.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise StudyError([Problem(str(source), "", "there is no such file")]) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else f"cannot be read: {error.strerror}"
        raise StudyError([Problem(str(source), "", reason)]) from error
    document = parse(text, source.name, as_json=source.suffix == ".json")
    document.values.setdefault("name", source.stem)
    return document, text, source.resolve().parent


def _override(document: Document, override: str) -> None:
    settings = document.values
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise StudyError([Problem("--set", override, "must be PATH=VALUE, such as training.epochs=3")])
    value = parse_value(text)
    if path.startswith("search.space."):
        dimension = path.removeprefix("search.space.")
        document.overridden.update(_paths(("search", "space", dimension), value))
        _override_space(settings, dimension, value)
        return
    document.overridden.update(_paths(tuple(path.split(".")), value))
    place = follow(settings, tuple(path.split(".")))
    if place is None:
        raise StudyError([Problem("--set", path, "there is no such setting")])
    assign(settings, path, value)


def _paths(path: tuple[str, ...], value: Any) -> Iterator[tuple[str, ...]]:
    """Yields the path and all below it that a value gives; text may be the kind of a component."""
    yield path
    if isinstance(value, str):
        yield (*path, "kind")
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _paths((*path, str(name)), each)


def _override_space(settings: dict[str, Any], rest: str, value: Any) -> None:
    """A dimension is one key with dots in it: `search.space.training.epochs=[1, 2]`, `….training.epochs.low=1`."""
    space = settings.setdefault("search", {}).setdefault("space", {})
    path, _, key = rest.rpartition(".")
    if path in space and isinstance(space[path], dict) and key in ("low", "high", "log", "steps", "values", "when"):
        space[path][key] = value
    elif value is None:
        space.pop(rest, None)
    else:
        space[rest] = value


def plugin_paths(names: Sequence[str], folders: Sequence[Path]) -> list[Path]:
    """Returns where the plug-in files stand."""
    paths = []
    for name in names:
        candidates = [folder / name for folder in folders]
        path = next((candidate for candidate in candidates if _is_file(candidate)), None)
        if path is None:
            raise TextuneError(f"plug-in {name} was not found; tried {', '.join(map(str, candidates))}")
        paths.append(path)
    return paths


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name that no file can have
        return False


def _load_plugins(document: Document, folders: Sequence[Path], allow: bool) -> dict[str, str]:
    names = document.values.get("plugins") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return {}  # the config says what is wrong with it
    if names and not allow:
        message = f"the study runs Python code from {', '.join(names)}; read it, then allow it with --allow-plugins"
        raise StudyError([Problem(document.where(("plugins",)), "plugins", message)])
    try:
        return {str(path): load_plugin(path) for path in plugin_paths(names, folders)}
    except TextuneError as error:
        raise StudyError([Problem(document.where(("plugins",)), "plugins", str(error))]) from error
