"""Split kind `newest`: trains on what is old, chooses by what came after it, and tests on the newest rows."""

# N rows, M of which may be in a part, D distinct days

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from textune.data.base import TEST, Rows, SplitConfig, Splits
from textune.data.dated import fold_by_date, given_test, kept_apart, where_rows_are
from textune.data.split import free_of_test, scored
from textune.errors import DataError
from textune.registry import register

__all__ = ["NewestConfig"]

Days = NDArray[np.datetime64]
DAY = np.timedelta64(1, "D")


@register("split", "newest")
class NewestConfig(SplitConfig):
    """One division by dates: the newest rows test, those before them choose, all older ones train.

    No day is divided, so shares are met as nearly as whole days allow. Test rows the data gives stay the test rows.
    """

    valid_share: float = Field(0.1, gt=0, lt=1, description="share of the rows to choose by: the newest before test")
    test_share: float = Field(
        0.2, ge=0, lt=1, description="share of the rows locked for test if the data gives none: the newest; 0: none"
    )
    valid_days: int | None = Field(None, ge=1, description="calendar days to choose by, in place of valid_share")
    test_days: int | None = Field(
        None, ge=1, description="newest calendar days locked for test, in place of test_share"
    )

    @model_validator(mode="after")
    def _one_measure_of_each_part(self) -> NewestConfig:
        for part in ("valid", "test"):
            share = f"{part}_share"
            given = getattr(self, share) != type(self).model_fields[share].default
            if given and getattr(self, f"{part}_days") is not None:
                raise ValueError(f"gives '{share}' and '{part}_days', which both say how much; leave one of them out")
        if self.valid_days is None and self.test_days is None and self.valid_share + self.test_share >= 1:
            raise ValueError("'valid_share' and 'test_share' must leave rows to train; make their sum less than 1")
        return self

    def plan(self) -> tuple[str, ...]:
        return ("the oldest days train; `textune describe` names the days of each part",)

    def assign(self, rows: Rows, seed: int) -> Splits:  # noqa: ARG002 - dates leave nothing to chance
        dates_N = rows.dated("split 'newest'", "choose another split")
        test_N = given_test(rows, "" if self.test_days is None else f"the newest {self.test_days} days", "test_days")
        pool_N = free_of_test(rows, test_N) & scored(rows)
        if not pool_N.any():
            raise DataError(f"no rows may choose or test; {where_rows_are(rows)}")
        end = dates_N[pool_N].max() + DAY
        if not test_N.any() and (self.test_days is not None or self.test_share > 0):
            wanted = self.test_share * pool_N.sum()
            end = _first_day(rows, dates_N[pool_N], end, self.test_days, wanted, _Part("test", earlier_days=2))
            test_N = pool_N & (dates_N >= end)
        free_N = free_of_test(rows, test_N)
        days_M, wanted = dates_N[free_N & scored(rows) & (dates_N < end)], self.valid_share * pool_N.sum()
        first = _first_day(rows, days_M, end, self.valid_days, wanted, _Part("choose by", earlier_days=1))
        fold = fold_by_date(rows, "split 'newest'", dates_N < first, (dates_N >= first) & (dates_N < end), free_N)
        num_older = int(((rows.split_N != TEST) & (dates_N < first)).sum())
        tested = (f"test rows are of {_range(dates_N[test_N])}",) if test_N.any() else ()
        return Splits(
            (fold,),
            np.flatnonzero(test_N),
            names=(_range(dates_N[fold.valid]),),
            notes=(*tested, *kept_apart(num_older - len(fold.train))),
        )


@dataclass(frozen=True)
class _Part:
    """What a part is for, and how many days with rows must come before it."""

    purpose: str
    earlier_days: int


def _first_day(
    rows: Rows, days_M: Days, end: np.datetime64, num_days: int | None, wanted: float, part: _Part
) -> np.datetime64:
    """Returns the first day of the newest part of some rows.

    Args:
        rows: of the data set.
        days_M: of the rows that may be in the part, or before it.
        end: the day after the part.
        num_days: calendar days of the part; None: as many as have nearly the wanted number of rows.
        wanted: number of rows.
        part: what it is for.

    Raises:
        DataError: the part, or what comes before it, would have no rows.
    """
    distinct_D, counts_D = np.unique(days_M, return_counts=True)
    if num_days is not None:
        first: np.datetime64 = end - num_days * DAY
        if not (distinct_D >= first).any():
            raise DataError(f"no rows to {part.purpose} in {first} … {end - DAY}; {where_rows_are(rows)}")
        number = int(np.searchsorted(distinct_D, first))
    else:
        sizes_D = np.cumsum(counts_D[::-1])[::-1]  # of the part, if it began with each of the days
        number = part.earlier_days + int(np.argmin(np.abs(np.append(sizes_D[part.earlier_days :], np.inf) - wanted)))
        number = number if number < len(distinct_D) else 0
        first = distinct_D[number] if number else end
    if number == 0:
        raise DataError(
            f"split 'newest' takes whole days, and of {len(distinct_D)} with rows too few are left before those to "
            f"{part.purpose}; {where_rows_are(rows)}"
        )
    return first


def _range(dates_M: Days) -> str:
    first, last = dates_M.min(), dates_M.max()
    return str(first) if first == last else f"{first} … {last}"
