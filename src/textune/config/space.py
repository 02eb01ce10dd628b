"""The search space of a study: every dimension typed by the setting it varies and tried out before the first trial."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
from collections.abc import Mapping
from itertools import product
from typing import Any, Literal, get_args, get_origin

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from textune.config.explain import sentence, unknown_setting
from textune.config.files import Document
from textune.config.study import DimensionConfig, TrialConfig
from textune.config.tree import Place, assign, follow, value_at
from textune.errors import Problem
from textune.space import ChoiceDimension, FloatDimension, IntDimension, Space, same_text
from textune.storage import redact

__all__ = ["Point", "Resolver", "build_spaces", "stage_places"]

TUNABLE = ("data", "split", "tokenizer", "model", "training")
Settings = dict[str, Any]
Steps = tuple[str | int, ...]
Dimension = FloatDimension | IntDimension | ChoiceDimension


class Point:
    """A resolved config: `config` as JSON values, and `key`, equal for equal configs."""

    def __init__(self, config: TrialConfig, dropped: tuple[str, ...]) -> None:
        self.config = config.dump()
        self.dropped = dropped
        measured = {name: value for name, value in self.config.items() if name not in ("name", "plugins")}
        self.key = hashlib.sha256(json.dumps(measured, sort_keys=True).encode()).hexdigest()


class Resolver:
    """Turns params into resolved configs: the study's settings with the params put in, shorter paths first."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._base = {name: value for name, value in settings.items() if name in TrialConfig.model_fields}

    def on(self, params: Mapping[str, Any]) -> Resolver:
        """Returns a resolver of which the config that these params lead to is the base."""
        return Resolver(self.settings(params)[0])

    def settings(self, params: Mapping[str, Any]) -> tuple[Settings, tuple[str, ...]]:
        """Returns the settings tree with the params put in, and the given settings this dropped."""
        tree, dropped = copy.deepcopy(self._base), []
        for path in sorted(params, key=depth):
            dropped += assign(tree, path, params[path])
        return tree, tuple(dropped)

    def resolve(self, params: Mapping[str, Any]) -> Point:
        """Returns the point the params lead to.

        Raises:
            ValidationError: the combination is not allowed (a single value is checked when the study is loaded).
        """
        tree, dropped = self.settings(params)
        return Point(TrialConfig.model_validate(tree), dropped)

    def key(self, params: Mapping[str, Any]) -> str:
        """Returns a text that is equal for params of equal configs; params that make none equal only themselves."""
        try:
            return self.resolve(params).key
        except ValidationError:
            return f"no config {same_text(params)}"

    def lookup(self, params: Mapping[str, Any], path: str) -> Any:
        """Returns the resolved value at a path, for the conditions (`when`) of the space; a component's is its kind."""
        return value_at(self.resolve(params).config, path)


def depth(path: str) -> int:
    """Returns how deep a path stands; a component's kind stands where the component does."""
    return path.removesuffix(".kind").count(".")


def stage_places(settings: Mapping[str, Any]) -> list[Steps]:
    """Returns where the stages of the search stand: `search`, or `search.0`, `search.1` … of a list."""
    search = settings.get("search")
    return [("search", number) for number in range(len(search))] if isinstance(search, list) else [("search",)]


def build_spaces(document: Document) -> tuple[list[Space], list[Problem]]:
    """Builds the space of each stage and tries every bound and value out, also where the study has other problems.

    A dimension must exist whatever an earlier stage chooses.

    Returns:
        The spaces (of the dimensions without a problem), and the problems found, in the order of the file.
    """
    resolver = Resolver(document.values)
    spaces, problems = [], []
    earlier: dict[str, DimensionConfig] = {}
    for place in stage_places(document.values):
        configs = _dimension_configs(document.values, place)
        space, found = _build_space(configs, {**earlier, **configs}, (*place, "space"), document)
        spaces.append(space)
        problems += found
        earlier |= {path: _with_base(path, config, resolver) for path, config in configs.items()}
    return spaces, problems


def _build_space(
    configs: Mapping[str, DimensionConfig], known: Mapping[str, DimensionConfig], place: Steps, document: Document
) -> tuple[Space, list[Problem]]:
    resolver, problems, dimensions = Resolver(document.values), [], []
    for path, config in configs.items():
        dimension, messages = _DimensionBuilder(path, config, known, resolver).build()
        location = (*place, path)
        problems += [
            Problem(document.where((*location, key) if key else location), ".".join(map(str, location)), message)
            for key, message in messages
        ]
        if dimension is not None and not messages:
            dimensions.append(dimension)
    return Space(dimensions, resolver.lookup, resolver.key), problems


def _dimension_configs(settings: Mapping[str, Any], place: Steps) -> dict[str, DimensionConfig]:
    search = settings.get("search")
    stage = search[place[1]] if isinstance(search, list) else search  # type: ignore[index]  # the place of a stage
    space = stage.get("space") if isinstance(stage, Mapping) else None
    configs = {}
    for path, value in space.items() if isinstance(space, Mapping) else ():
        with contextlib.suppress(ValidationError):  # validating the study tells what is wrong with it
            configs[path] = DimensionConfig.model_validate(value)
    return configs


def _with_base(path: str, config: DimensionConfig, resolver: Resolver) -> DimensionConfig:
    """Adds what the study itself says to the choices: a stage may find nothing better."""
    with contextlib.suppress(ValidationError):
        own = resolver.lookup({}, path)
        if config.values is not None and own is not None:
            return config.model_copy(update={"values": (own, *config.values)})
    return config


