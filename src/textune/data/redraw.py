"""Other rows than the search scored: what a confirmation trains on and scores."""

# N rows

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from textune.data.base import Fold, Rows, Splits
from textune.data.sampling import deal
from textune.errors import DataError
from textune.records import Fidelity, TrialSpec
from textune.seeds import generator

__all__ = ["Parts", "folds_of", "redraw"]

Ids = NDArray[np.int64]

LEAST_SHARE, MOST_SHARE = 0.1, 0.2
"""Of the rows that may be drawn, how many are scored: as many as the search scored, within these bounds."""

ESTIMATE_SHARE = 0.3
"""Of the rows that may be drawn, how many no race draws, where there are no test rows to say how good the choice is."""


def folds_of(spec: TrialSpec, rows: Rows, splits: Splits, seed: int) -> dict[int, Fold]:
    """Returns the folds that a trial trains, by number: those of the split, or those of its repeat.

    Args:
        spec: of the trial.
        rows: of the data set.
        splits: those of the study.
        seed: of the study.

    Raises:
        DataError: there are too few rows, or they lack the dates that a short form goes by.
    """
    repeat = spec.repeat if spec.repeat is not None and spec.repeat.purpose != "full" else None
    if repeat is not None and repeat.rows == "resplit":
        return {0: redraw(rows, splits, seed, repeat.number, estimate=repeat.purpose == "estimate")}
    if spec.aside and not splits.names:  # date ranges are confirmed on the rows they are: later ones may not train
        fold, aside = _keep_aside(rows, splits, seed)
        if repeat is not None:
            return {0: Fold(np.union1d(fold.train, fold.valid), aside)}
        return {0: _shortened(rows, fold, spec.fidelity, seed)}
    numbers = range(len(splits.folds)) if spec.folds is None else spec.folds
    newest = numbers if spec.fidelity.folds is None else numbers[-spec.fidelity.folds :]
    return {number: _shortened(rows, splits.folds[number], spec.fidelity, seed) for number in newest}


class Parts:
    """How much of a training in full trials are, by epochs and rows; 0 … 1. Each form is divided into rows once.

    Args:
        rows: of the data set.
        splits: those of the study.
        seed: of the study.
    """

    def __init__(self, rows: Rows, splits: Splits, seed: int) -> None:
        self._rows, self._splits, self._seed = rows, splits, seed
        self._trained: dict[tuple[Fidelity, bool], float] = {}

    def of(self, spec: TrialSpec) -> float:
        """Returns the part that a trial of the search, or in short, is. It raises what `folds_of` does."""
        if (form := (spec.fidelity, spec.aside)) not in self._trained:
            in_full = spec.model_copy(update={"fidelity": Fidelity()})
            self._trained[form] = self._num_rows(spec) / self._num_rows(in_full)
        epochs = int(spec.config["training"]["epochs"])
        return min(spec.fidelity.epochs or epochs, epochs) / epochs * self._trained[form]

    def _num_rows(self, spec: TrialSpec) -> int:
        return sum(len(fold.train) for fold in folds_of(spec, self._rows, self._splits, self._seed).values())


def redraw(rows: Rows, splits: Splits, seed: int, number: int, *, estimate: bool = False) -> Fold:
    """Returns a fold whose valid rows the search did not score; it trains on all others that are no test rows.

    Where every row was scored (k folds), they are drawn from all. Labels stand in proportion and groups stay whole:
    what shares a group with a scored row does not train.

    Args:
        rows: of the data set.
        splits: those of the search.
        seed: of the study.
        number: of the draw; draws of different numbers overlap by chance.
        estimate: draw rows that no draw without `estimate` can have, if there are no test rows.

    Raises:
        DataError: there are too few rows.
    """
    train = np.unique(np.concatenate([fold.train for fold in splits.folds]))
    valid = np.unique(np.concatenate([fold.valid for fold in splits.folds]))
    trained = np.setdiff1d(train, _with_groups(rows, valid))
    pool = (trained if len(trained) else train)[_scored(rows)[trained if len(trained) else train]]
    if not len(splits.test):
        kept = _drawn(rows, pool, ESTIMATE_SHARE, seed, "estimate")
        pool = kept if estimate else np.setdiff1d(pool, kept)
    drawn = _drawn(rows, pool, _share(len(pool), len(splits.folds[0].valid)), seed, "redraw", number)
    return Fold(np.setdiff1d(np.union1d(train, valid), _with_groups(rows, drawn)), drawn)


def _keep_aside(rows: Rows, splits: Splits, seed: int) -> tuple[Fold, Ids]:
    """Returns the first fold without the rows that are set aside for the confirmation, and these rows.

    Raises:
        DataError: there are too few.
    """
    fold = splits.folds[0]
    pool = fold.train[_scored(rows)[fold.train]]
    aside = _drawn(rows, pool, _share(len(pool), len(fold.valid)), seed, "aside")
    return Fold(np.setdiff1d(fold.train, _with_groups(rows, aside)), fold.valid), aside


def _shortened(rows: Rows, fold: Fold, fidelity: Fidelity, seed: int) -> Fold:
    """Returns a fold of fewer train rows: a share, labels in proportion and groups whole, or those of the last months.

    Raises:
        DataError: they lack dates, or are of one class.
    """
    if fidelity.window is not None:
        return Fold(_newest(rows, fold.train, fidelity.window), fold.valid)
    if fidelity.share is None or fidelity.share >= 1:
        return fold
    return Fold(_drawn(rows, fold.train, fidelity.share, seed, "short"), fold.valid)


def _newest(rows: Rows, ids: Ids, window: int) -> Ids:
    """Returns the rows of the last months, the month of the newest row being the last."""
    months_N = rows.dated("short.window", "take short.share").astype("datetime64[M]").astype(np.int64)[ids]
    newest: Ids = ids[months_N > months_N.max() - window]
    if len(np.unique(rows.labels_N[newest])) < 2:
        raise DataError(
            f"the newest {window} of the months of a train part hold one class only, and a classifier needs two; raise "
            "short.window, or take short.share"
        )
    return newest


def _share(size: int, wanted: int) -> float:
    return min(max(wanted / max(size, 1), LEAST_SHARE), MOST_SHARE)


def _drawn(rows: Rows, pool: Ids, share: float, seed: int, *names: str | int) -> Ids:
    """Returns a share of the pool, sorted."""
    groups = None if rows.groups_N is None else rows.groups_N[pool]
    part = deal(rows.labels_N[pool], groups, (share, 1 - share), generator(seed, "confirm", *names))
    drawn: Ids = pool[part == 0]
    if not len(drawn):
        raise DataError(f"{len(pool)} rows are too few to draw some of them; add rows, or set confirm: off")
    return drawn


def _with_groups(rows: Rows, ids: Ids) -> Ids:
    """Returns the rows and all that share a group with one of them, sorted."""
    return ids if rows.groups_N is None else np.flatnonzero(np.isin(rows.groups_N, rows.groups_N[ids]))


def _scored(rows: Rows) -> NDArray[np.bool_]:
    return np.ones(len(rows), dtype=np.bool_) if rows.scored_N is None else rows.scored_N
