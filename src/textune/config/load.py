"""From a study file (or a mapping) to a checked study: all problems at once, before any data is read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from textune.config.explain import explain
from textune.config.files import MAX_BYTES, Document, parse, parse_value, too_long
from textune.config.mapping import study_text
from textune.config.space import Resolver, build_spaces, stage_places
from textune.config.study import SearchConfig, StudyConfig
from textune.config.tree import assign, follow
from textune.errors import Problem, StudyError, TextuneError
from textune.registry import load_plugin
from textune.space import ChoiceDimension, Space

__all__ = ["LoadedStudy", "StageSpace", "load_study", "plugin_paths", "search_folders"]

DEFAULT_TRIALS = 20
EPOCHS = "training.epochs"

Steps = tuple[str | int, ...]


@dataclass(frozen=True)
class StageSpace:
    """One stage of a search, on the base it starts from.

    Attributes:
        config: how it is searched.
        space: what may vary.
        resolver: params → resolved config.
    """

    config: SearchConfig
    space: Space
    resolver: Resolver

    def base_params(self) -> dict[str, Any]:
        """Returns the base's own values of the active dimensions, as a choice where one says the same."""
        return self.space.base()

    @property
    def num_trials(self) -> int | None:
        """How many trials the stage takes at most; None if only its timeout ends it."""
        search, space = self.config, self.space
        if not space.dimensions:
            return 1
        sampler = cast("Any", search.sampler)
        whole = sampler.num_trials(space)
        exact = whole if whole is not None else space.num_points
        adds_base = search.include_base and not sampler.takes_base
        if exact is not None and adds_base and not space.contains(self.base_params()):
            exact += 1
        if search.trials is None and whole is None:
            wanted = None if search.timeout_seconds is not None else DEFAULT_TRIALS
        else:
            wanted = search.trials
        return min((limit for limit in (wanted, exact) if limit is not None), default=None)

    @property
    def max_epochs(self) -> int:
        """How many epochs a configuration of the stage trains at most."""
        found: list[int] = [self.resolver.lookup({}, EPOCHS)]
        for dimension in self.space.dimensions:
            if dimension.path in (EPOCHS, EPOCHS.partition(".")[0]):
                values = dimension.values if isinstance(dimension, ChoiceDimension) else (dimension.high,)
                for value in values:
                    with contextlib.suppress(ValidationError):  # not every combination is allowed
                        found.append(self.resolver.lookup({dimension.path: value}, EPOCHS))
        return max(found)

    def on(self, *chosen: Mapping[str, Any]) -> StageSpace:
        """Returns this stage on the base that the params chosen in the stages before it make, in their order."""
        resolver = self.resolver
        for params in chosen:
            resolver = resolver.on(params)
        return StageSpace(self.config, Space(self.space.dimensions, resolver.lookup, resolver.key), resolver)


@dataclass(frozen=True)
class LoadedStudy:
    """A study that passed every check which needs no data.

    Attributes:
        config: the study, every default filled in.
        stages: what is searched, in order; each on the study as written, as nothing was chosen yet.
        folders: where relative paths in the study are tried, in order.
        text: the study file as given.
        plugins: plug-in file → SHA-256 of its source.
    """

    config: StudyConfig
    stages: tuple[StageSpace, ...]
    folders: tuple[Path, ...]
    text: str
    plugins: Mapping[str, str]

    @property
    def limits(self) -> tuple[int | None, float | None]:
        """How many trials the study takes, all stages together, and for how long; None where there is no limit."""
        trials = [stage.num_trials for stage in self.stages]
        seconds = [stage.config.timeout_seconds for stage in self.stages]
        return (
            None if None in trials else sum(number or 0 for number in trials),
            None if None in seconds else sum(each or 0.0 for each in seconds),
        )

    @property
    def space(self) -> Space:
        """What may vary in the first stage."""
        return self.stages[0].space

    @property
    def resolver(self) -> Resolver:
        """Params → resolved config, on the study as written."""
        return self.stages[0].resolver

    @property
    def paths(self) -> tuple[str, ...]:
        """Every path that may vary in some stage."""
        return tuple(dict.fromkeys(path for stage in self.stages for path in stage.space.paths))

    def base_params(self) -> dict[str, Any]:
        """Returns the study's own values of what may vary in the first stage."""
        return self.stages[0].base_params()

    def stage(self, number: int, *chosen: Mapping[str, Any]) -> StageSpace:
        """Returns a stage on the params chosen in those before it, one mapping for each, in their order."""
        return self.stages[number].on(*chosen)


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
    folders = search_folders(folder)
    of_plugins = [override for override in overrides if override.partition("=")[0] == "plugins"]
    for override in of_plugins:  # first, because they add settings that the others may change
        _override(document, override)
    plugins = _load_plugins(document, folders, allow_plugins)
    for override in overrides:
        if override not in of_plugins:
            _override(document, override)
    spaces, problems = build_spaces(document)
    try:
        config = StudyConfig.model_validate(document.values)
    except ValidationError as error:
        raise StudyError(_by_line(explain(error, document) + problems)) from None
    resolver = Resolver(document.values)
    stages = tuple(StageSpace(stage, space, resolver) for stage, space in zip(config.stages, spaces, strict=True))
    for stage, place in zip(stages, stage_places(document.values), strict=True):
        problems += _sampler_problems(stage, place, document)
    if problems:
        raise StudyError(_by_line(problems))
    return LoadedStudy(config, stages, folders, text, plugins)


