"""Split kind `rolling`: trains on some months and chooses by later ones, over several ranges of dates."""

# N rows; months are counted from January 1970

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Annotated, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, model_validator

from textune.data.base import TEST, Fold, Rows, SplitConfig, Splits
from textune.data.dated import fold_by_date, given_test, kept_apart, where_rows_are
from textune.data.split import Mask, free_of_test, scored
from textune.errors import DataError
from textune.registry import register

__all__ = ["RollingConfig"]


def _a_month(text: str) -> str:
    if not re.fullmatch(r"[0-9]{4}-(0[1-9]|1[0-2])", text):
        raise ValueError(f"'{text}' is no month; write YYYY-MM, such as 2008-06")
    return text


Month = Annotated[str, AfterValidator(_a_month)]
Window = Annotated[tuple[Month, Month], Field(strict=False)]


@dataclass(frozen=True)
class _Months:
    """The calendar months from `first` on, before `end`."""

    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first

    def __str__(self) -> str:
        first, last = _name(self.first), _name(self.end - 1)
        return first if first == last else f"{first} … {last}"

    def hold(self, months_N: NDArray[np.int64]) -> Mask:
        return (months_N >= self.first) & (months_N < self.end)


@dataclass(frozen=True)
class _Range:
    train: _Months
    valid: _Months

    def __str__(self) -> str:
        return f"train {self.train}, valid {self.valid}"


@dataclass(frozen=True)
class _Plan:
    """The months of every part. `newest` is what the chosen config is trained on in the end."""

    ranges: tuple[_Range, ...]
    test: _Months
    newest: _Months


