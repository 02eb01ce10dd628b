"""What the folds of a trial leave for statistics and the report: a line of each, and every prediction."""

# N rows

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textune.storage import written_atomically
from textune.training.measurement import FitResult

__all__ = ["Outcomes", "fold_details", "read_outcomes", "save_outcomes"]


@dataclass(frozen=True)
class Outcomes:
    """What a trial predicted for its valid rows, fold after fold.

    Attributes:
        positions_N: row ids in the data set; what outcomes of the same data have in common.
        labels_N: class index of each row, int64.
        probabilities_NK: of each class.
        folds_N: number of the fold that scored each row.
        dates_N: datetime64[D], None if the data is not dated.
    """

    positions_N: NDArray[np.int64]
    labels_N: NDArray[np.int64]
    probabilities_NK: NDArray[np.float32]
    folds_N: NDArray[np.int64]
    dates_N: NDArray[np.datetime64] | None = None


def fold_details(names: Sequence[str], numbers: Sequence[int], fits: Sequence[FitResult]) -> list[dict[str, Any]]:
    """Returns JSON values by fold: what it is called, how many rows it scored, and how well at which epoch."""
    return [
        {
            "fold": number,
            "name": name,
            "rows": len(fit.valid.rows_N),
            "best_epoch": fit.best_epoch,
            "metrics": dict(fit.metrics),
        }
        for name, number, fit in zip(names, numbers, fits, strict=True)
    ]


def save_outcomes(
    path: Path,
    folds: Sequence[int],
    fits: Sequence[FitResult],
    source_rows_N: NDArray[np.int64],
    dates_N: NDArray[np.datetime64] | None,
) -> None:
    """Writes the predictions of the valid rows, fold after fold.

    Args:
        path: of the file.
        folds: number of each fold.
        fits: what each fold predicted.
        source_rows_N: position in the source of every row of the data set.
        dates_N: of every row of the data set, None if the data is not dated.
    """
    valid = [fit.valid for fit in fits]
    positions_N = np.concatenate([each.rows_N for each in valid])
    with written_atomically(path) as file:
        np.savez(
            file,
            rows=source_rows_N[positions_N],
            positions=positions_N,
            labels=np.concatenate([each.labels_N for each in valid]),
            probabilities=np.concatenate([each.probabilities_NK for each in valid]),
            folds=np.repeat(folds, [len(each.rows_N) for each in valid]),
            **({} if dates_N is None else {"dates": dates_N[positions_N]}),
        )


def read_outcomes(path: Path) -> Outcomes | None:
    """Returns what `save_outcomes` wrote; None if there is no such file."""
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as outcomes:
        positions_N = outcomes["positions" if "positions" in outcomes else "rows"]  # older files have positions as rows
        return Outcomes(
            positions_N,
            outcomes["labels"].astype(np.int64),
            outcomes["probabilities"],
            outcomes["folds"].astype(np.int64) if "folds" in outcomes else np.zeros(len(positions_N), np.int64),
            outcomes.get("dates"),
        )
