"""Split kinds `given`, `holdout` and `kfold`: who trains, who chooses, who tests."""

# N rows

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from textune.data.base import TEST, VALID, Fold, Rows, SplitConfig, Splits
from textune.data.sampling import deal
from textune.errors import DataError, quoted
from textune.registry import register
from textune.seeds import generator

__all__ = ["GivenConfig", "HoldoutConfig", "KfoldConfig", "Mask", "free_of_test", "in_groups_of", "scored"]

Mask = NDArray[np.bool_]

MOST_HELD_OUT = 10_000
"""Valid rows held out where the data gives none, at most: the standard error of an accuracy is then half a point."""


@register("split", "given")
class GivenConfig(SplitConfig):
    """The parts the data comes with. A missing valid part is held out of train; rows that say nothing train."""

    valid_share: float = Field(
        0.1, gt=0, lt=1, description="share of the train rows held out if no valid rows are given, at most 10,000 rows"
    )

    def assign(self, rows: Rows, seed: int) -> Splits:
        test_N = scored(rows) & (rows.split_N == TEST)
        free_N = free_of_test(rows, test_N)
        valid_N = scored(rows) & (rows.split_N == VALID) & free_N
        if not valid_N.any():
            pool = np.flatnonzero(scored(rows) & free_N)
            share = min(max(self.valid_share * len(pool), 1), MOST_HELD_OUT) / max(len(pool), 2)
            valid_N = _drawn(rows, pool, (share, 1 - share), seed)[0]
        fold = _fold(rows, free_N & (rows.split_N != VALID), valid_N)
        return _checked(rows, Splits((fold,), np.flatnonzero(test_N)))


@register("split", "holdout")
class HoldoutConfig(SplitConfig):
    """One random division of the rows. Test rows the data gives stay the test rows; otherwise some are held out."""

    valid_share: float = Field(0.1, gt=0, lt=1, description="share of the rows held out to choose by")
    test_share: float = Field(
        0.2, ge=0, lt=1, description="share held out for test if the data gives no test rows; 0: none"
    )

    @model_validator(mode="after")
    def _rows_left_to_train(self) -> HoldoutConfig:
        if self.valid_share + self.test_share >= 1:
            raise ValueError("'valid_share' and 'test_share' must leave rows to train; make their sum less than 1")
        return self

    def assign(self, rows: Rows, seed: int) -> Splits:
        test_N = scored(rows) & (rows.split_N == TEST)
        free_N = free_of_test(rows, test_N)
        pool = np.flatnonzero(scored(rows) & free_N)
        if test_N.any() or self.test_share == 0:
            valid_N = _drawn(rows, pool, (self.valid_share, 1 - self.valid_share), seed)[0]
        else:
            shares = (self.valid_share, self.test_share, 1 - self.valid_share - self.test_share)
            valid_N, test_N, _ = _drawn(rows, pool, shares, seed)
            free_N &= ~in_groups_of(rows, test_N)
            if not test_N.any():
                raise DataError(
                    f"no test rows could be held out of {len(pool)} rows; add rows, or set split.test_share to 0"
                )
        return _checked(rows, Splits((_fold(rows, free_N, valid_N),), np.flatnonzero(test_N)))


@register("split", "kfold")
class KfoldConfig(SplitConfig):
    """Every row that is no test row chooses once and trains in all other folds."""

    folds: int = Field(5, ge=2, description="number of folds; a trial trains once for each")

    def assign(self, rows: Rows, seed: int) -> Splits:
        test_N = scored(rows) & (rows.split_N == TEST)
        free_N = free_of_test(rows, test_N)
        pool = np.flatnonzero(scored(rows) & free_N)
        valid_parts = _drawn(rows, pool, (1 / self.folds,) * self.folds, seed)
        folds = tuple(_fold(rows, free_N, valid_N) for valid_N in valid_parts)
        return _checked(rows, Splits(folds, np.flatnonzero(test_N)))


def scored(rows: Rows) -> Mask:
    """True for the rows that may stand in a valid or test part."""
    return np.ones(len(rows), dtype=np.bool_) if rows.scored_N is None else rows.scored_N


def in_groups_of(rows: Rows, mask_N: Mask) -> Mask:
    """True for the rows of the mask and every row that shares a group with one of them."""
    return mask_N if rows.groups_N is None else np.isin(rows.groups_N, rows.groups_N[mask_N])


def free_of_test(rows: Rows, test_N: Mask) -> Mask:
    """True for the rows that may train and choose: no test row, and of no group that has one.

    Raises:
        DataError: there is none.
    """
    may_train_N = rows.split_N != TEST
    if not may_train_N.any():
        raise DataError(
            f"all {len(rows):,} rows are test rows, so none is left to train; mark some as train in the column that "
            "says so (data.split), or give a file of train rows (data.train)"
        )
    free_N: Mask = may_train_N & ~in_groups_of(rows, test_N)
    if not free_N.any():
        raise DataError(
            f"none of {int(may_train_N.sum()):,} rows is left to train, because each shares a group with a test row; "
            "group by something else (data.group), or leave data.group out"
        )
    return free_N


def _drawn(rows: Rows, pool: NDArray[np.int64], shares: tuple[float, ...], seed: int) -> list[Mask]:
    """Divides the pool, labels in proportion and groups whole; returns the mask over all rows of each part."""
    groups = None if rows.groups_N is None else rows.groups_N[pool]
    part_of_pool = deal(rows.labels_N[pool], groups, shares, generator(seed, "split"))
    part_N = np.full(len(rows), -1)
    part_N[pool] = part_of_pool
    return [part_N == part for part in range(len(shares))]


def _fold(rows: Rows, free_N: Mask, valid_N: Mask) -> Fold:
    """Trains on all free rows that share no group with a valid row, scored or not."""
    return Fold(train=np.flatnonzero(free_N & ~in_groups_of(rows, valid_N)), valid=np.flatnonzero(valid_N))


def _checked(rows: Rows, splits: Splits) -> Splits:
    unit = "rows" if rows.groups_N is None else "groups"
    for fold in splits.folds:
        if not len(fold.valid):
            raise DataError(
                f"{len(rows)} rows hold too few {unit} outside of test for {len(splits.folds)} valid part(s); "
                f"add {unit}, or hold out fewer parts"
            )
        classes = np.unique(rows.labels_N[fold.train])
        if len(classes) < 2:
            held = f"only the class {quoted(rows.classes[classes[0]])}" if len(classes) else "no rows"
            raise DataError(f"the train part has {held}; a classifier needs two; check the split, or add {unit}")
    return splits
