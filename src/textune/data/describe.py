"""Statistics of a data set as its study divides it: what a person checks before trusting a number."""

# N rows, M rows of one split

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from textune.data.base import Examples, Rows, Splits, Vocabulary
from textune.data.checks import warnings
from textune.data.repeats import Repeats

__all__ = ["describe"]

Ids = NDArray[np.int64]


def describe(
    rows: Rows,
    splits: Splits,
    examples: Examples,
    vocabulary: Vocabulary,
    *,
    max_length: int | None = None,
    remedy: str = "",
) -> dict[str, Any]:
    """Returns JSON values: counts, shares (0 … 1) and token lengths of the whole data and of each split.

    Train and valid are those of the first fold. Lengths are those of the uncut texts.

    Args:
        rows: the data as loaded.
        splits: who trains, chooses and tests.
        examples: the token ids of the same rows, uncut.
        vocabulary: of these ids.
        max_length: tokens kept of a text; None keeps all.
        remedy: what a user may do about equal texts in several parts.
    """
    fold = splits.folds[0]
    parts = {"train": fold.train, "valid": fold.valid, "test": splits.test}
    parts = {name: ids for name, ids in parts.items() if len(ids)}
    used = np.unique(np.concatenate([splits.test, *(ids for each in splits.folds for ids in (each.train, each.valid))]))
    all_rows = {**parts, "all": np.arange(len(rows))}
    repeats = Repeats(rows)
    tokens = _Tokens(examples, vocabulary.unknown, max_length)
    statistics: dict[str, Any] = {
        "rows": len(rows),
        "rows_in_no_split": len(rows) - len(used),
        "folds": len(splits.folds),
        "vocabulary_size": len(vocabulary),
        "splits": {name: _split(rows, ids, repeats, tokens) for name, ids in all_rows.items()},
        "labels": {name: _balance(rows, ids) for name, ids in all_rows.items()},
        "warnings": list(warnings(rows, splits, repeats, remedy)),
        "texts_in_two_splits": repeats.common_texts(parts),
        "skipped": dict(rows.skipped),
        "changed": dict(rows.changed),
        "notes": list(splits.notes),
        "sources": list(rows.sources),
        "fingerprint": rows.fingerprint,
    }
    if rows.groups_N is not None:
        statistics["groups"] = len(np.unique(rows.groups_N))
    if rows.dates_N is not None:
        statistics["dates"] = {name: _range(rows.dates_N[ids]) for name, ids in all_rows.items()}
        if splits.names:
            statistics["ranges"] = [_fold(rows.dates_N, splits, number) for number in range(len(splits.folds))]
    return statistics


class _Tokens:
    """Numbers of tokens of each text: all, unknown, and whether it is cut."""

    def __init__(self, examples: Examples, unknown: int | None, max_length: int | None) -> None:
        self.length_N = examples.lengths_N
        places = np.flatnonzero(np.asarray(examples.ids_L) == (-1 if unknown is None else unknown))
        self.unknown_N = np.diff(np.searchsorted(places, examples.offsets_N1))
        self.cut_N = self.length_N > (np.iinfo(np.int64).max if max_length is None else max_length)


def _split(rows: Rows, ids: Ids, repeats: Repeats, tokens: _Tokens) -> dict[str, int | float]:
    length_M = tokens.length_N[ids]
    total = int(length_M.sum())
    statistics = {
        "rows": len(ids),
        "repeated_texts": repeats.within(ids),
        "tokens_mean": float(length_M.mean()),
        "tokens_median": float(np.median(length_M)),
        "tokens_min": int(length_M.min()),
        "tokens_max": int(length_M.max()),
        "unknown_share": int(tokens.unknown_N[ids].sum()) / max(total, 1),
        "cut_share": float(tokens.cut_N[ids].mean()),
    }
    if rows.scored_N is not None:
        statistics["rows_scored"] = int(rows.scored_N[ids].sum())
    return statistics


def _balance(rows: Rows, ids: Ids) -> dict[str, int]:
    counts = np.bincount(rows.labels_N[ids], minlength=len(rows.classes))
    return dict(zip(rows.classes, counts.tolist(), strict=True))


def _fold(dates_N: NDArray[np.datetime64], splits: Splits, number: int) -> dict[str, Any]:
    fold = splits.folds[number]
    parts = {"train": fold.train, "valid": fold.valid}
    numbers = {part: {"rows": len(ids), **_range(dates_N[ids])} for part, ids in parts.items()}
    return {"name": splits.names[number], **numbers}


def _range(dates_M: NDArray[np.datetime64]) -> dict[str, str]:
    return {"first": str(dates_M.min()), "last": str(dates_M.max())}
