"""What may vary: typed dimensions, some of them conditional, and the points they span.

Params are a mapping of dotted path to value, of the active dimensions only. Nothing here knows what a path means:
where a condition asks for a setting that no dimension sets, the caller's `lookup` answers from the resolved config.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from textune.errors import Problem, StudyError

__all__ = ["ChoiceDimension", "Dimension", "FloatDimension", "IntDimension", "Space", "same_text"]

Params = Mapping[str, Any]
Lookup = Callable[[Params, str], Any]
Key = Callable[[Params], str]
When = Mapping[str, tuple[Any, ...]]
MOST_ALONE = 1_000
"""Values of one dimension that are tried alone; more is a mistake in the study, and would take long to count."""


@dataclass(frozen=True)
class FloatDimension:
    """A range of real numbers, both ends included; even in the logarithm if `log`. `steps`: for few values of it."""

    path: str
    low: float
    high: float
    log: bool = False
    steps: int | None = None
    when: When = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_range(self.path, self.low, self.high, self.log)

    def all_values(self) -> None:
        """There is no end of them."""
        return

    @property
    def num_steps(self) -> int:
        return self.steps or 0

    def grid(self) -> list[float]:
        """Returns `steps` values, ends included.

        Raises:
            StudyError: `steps` is not given.
        """
        if self.steps is None:
            raise _wrong(
                self.path, "is a range of real numbers; the sampler needs 'steps', how many values to take from it"
            )
        return _spaced(self.low, self.high, self.log, self.steps)

    def from_unit(self, u: float) -> float:
        """Returns the value at `u` in [0, 1)."""
        if not self.log:
            return min(max(self.low + u * (self.high - self.low), self.low), self.high)
        start, end = math.log(self.low), math.log(self.high)
        return min(max(math.exp(start + u * (end - start)), self.low), self.high)

    def contains(self, value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class IntDimension:
    """A range of whole numbers, both ends included; even in the logarithm if `log`. `steps`: for few values of it."""

    path: str
    low: int
    high: int
    log: bool = False
    steps: int | None = None
    when: When = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_range(self.path, self.low, self.high, self.log)

    def all_values(self) -> Sequence[int]:
        return range(self.low, self.high + 1)

    @property
    def num_steps(self) -> int:
        return self.steps or self.high - self.low + 1

    def grid(self) -> Sequence[int]:
        """Returns `steps` values rounded to whole numbers, ends included, each once; without `steps` all values."""
        if self.steps is None:
            return self.all_values()
        return sorted({round(value) for value in _spaced(self.low, self.high, self.log, self.steps)})

    def from_unit(self, u: float) -> int:
        """Returns the value at `u` in [0, 1)."""
        if not self.log:
            return min(self.low + int(u * (self.high - self.low + 1)), self.high)
        start, end = math.log(self.low - 0.5), math.log(self.high + 0.5)  # so that the ends get their full share
        return min(max(round(math.exp(start + u * (end - start))), self.low), self.high)

    def contains(self, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


@dataclass(frozen=True)
class ChoiceDimension:
    """A list of values: any JSON values, mappings included. A value given twice counts once."""

    path: str
    values: tuple[Any, ...]
    when: When = field(default_factory=dict)

    def __post_init__(self) -> None:
        distinct = {same_text(value): value for value in self.values}
        if not distinct:
            raise _wrong(self.path, "is an empty list; give at least one value")
        object.__setattr__(self, "values", tuple(distinct.values()))

    def all_values(self) -> Sequence[Any]:
        return self.values

    def grid(self) -> Sequence[Any]:
        return self.values

    def from_unit(self, u: float) -> Any:
        """Returns the value at `u` in [0, 1)."""
        return self.values[min(int(u * len(self.values)), len(self.values) - 1)]

    def index(self, value: Any) -> int | None:
        """Returns the place of a value in the list, or None."""
        text = same_text(value)
        return next((index for index, each in enumerate(self.values) if same_text(each) == text), None)

    def contains(self, value: Any) -> bool:
        return self.index(value) is not None


Dimension = FloatDimension | IntDimension | ChoiceDimension


class Space:
    """The dimensions in the order they apply: a condition after what it asks for, then shorter paths first.

    Args:
        dimensions: each with a path of its own.
        lookup: returns the resolved value at a path under the params so far (None if there is no such setting).
        key: returns a text that is equal for params which resolve to equal configs.

    Raises:
        StudyError: conditions depend on each other in a circle.
    """

    def __init__(self, dimensions: Sequence[Dimension], lookup: Lookup, key: Key | None = None) -> None:
        self.dimensions = _in_order(dimensions)
        self._lookup = lookup
        self._key = key or same_text

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(dimension.path for dimension in self.dimensions)

    @property
    def conditional(self) -> bool:
        """True if some dimension is active only under others."""
        return any(dimension.when for dimension in self.dimensions)

    def active(self, dimension: Dimension, params: Params) -> bool:
        """True if the dimension varies, given the params of the dimensions before it."""
        return all(_matches(self._value(params, path), allowed) for path, allowed in dimension.when.items())

    def fill(self, value_of: Callable[[Dimension], Any]) -> dict[str, Any]:
        """Returns params with `value_of` each active dimension, asked in order."""
        params: dict[str, Any] = {}
        for dimension in self.dimensions:
            if self.active(dimension, params):
                params[dimension.path] = value_of(dimension)
        return params

    def from_units(self, units: Sequence[float]) -> dict[str, Any]:
        """Returns the params at a point of the unit cube, one coordinate for each dimension, active or not."""
        place = {dimension.path: u for dimension, u in zip(self.dimensions, units, strict=True)}
        return self.fill(lambda dimension: dimension.from_unit(place[dimension.path]))

    def base(self) -> dict[str, Any]:
        """Returns the values the study itself gives the active dimensions; they may lie outside the ranges.

        Of a choice it is the value that says the same, if one does.
        """
        params: dict[str, Any] = {}
        for dimension in self.dimensions:
            if all(_matches(self._lookup({}, path), allowed) for path, allowed in dimension.when.items()):
                params[dimension.path] = self._own(dimension)
        return params

    def _own(self, dimension: Dimension) -> Any:
        own = self._lookup({}, dimension.path)
        if not isinstance(dimension, ChoiceDimension) or dimension.contains(own):
            return own
        base = self._key({})
        return next((value for value in dimension.values if self._key({dimension.path: value}) == base), own)

    def changed(self, changes: Params) -> dict[str, Any]:
        """Returns the base with other values of some dimensions; those that this makes active, or changes with it, have
        what the config then says.
        """
        base = self.base()
        params: dict[str, Any] = {}
        for dimension in self.dimensions:
            path = dimension.path
            if self.active(dimension, params):
                value = self._lookup(changes, path)
                is_own = path in base and same_text(value) == same_text(self._lookup({}, path))
                params[path] = changes.get(path, base[path] if is_own else value)
        return params

    def one_at_a_time(self) -> Iterator[dict[str, Any]]:
        """Yields the base, then each other value of each dimension that is active there, alone.

        Raises:
            StudyError: a range of real numbers has no `steps`, or a range has too many values.
        """
        for dimension in self.dimensions:
            if isinstance(dimension, IntDimension | FloatDimension) and dimension.num_steps > MOST_ALONE:
                message = f"has {dimension.num_steps:,} values; one at a time takes {MOST_ALONE:,} at most, by 'steps'"
                raise _wrong(dimension.path, message)
        grids, base = self._grids(), self.base()
        seen = {self._key(base)}
        yield base
        for dimension, values in zip(self.dimensions, grids, strict=True):
            for value in values if dimension.path in base else ():
                params = self.changed({dimension.path: value})
                if (key := self._key(params)) not in seen:
                    seen.add(key)
                    yield params

    def contains(self, params: Params) -> bool:
        """True if exactly the active dimensions are given, each with a value it can take."""
        rest = dict(params)
        for dimension in self.dimensions:
            given = dimension.path in rest
            if self.active(dimension, params) != given or (given and not dimension.contains(rest.pop(dimension.path))):
                return False
        return not rest

    def grid(self) -> Iterator[dict[str, Any]]:
        """Yields every grid point once, the last dimension varying fastest.

        Raises:
            StudyError: a range of real numbers has no `steps`.
        """
        return self._combine(self._grids(), {}, 0)

    def points(self) -> Iterator[dict[str, Any]]:
        """Yields every point once, the last dimension varying fastest; the space must be finite."""
        values = [dimension.all_values() for dimension in self.dimensions]
        assert self.num_points is not None, "a space with ranges of real numbers has no end of points"
        return self._combine([choices or () for choices in values], {}, 0)

    @property
    def num_grid_points(self) -> int:
        """How many points the grid has.

        Raises:
            StudyError: a range of real numbers has no `steps`.
        """
        count = self._count(self._grids(), {}, 0)
        assert count is not None
        return count

    @property
    def num_points(self) -> int | None:
        """How many points there are; None if there is no end of them."""
        return self._count([dimension.all_values() for dimension in self.dimensions], {}, 0)

    def _grids(self) -> list[Sequence[Any]]:
        grids: list[Sequence[Any]] = []
        problems: list[Problem] = []
        for dimension in self.dimensions:
            try:
                grids.append(dimension.grid())
            except StudyError as error:
                problems += error.problems
        if problems:
            raise StudyError(problems)
        return grids

    def _combine(self, values: list[Sequence[Any]], params: Params, index: int) -> Iterator[dict[str, Any]]:
        if index == len(self.dimensions):
            yield dict(params)
            return
        dimension = self.dimensions[index]
        if not self.active(dimension, params):
            yield from self._combine(values, params, index + 1)
            return
        for value in values[index]:
            yield from self._combine(values, {**params, dimension.path: value}, index + 1)

    def _count(self, values: Sequence[Sequence[Any] | None], params: Params, index: int) -> int | None:
        """Counts without listing: only dimensions that a condition asks about are gone through value by value."""
        if index == len(self.dimensions):
            return 1
        dimension, choices = self.dimensions[index], values[index]
        if not self.active(dimension, params):
            return self._count(values, params, index + 1)
        if choices is None:
            return None
        if not any(_related(dimension.path, path) for other in self.dimensions for path in other.when):
            rest = self._count(values, params, index + 1)
            return None if rest is None else _length(choices) * rest
        total = 0
        for value in choices:
            count = self._count(values, {**params, dimension.path: value}, index + 1)
            if count is None:
                return None
            total += count
        return total

    def _value(self, params: Params, path: str) -> Any:
        """Returns the resolved value; a mapping chosen for a component says too little, so that is looked up."""
        value = params.get(path)
        return self._lookup(params, path) if value is None or isinstance(value, Mapping) else value


def _length(values: Sequence[Any]) -> int:
    """`len` counts no further than a machine's integer."""
    return values.stop - values.start if isinstance(values, range) else len(values)


