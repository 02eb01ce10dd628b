"""What the folds of a trial leave for statistics and the report: a line of each, and every prediction."""

# N rows

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textune.training.measurement import FitResult

__all__ = ["fold_details", "save_outcomes"]


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
    path: Path, folds: Sequence[int], fits: Sequence[FitResult], dates_N: NDArray[np.datetime64] | None
) -> None:
    """Writes the predictions of the valid rows, fold after fold, with the dates of the rows if the data has some."""
    valid = [fit.valid for fit in fits]
    rows = np.concatenate([each.rows_N for each in valid])
    np.savez(
        path,
        rows=rows,
        labels=np.concatenate([each.labels_N for each in valid]),
        probabilities=np.concatenate([each.probabilities_NK for each in valid]),
        folds=np.repeat(folds, [len(each.rows_N) for each in valid]),
        **({} if dates_N is None else {"dates": dates_N[rows]}),
    )