class _DimensionBuilder:
    """One dimension. Messages are pairs of the key they are about ("low", "values", "when" or "") and a sentence."""

    def __init__(
        self, path: str, config: DimensionConfig, others: Mapping[str, DimensionConfig], resolver: Resolver
    ) -> None:
        self.path, self.config, self.others, self.resolver = path, config, others, resolver
        self.when = {key: _as_tuple(value) for key, value in config.when.items()}
        self.messages: list[tuple[str, str]] = []

    def build(self) -> tuple[Dimension | None, list[tuple[str, str]]]:
        if self.path.split(".")[0] not in TUNABLE:
            self.messages.append(("", f"may not vary; what may: settings of {', '.join(TUNABLE)}"))
            return None, self.messages
        place = self._place()
        if place is None:
            return None, self.messages
        dimension = self._typed(place)
        if isinstance(dimension, ChoiceDimension):
            self._refuse_credentials(dimension)
        if dimension is not None:
            self._try_out(dimension)
        return dimension, self.messages

    def _place(self) -> Place | None:
        """Follows the path under every choice of the components above it, and under the dimension's own condition."""
        found, lacking = None, None
        for params in self._choices_above():
            settings, _ = self.resolver.settings(params)
            place = follow(settings, tuple(self.path.split(".")))
            if place is not None and (place.field is not None or (self.path.endswith(".kind") and place.owner.kind)):
                found = found or place
            else:
                lacking = lacking or (params, unknown_setting(settings, tuple(self.path.split("."))))
        if found is None:
            message = lacking[1] if lacking else "there is no such setting"
            self.messages.append(("", message))
        elif lacking is not None:
            choice = ", ".join(f"{path}: {value}" for path, value in lacking[0].items())
            self.messages.append(("", f"{lacking[1]} where {choice}; add a condition, when: {{PATH: VALUE}}"))
            return None
        return found

    def _choices_above(self) -> list[dict[str, Any]]:
        """Returns every combination of the choices on shorter paths that lead here and agree with `when`."""
        above = {}
        for path, config in self.others.items():
            prefix = path.removesuffix(".kind")
            if path != self.path and config.values and (self.path.startswith(f"{prefix}.") or path in self.when):
                above[path] = config.values
        names = sorted(above, key=depth)
        combinations = [dict(zip(names, values, strict=True)) for values in product(*(above[name] for name in names))]
        return [params for params in combinations if self._holds(params)] or [{}]

    def _holds(self, params: Mapping[str, Any]) -> bool:
        try:
            return all(_matches(self.resolver.lookup(params, path), allowed) for path, allowed in self.when.items())
        except ValidationError:
            return True  # a wrong value elsewhere is told by its own dimension

    def _typed(self, place: Place) -> Dimension | None:
        config, when = self.config, self.when
        if config.values is not None:
            return ChoiceDimension(self.path, config.values, when=when)
        types = _types(place.field.annotation) if place.field is not None else set()
        if place.role is not None or not types & {int, float}:
            self.messages.append(("", "is not a number; give a list of values"))
            return None
        if float in types:
            low, high = float(config.low), float(config.high)
            return FloatDimension(self.path, low, high, log=config.log, steps=config.steps, when=when)
        for key in ("low", "high"):
            if not isinstance(getattr(config, key), int):
                self.messages.append((key, f"must be a whole number, as {self.path} is, not {getattr(config, key)}"))
                return None
        return IntDimension(self.path, config.low, config.high, log=config.log, steps=config.steps, when=when)

    def _refuse_credentials(self, dimension: ChoiceDimension) -> None:
        """Params are compared when a study goes on, so they are recorded as they are."""
        text = json.dumps(dimension.values)
        if redact(text) != text:
            message = (
                "names a URL with credentials or a query, which would be recorded with every trial; leave them out, "
                "and give them where the reader of such URLs looks for them, for instance in environment variables"
            )
            self.messages.append(("values", message))

    def _try_out(self, dimension: Dimension) -> None:
        """Puts each bound or value into the config, under the first choice above that meets the condition."""
        base = self._choices_above()[0]
        known = self._errors(base)
        if isinstance(dimension, ChoiceDimension):
            trials = [("values", value) for value in dimension.values]
        else:
            trials = [("low", dimension.low), ("high", dimension.high)]
        for key, value in trials:
            params = {**base, self.path: value}
            errors = self._errors(params)
            new = [detail for place, detail in errors.items() if place not in known]
            if new:
                settings, _ = self.resolver.settings(params)
                self.messages.append((key, sentence(new[0], settings, new[0]["loc"])))
        for path in self.when:
            if self._lacks(base, path):
                self.messages.append(("when", f"names '{path}', which is no setting of the study"))

    def _errors(self, params: Mapping[str, Any]) -> dict[Any, ErrorDetails]:
        try:
            self.resolver.resolve(params)
        except ValidationError as error:
            return {(detail["loc"], detail["type"]): detail for detail in error.errors(include_url=False)}
        return {}

    def _lacks(self, params: Mapping[str, Any], path: str) -> bool:
        settings, _ = self.resolver.settings(params)
        place = follow(settings, tuple(path.split(".")))
        return place is None or (place.field is None and not path.endswith(".kind"))


def _types(annotation: Any) -> set[Any]:
    """Returns the plain types a setting takes, without None."""
    if get_origin(annotation) is Literal:
        return {type(value) for value in get_args(annotation)}
    arguments = get_args(annotation)
    if not arguments:
        return {annotation}
    return set().union(*(_types(argument) for argument in arguments if argument is not type(None)))


def _as_tuple(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def _matches(value: Any, allowed: tuple[Any, ...]) -> bool:
    return any(type(value) is type(each) and value == each for each in allowed)