@register("split", "rolling")
class RollingConfig(SplitConfig):
    """Ranges of dates that end with the newest whole month: each trains on some months and chooses by later ones.

    What is chosen is trained once more, on the newest train window. Test rows the data gives stay the test rows.
    """

    train_months: int = Field(6, ge=1, description="calendar months that each range trains on")
    gap_months: int = Field(0, ge=0, description="months left out between train and valid, and between train and test")
    valid_months: int = Field(1, ge=1, description="months to choose by, at the end of each range")
    step_months: int | None = Field(
        None, ge=1, description="months from one range to the next, valid_months at least; null: valid_months"
    )
    ranges: int = Field(5, ge=1, description="number of ranges; a trial trains once for each")
    until: Month | None = Field(
        None, description="YYYY-MM: the last month that is used; null: the newest whole month of the data"
    )
    windows: Annotated[tuple[Window, ...], Field(strict=False)] = Field(
        (), description="[first month, last month] of each range, train to valid, in place of ranges counted back"
    )
    test_months: int = Field(
        0, ge=0, description="months after the last valid one that are locked for test, if the data gives no test rows"
    )

    @model_validator(mode="after")
    def _valid_months_stand_in_one_range(self) -> RollingConfig:
        if self.step_months is not None and self.step_months < self.valid_months:
            raise ValueError(
                f"has step_months {self.step_months} below valid_months {self.valid_months}: a month would be chosen "
                "by twice; raise 'step_months' or lower 'valid_months'"
            )
        return self

    @model_validator(mode="after")
    def _windows_are_whole_and_apart(self) -> RollingConfig:
        if not self.windows:
            return self
        counted = ("train_months", "step_months", "ranges", "until")
        given = [name for name in counted if getattr(self, name) != type(self).model_fields[name].default]
        if given:
            raise ValueError(f"names its 'windows' and gives '{given[0]}', which counts them; leave one of them out")
        least = 1 + self.gap_months + self.valid_months
        for first, last in self.windows:
            if _number(last) + 1 - _number(first) < least:
                raise ValueError(
                    f"has the window [{first}, {last}]; with 'gap_months' and 'valid_months' off its end no month is "
                    f"left to train on; it needs {least} months at least"
                )
        ranges = self._ranges_of_windows()
        for one, other in pairwise(ranges):
            if one.valid.end > other.valid.first:
                raise ValueError(
                    f"has windows that choose by the same month: {one.valid} and {other.valid}; the last month(s) of a "
                    "window (valid_months) must be those of no other"
                )
        return self

    def plan(self) -> tuple[str, ...]:
        if self.until is None and not self.windows:
            unit = "range of dates that ends" if self.ranges == 1 else "ranges of dates that end"
            return (f"{self.ranges} {unit} with the newest whole month; `textune describe` names them",)
        plan = self._plan(None)
        lines = [f"range {number}: {each}" for number, each in enumerate(plan.ranges, 1)]
        return (*lines, f"test {plan.test}") if len(plan.test) else tuple(lines)

    @property
    def num_train_months(self) -> int | None:
        lengths = [len(each.train) for each in self._ranges_of_windows()]
        return max(lengths, default=self.train_months)

    def assign(self, rows: Rows, seed: int) -> Splits:  # noqa: ARG002 - dates leave nothing to chance
        dates_N = _dates(rows)
        months_N = dates_N.astype("datetime64[M]").astype(np.int64)
        plan = self._plan(dates_N.max())
        test_N = _test(rows, plan, months_N)
        free_N = free_of_test(rows, test_N)
        names = [f"range {number} of {len(plan.ranges)} ({each})" for number, each in enumerate(plan.ranges, 1)]
        parts = zip(names, plan.ranges, strict=True)
        folds = tuple(
            fold_by_date(rows, name, each.train.hold(months_N), each.valid.hold(months_N), free_N)
            for name, each in parts
        )
        early = [name for name, each in zip(names, plan.ranges, strict=True) if each.train.first < months_N.min()]
        notes = [f"{name} begins before the data, which starts on {dates_N.min()}" for name in early]
        return Splits(
            folds,
            np.flatnonzero(test_N),
            names=tuple(str(each.valid) for each in plan.ranges),
            notes=(*notes, *_apart(rows, plan, folds, months_N), *self._left_out(plan, dates_N)),
            newest_train=np.flatnonzero(free_N & plan.newest.hold(months_N)),
        )

    def _plan(self, newest: np.datetime64 | None) -> _Plan:
        """Returns the months of each part.

        Args:
            newest: the newest date of the data; it is not needed where `until` or `windows` are given.
        """
        ranges = self._ranges_of_windows()
        if not ranges:
            step = self.step_months or self.valid_months
            length = self.train_months + self.gap_months + self.valid_months
            end = _number(self.until) + 1 if self.until is not None else _whole_until(cast("np.datetime64", newest))
            ends = [end - self.test_months - step * back for back in reversed(range(self.ranges))]
            ranges = tuple(self._range(last - length, last) for last in ends)
        last = ranges[-1]
        test = _Months(last.valid.end, last.valid.end + self.test_months)
        end = test.first - (self.gap_months if len(test) else 0)
        return _Plan(ranges, test, _Months(end - len(last.train), end))

    def _ranges_of_windows(self) -> tuple[_Range, ...]:
        ranges = (self._range(_number(first), _number(last) + 1) for first, last in self.windows)
        return tuple(sorted(ranges, key=lambda each: each.valid.first))

    def _range(self, first: int, end: int) -> _Range:
        valid = _Months(end - self.valid_months, end)
        return _Range(_Months(first, valid.first - self.gap_months), valid)

    def _left_out(self, plan: _Plan, dates_N: NDArray[np.datetime64]) -> list[str]:
        """Says which rows at the end of the data have no part, and whether the last month that is used is whole."""
        newest, end = dates_N.max(), plan.test.end
        later = int((dates_N.astype("datetime64[M]").astype(np.int64) >= end).sum())
        rows = f"{later:,} row{'' if later == 1 else 's'}"
        if not later:
            cut = end > _whole_until(newest)
            return [f"{_name(end - 1)} is used and is not whole: the newest date is {newest}"] if cut else []
        if self.until is not None or self.windows:
            return [f"{rows} after {_name(end - 1)} left out, as the split says"]
        whole = f"the month is not whole, for the newest date is {newest}; split.until: {_name(end)} takes it in"
        return [f"{rows} of {_name(end)} left out: {whole}"]


def _dates(rows: Rows) -> NDArray[np.datetime64]:
    return rows.dated("split 'rolling'", "choose another split")


def _test(rows: Rows, plan: _Plan, months_N: NDArray[np.int64]) -> Mask:
    """Returns the test rows: those the data gives, or those of the test months."""
    if not len(plan.test):
        return given_test(rows)
    given_test(rows, str(plan.test), "test_months")
    test_N: Mask = scored(rows) & plan.test.hold(months_N)
    if not test_N.any():
        raise DataError(f"no rows to test in {plan.test}; {where_rows_are(rows)}")
    return test_N


def _apart(rows: Rows, plan: _Plan, folds: Sequence[Fold], months_N: NDArray[np.int64]) -> tuple[str, ...]:
    """Says how many rows do not train only because rows of their groups choose or test."""
    may_train_N = rows.split_N != TEST
    within = sum(int((may_train_N & each.train.hold(months_N)).sum()) for each in plan.ranges)
    return kept_apart(within - sum(len(fold.train) for fold in folds), ", counted over all ranges,")


def _whole_until(newest: np.datetime64) -> int:
    """Returns the month that the newest date has not completed: all before it are whole."""
    return int((newest + np.timedelta64(1, "D")).astype("datetime64[M]").astype(np.int64))


def _number(month: str) -> int:
    return int(np.datetime64(month, "M").astype(np.int64))


def _name(month: int) -> str:
    return str(np.datetime64(month, "M"))
