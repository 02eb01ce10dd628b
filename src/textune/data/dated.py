"""What splits by date share: rows that are older train, and whatever is wrong is said with the dates of the data."""

# N rows

from __future__ import annotations

import numpy as np

from textune.data.base import TEST, Fold, Rows
from textune.data.split import Mask, in_groups_of, scored
from textune.errors import DataError, quoted

__all__ = ["fold_by_date", "given_test", "kept_apart", "where_rows_are"]


def given_test(rows: Rows, locks: str = "", setting: str = "") -> Mask:
    """Returns the test rows that the data gives.

    Args:
        rows: of the data set.
        locks: what the split locks for test by itself, for the message; empty if nothing.
        setting: of the split, that asks for it.

    Raises:
        DataError: there are some, and the split locks others.
    """
    given_N: Mask = scored(rows) & (rows.split_N == TEST)
    if locks and given_N.any():
        raise DataError(
            f"split.{setting} locks {locks} for test, and the data gives {int(given_N.sum()):,} test rows of its "
            f"own; leave {setting} out, or read the data without them"
        )
    return given_N


def fold_by_date(rows: Rows, name: str, may_train_N: Mask, may_choose_N: Mask, free_N: Mask) -> Fold:
    """Returns a fold; rows whose groups choose do not train.

    Args:
        rows: of the data set.
        name: of the fold, for messages.
        may_train_N: the rows whose dates are those of the train part.
        may_choose_N: the rows whose dates are those of the valid part.
        free_N: the rows that share no group with a test row, and are none.

    Raises:
        DataError: no rows are left to choose by, or fewer than two classes to train on.
    """
    valid_N = scored(rows) & free_N & may_choose_N
    if not valid_N.any():
        why = _why_none(rows, may_choose_N & scored(rows), "test")
        raise DataError(f"{name} has no rows to choose by; {why}")
    train_N = free_N & may_train_N & ~in_groups_of(rows, valid_N)
    classes = np.unique(rows.labels_N[train_N])
    if len(classes) < 2:
        held = f"only the class {quoted(rows.classes[classes[0]])}" if len(classes) else "no rows"
        why = _why_none(rows, may_train_N & ~train_N, "choose or test")
        raise DataError(f"{name} trains on {held}, and a classifier needs two classes; {why}")
    return Fold(train=np.flatnonzero(train_N), valid=np.flatnonzero(valid_N))


def _why_none(rows: Rows, lost_N: Mask, part: str) -> str:
    """Says whether groups or dates are why a part lacks rows."""
    lost = int((lost_N & (rows.split_N != TEST)).sum())
    if rows.groups_N is None or not lost:
        return where_rows_are(rows)
    return (
        f"{lost:,} rows of these dates are left out because rows of their groups (data.group) {part}; group by "
        "something that does not last the whole time, or leave data.group out"
    )


def kept_apart(num_rows: int, counted: str = "") -> tuple[str, ...]:
    """Returns a note on the rows that do not train only because of their groups, if there are any."""
    rows = "1 row" if num_rows == 1 else f"{num_rows:,} rows"
    does = "does" if num_rows == 1 else "do"
    return (f"{rows}{counted} {does} not train: rows of the same group choose or test",) if num_rows else ()


def where_rows_are(rows: Rows) -> str:
    """Says which dates the data has, and what to do where a part of them has no rows."""
    dates_N = rows.dated("the split", "choose another split")
    return f"the data has dates from {dates_N.min()} to {dates_N.max()}; take fewer or other dates, or add rows"