def same_text(value: Any) -> str:
    """Returns a text that is equal for equal JSON values; 1, 1.0 and true differ, the order of keys does not count."""
    return json.dumps(value, sort_keys=True)


def _in_order(dimensions: Sequence[Dimension]) -> tuple[Dimension, ...]:
    waiting = sorted(dimensions, key=lambda dimension: dimension.path.removesuffix(".kind").count("."))
    ordered: list[Dimension] = []
    while waiting:
        for dimension in waiting:
            others = [other.path for other in waiting if other is not dimension]
            if not any(_related(other, path) for other in others for path in dimension.when):
                break
        else:
            raise _wrong(waiting[0].path, "has a condition that depends on itself through other conditions")
        waiting.remove(dimension)
        ordered.append(dimension)
    return tuple(ordered)


def _related(path: str, asked: str) -> bool:
    """True if a dimension at `path` can decide the value at `asked`."""
    path, asked = path.removesuffix(".kind"), asked.removesuffix(".kind")
    return path == asked or asked.startswith(f"{path}.")


def _matches(value: Any, allowed: tuple[Any, ...]) -> bool:
    return any(type(value) is type(each) and value == each for each in allowed)


def _spaced(low: float, high: float, log: bool, steps: int) -> list[float]:
    """Interior values are rounded to 12 digits: 0.3, not 0.30000000000000004."""
    if steps == 1 or low == high:
        return [low]
    if log:
        ratio = high / low
        inner = [low * ratio ** (index / (steps - 1)) for index in range(1, steps - 1)]
    else:
        inner = [low + (high - low) * index / (steps - 1) for index in range(1, steps - 1)]
    return [low, *(float(f"{value:.12g}") for value in inner), high]


def _check_range(path: str, low: float, high: float, log: bool) -> None:
    if not low <= high:
        raise _wrong(path, f"has low {low} above high {high}")
    if log and low <= 0:
        raise _wrong(path, f"has log: true and low {low}; a logarithmic range starts above 0")


def _wrong(path: str, message: str) -> StudyError:
    return StudyError([Problem("", f"search.space.{path}", message)])
