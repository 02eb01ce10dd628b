"""What a person must know of the rows before anything is trained: where they come from, and who uses how many."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textune.data.base import Rows, Splits

__all__ = ["data_line"]

MOST_SOURCES = 3
"""Sources that one line names."""


def data_line(rows: Rows, splits: Splits) -> str:
    """Returns the source of the rows and how many train, choose and test: the first line of a run.

    Of several folds, train and valid are those of the first, as in `describe`.
    """
    fold = splits.folds[0]
    parts = f"train {len(fold.train):,}, valid {len(fold.valid):,}"
    if len(splits.folds) > 1:
        parts = f"{len(splits.folds)} folds ({parts} in the first)"
    return f"{_named(rows.sources)}: {len(rows):,} rows; {parts}, test {len(splits.test):,}"


def _named(sources: Sequence[str]) -> str:
    shown = [_short(source) for source in sources[:MOST_SOURCES]]
    more = len(sources) - len(shown)
    return ", ".join([*shown, *([f"{more} more"] if more else [])]) or "data"


def _short(source: str) -> str:
    """Returns a path as seen from the current folder, if it is in there."""
    path, here = Path(source), Path.cwd()
    return str(path.relative_to(here)) if path.is_absolute() and path.is_relative_to(here) else source