def _sampler_problems(stage: StageSpace, place: Steps, document: Document) -> list[Problem]:
    """Returns what the sampler cannot do in this space: a grid takes no range of real numbers without `steps`."""
    try:
        cast("Any", stage.config.sampler).num_trials(stage.space)
    except StudyError as error:
        return [_in_stage(problem, place, document) for problem in error.problems]
    return []


def _in_stage(problem: Problem, place: Steps, document: Document) -> Problem:
    """Says where in the study a problem stands that knows its place in one search alone: `search.space.PATH`."""
    path = problem.path.removeprefix("search.space.")
    steps = (*place, "space", path)
    return replace(problem, where=document.where(steps), path=".".join(map(str, steps)))


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
        with source.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise too_long(str(source))
        text = content.decode("utf-8-sig")
    except FileNotFoundError:
        raise StudyError([Problem(str(source), "", "there is no such file")]) from None
    except (OSError, UnicodeDecodeError) as error:
        reason = "is not UTF-8 text" if isinstance(error, UnicodeDecodeError) else f"cannot be read: {error.strerror}"
        raise StudyError([Problem(str(source), "", reason)]) from error
    document = parse(text, source.name, as_json=source.suffix == ".json")
    document.values.setdefault("name", source.stem)
    return document, text, source.resolve().parent


def _override(document: Document, override: str) -> None:
    path, equals, text = override.partition("=")
    if not equals or not path:
        raise StudyError([Problem("--set", override, "must be PATH=VALUE, such as training.epochs=3")])
    value = parse_value(text)
    settings, name, above = _stage_named(document.values, path)
    if name.startswith("search.space."):
        dimension = name.removeprefix("search.space.")
        document.overridden.update(_paths((*above, "space", dimension), value))
        _override_space(settings, dimension, value)
        return
    steps = (*above, *name.split(".")[1:]) if name.startswith("search.") else tuple(name.split("."))
    document.overridden.update(_paths(steps, value))
    if follow(settings, tuple(name.split("."))) is None:
        raise StudyError([Problem("--set", path, "there is no such setting")])
    assign(settings, name, value)


def _stage_named(settings: dict[str, Any], path: str) -> tuple[dict[str, Any], str, Steps]:
    """Returns the settings in which `search` is the one stage that a path names, its path in these, and the stage's.

    Raises:
        StudyError: search is a list, and the path names none of its stages.
    """
    search = settings.get("search")
    if not isinstance(search, list) or not path.startswith("search."):
        return settings, path, ("search",)
    _, number, *rest = path.split(".", 2)
    stages = {str(index): stage for index, stage in enumerate(search)}
    if number not in stages or not rest:
        allowed = ", ".join(f"search.{index}" for index in stages)
        message = f"search is a list of stages; name a setting of one: {allowed}"
        raise StudyError([Problem("--set", path, message)])
    return {"search": stages[number]}, f"search.{rest[0]}", ("search", int(number))


def _paths(path: Steps, value: Any) -> Iterator[Steps]:
    """Yields the path and all below it that a value gives; text may be the kind of a component."""
    yield path
    if isinstance(value, str):
        yield (*path, "kind")
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _paths((*path, str(name)), each)


def _override_space(settings: dict[str, Any], rest: str, value: Any) -> None:
    """A dimension is one key with dots in it: `search.space.training.epochs=[1, 2]`, `….training.epochs.low=1`."""
    search = settings["search"] = {} if settings.get("search") is None else settings["search"]
    if not isinstance(search, dict):
        return  # what is wrong with it is told with its line
    space = search["space"] = {} if search.get("space") is None else search["space"]
    if not isinstance(space, dict):
        return
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


def _listed(names: Sequence[str], most: int = 10) -> str:
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def _load_plugins(document: Document, folders: Sequence[Path], allow: bool) -> dict[str, str]:
    names = document.values.get("plugins") or []
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return {}  # the config says what is wrong with it
    if names and not allow:
        message = f"the study runs Python code from {_listed(names)}; read it, then allow it with --allow-plugins"
        raise StudyError([Problem(document.where(("plugins",)), "plugins", message)])
    try:
        return {str(path): load_plugin(path) for path in plugin_paths(names, folders)}
    except TextuneError as error:
        raise StudyError([Problem(document.where(("plugins",)), "plugins", str(error))]) from error
